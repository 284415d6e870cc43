"""Ground truth in all its forms, and recall that is what it says."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from graphagg.communities.evaluation import (
    bootstrap_interval,
    draw_seeds,
    evaluate,
    number_communities,
    read_communities,
)
from graphagg.communities.query.vertex_ranking import VertexRanking
from graphagg.errors import InvalidCommunities, InvalidParameter, UnreadableFile
from graphagg.graph import VertexIds

IDS = VertexIds.of(range(10))
GROUPS = [[0, 1, 2], [3, 4], [5, 6, 7, 8]]


def written(tmp_path):
    label = {v: number for number, group in enumerate(GROUPS) for v in group}
    pairs = [f"{v} {c}" for v, c in label.items()]
    yield "lines.cmty", "# top\n" + "\n".join("\t".join(map(str, g)) for g in GROUPS)
    yield "labels.txt", "\n".join(pairs)
    yield "labels.csv", "id,target\n" + "\n".join(p.replace(" ", ",") for p in pairs)
    yield "bare.csv", "\n".join(p.replace(" ", ",") for p in pairs)


def test_all_forms_agree(tmp_path):
    for name, content in written(tmp_path):
        for packed in (False, True):
            path = tmp_path / name
            data = content.encode()
            path.write_bytes(gzip.compress(data) if packed else data)
            truth = read_communities(path, IDS)
            assert [c.tolist() for c in truth.communities] == GROUPS, name
            assert truth.unknown == 0


def test_unknown_members_are_counted(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("0 1 2 77\n88 99 66\n3 4 5\n")
    truth = read_communities(path, IDS)
    assert [c.tolist() for c in truth.communities] == [[0, 1, 2], [3, 4, 5]]
    assert truth.unknown == 4
    path.write_text("77 88 99\n")
    with pytest.raises(InvalidCommunities, match="none of 3 members"):
        read_communities(path, IDS)
    with pytest.raises(UnreadableFile):
        read_communities(tmp_path / "nowhere", IDS)
    path.write_text("# no line but this one\n")
    with pytest.raises(InvalidCommunities, match="contains no communities"):
        read_communities(path, IDS)
    path.write_text('{"communities": [[1, 2, 3]]}')
    with pytest.raises(UnreadableFile, match="is JSON, expected a community per line"):
        read_communities(path, IDS)


def test_selection():
    truth = number_communities(GROUPS, IDS)
    assert [len(c) for c in truth.select(3, None, None, 0)] == [3, 4]
    assert [len(c) for c in truth.select(1, 3, None, 0)] == [3, 2]
    drawn = truth.select(1, None, 2, 0)
    assert len(drawn) == 2
    assert all((a == b).all() for a, b in zip(drawn, truth.select(1, None, 2, 0), strict=True))


def test_draws_are_members_and_repeat():
    communities = number_communities(GROUPS, IDS).communities
    first = draw_seeds(communities, 2, 3, 0)
    assert [d.community for d in first] == [0, 0, 0, 2, 2, 2]
    for draw in first:
        assert len(draw.seeds) == 2
        assert sorted([*draw.seeds, *draw.rest]) == communities[draw.community].tolist()
    again = draw_seeds(communities, 2, 3, 0)
    assert all((a.seeds == b.seeds).all() for a, b in zip(first, again, strict=True))
    other = draw_seeds(communities, 2, 3, 1)
    assert any((a.seeds != b.seeds).any() for a, b in zip(first, other, strict=True))
    with pytest.raises(InvalidCommunities, match="more than 4 vertices"):
        draw_seeds(communities, 4, 1, 0)
    with pytest.raises(InvalidParameter, match="seeds is 0"):
        draw_seeds(communities, 0, 1, 0)


class Oracle:
    """An index that ranks as it is told."""

    def __init__(self, order):
        self.order = order

    def rank(self, seeds, k, **options):
        order = np.array(self.order, dtype=np.int64)
        return VertexRanking(order, np.arange(len(order), 0, -1.0), "told")


def test_recall_and_area_of_known_rankings():
    draws = draw_seeds([np.arange(6)], 2, 1, 0)
    rest, seeds = draws[0].rest.tolist(), draws[0].seeds.tolist()
    perfect = evaluate(Oracle(seeds + rest), draws)
    assert (perfect.recall, perfect.recall_auc) == (1.0, 1.0)
    worst = evaluate(Oracle([7, 8, 9, 10]), draws)
    assert (worst.recall, worst.recall_auc) == (0.0, 0.0)
    half = evaluate(Oracle([rest[0], 8, rest[1], 9, rest[2]]), draws)
    assert half.recall == 0.5
    assert half.recall_auc == pytest.approx((1 + 1 + 2 + 2) / 10)
    short = evaluate(Oracle([rest[0]]), draws)
    assert short.recall == 0.25
    assert short.recall_auc == pytest.approx(4 / 10)


def test_bootstrap_covers_the_mean():
    values = np.random.default_rng(0).random(200)
    low, high = bootstrap_interval(values, 0)
    assert low < values.mean() < high
    error = values.std() / np.sqrt(200)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert bootstrap_interval(values, 0) == (low, high)
