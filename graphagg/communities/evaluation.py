"""Measures how many members of true communities a query finds, with the protocol of the paper.

Paper: arXiv 1601.03958, "Experimental evaluation": draw seeds from a community, grow to its size,
and count the true members among the first 1, 2, ... additions. Departures: a fixed random state
instead of five numbers in the code; the area under the recall curve is scaled so that a perfect
ranking has 1 (in the paper 0.5); bootstrap intervals over communities.
"""

from __future__ import annotations

import csv
import io
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.checks import integer
from graphagg.communities.config import Method
from graphagg.communities.index import CommunityIndex
from graphagg.errors import InvalidCommunities, UnreadableFile
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.reading.columns import is_number
from graphagg.graph.reading.files import read_bytes
from graphagg.progress import Progress, silent

_INTEGER = re.compile("0|[1-9][0-9]{0,18}")
_RESAMPLES = 2000


@dataclass(frozen=True)
class GroundTruth:
    """Known communities, as arrays of dense vertex numbers.

    Attributes:
        communities: arrays of distinct vertices, each with at least one.
        unknown: number of members that are not in the graph and were left out.
    """

    communities: tuple[Ints, ...]
    unknown: int

    def select(
        self, min_size: int = 1, max_size: int | None = None, most: int | None = None,
        random_state: int = 0,
    ) -> tuple[Ints, ...]:  # fmt: skip
        """Select communities by size, at most `most` of them at random, and keep the file order."""
        fit = [c for c in self.communities if min_size <= len(c) <= (max_size or len(c))]
        if most is None or len(fit) <= most:
            return tuple(fit)
        sample = np.random.default_rng(random_state).choice(len(fit), most, replace=False)
        return tuple(fit[i] for i in sorted(sample.tolist()))


def read_communities(path: str | os.PathLike[str], vertices: VertexIds) -> GroundTruth:
    r"""Read known communities from a file.

    The file has one community per line, or `vertex label` pairs (each vertex once), or a CSV of
    such pairs; it may be gzipped.

    Args:
        path: the file.
        vertices: ids of the graph; other members are counted as unknown.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "truth.txt"
        >>> _ = path.write_text("ann bob cat\nbob cat dan\n")
        >>> truth = read_communities(path, VertexIds.of(["ann", "bob", "cat"]))
        >>> len(truth.communities), truth.unknown
        (2, 1)
    """
    source = Path(path)
    try:
        text = read_bytes(source).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{source}: cannot be read ({error}); convert the file to UTF-8"
        ) from None
    if text.lstrip()[:1] in ("{", "["):
        raise UnreadableFile(
            f"{source}: the file is JSON, expected a community per line, or CSV pairs"
        )
    return number_communities(_groups(text), vertices, str(source))


def number_communities(
    groups: Iterable[Sequence[Any]], vertices: VertexIds, name: str = "the communities"
) -> GroundTruth:
    """Convert the vertex ids of communities to dense numbers."""
    unknown = 0
    communities = []
    for group in groups:
        members = [vertices.find(member) for member in group]
        unknown += sum(member is None for member in members)
        inside = sorted({member for member in members if member is not None})
        if inside:
            communities.append(np.array(inside, dtype=np.int64))
    if not communities and not unknown:
        raise InvalidCommunities(f"{name}: contains no communities; check the file")
    if not communities:
        raise InvalidCommunities(
            f"{name}: none of {unknown:,} members is in the graph, expected its vertex ids; "
            "check that the file is for this graph"
        )
    return GroundTruth(tuple(communities), unknown)


def _groups(text: str) -> list[list[VertexId]]:
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    comma = bool(lines) and "," in lines[0]
    rows = list(csv.reader(io.StringIO("\n".join(lines)))) if comma else [x.split() for x in lines]
    if comma and not is_number(rows[0][0].strip()) and _has_header(rows):
        rows = rows[1:]
    pairs = all(len(row) == 2 for row in rows)
    if pairs and (comma or len({row[0] for row in rows}) == len(rows)):
        labeled: dict[str, list[VertexId]] = {}
        for vertex, label in rows:
            labeled.setdefault(label.strip(), []).append(vertex.strip())
        return list(labeled.values())
    return [[cell.strip() for cell in row] for row in rows]


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first line is a header: an integer follows, or it is a usual column name."""
    first = rows[0][0].strip().casefold()
    below = rows[1][0].strip() if len(rows) > 1 else ""
    return bool(_INTEGER.fullmatch(below)) or first in ("id", "vertex", "node", "name")


@dataclass(frozen=True)
class Draw:
    """One question: seeds from a community."""

    community: int  # position of the community
    seeds: Array  # `[s]` dense numbers
    rest: Array  # the other members, which the query should find


@dataclass(frozen=True)
class Evaluation:
    """Recall of one method over communities and draws.

    Attributes:
        method: the method that ranked the vertices.
        communities: number of communities.
        draws: number of draws per community.
        recall: mean over communities of the mean over draws, at community size minus seeds.
        recall_interval: 95 % bootstrap interval over communities.
        recall_auc: mean area under the recall curve; perfect is 1.
        latency_ms: wall time of a ranking without reasons, in milliseconds: `p50`, `p99`.
    """

    method: str
    communities: int
    draws: int
    recall: float
    recall_interval: tuple[float, float]
    recall_auc: float
    latency_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`."""
        return asdict(self)


def draw_seeds(
    communities: Sequence[Array], seeds: int, draws: int, random_state: int
) -> list[Draw]:
    """Draw seeds `draws` times from each community of more than `seeds` vertices.

    Examples:
        >>> draws = draw_seeds([np.arange(5)], seeds=2, draws=3, random_state=0)
        >>> len(draws), len(draws[0].seeds), len(draws[0].rest)
        (3, 2, 3)
    """
    integer("seeds", seeds, 1)
    integer("draws", draws, 1)
    generator = np.random.default_rng(random_state)
    questions = []
    for community, members in enumerate(communities):
        if len(members) <= seeds:
            continue
        for _ in range(draws):
            sample = generator.choice(members, seeds, replace=False)
            questions.append(Draw(community, sample, np.setdiff1d(members, sample)))
    if not questions:
        largest = max((len(members) for members in communities), default=0)
        raise InvalidCommunities(
            f"none of {len(communities)} communities has more than {seeds} vertices (the largest "
            f"has {largest}); draw fewer seeds, or select other sizes"
        )
    return questions


def evaluate(
    index: CommunityIndex,
    questions: Sequence[Draw],
    *,
    method: Method = "fused",
    random_state: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Measure recall and time over draws of seeds.

    A draw whose seeds have no neighbors counts as recall 0.

    Args:
        index: the index.
        questions: result of `draw_seeds`; use the same questions for all methods that you compare.
        method: the method that ranks the vertices.
        random_state: seed of the bootstrap.
        progress: called after each question.

    Examples:
        >>> from tempfile import mkdtemp
        >>> import networkx
        >>> from graphagg.communities import CommunityIndex
        >>> index = CommunityIndex.build(networkx.caveman_graph(3, 5), mkdtemp())
        >>> truth = [np.arange(5), np.arange(5, 10)]
        >>> evaluate(index, draw_seeds(truth, 2, 1, 0)).recall
        1.0
    """
    recalls, areas, times = [], [], []
    # The first call loads compiled code and maps pages, so it is not timed.
    index.rank(questions[0].seeds, len(questions[0].rest), method=method)
    for done, question in enumerate(questions):
        k = len(question.rest)
        start = time.perf_counter()
        ranking = index.rank(question.seeds, k, method=method)
        members = ranking.vertices[ranking.best(k, question.seeds)]
        times.append(time.perf_counter() - start)
        hits = np.zeros(k)
        hits[: len(members)] = np.isin(members, question.rest)
        recalls.append(float(hits.sum()) / k)
        areas.append(float(np.cumsum(hits).sum()) / (k * (k + 1) / 2))
        progress(method, done + 1, len(questions))
    groups = np.array([question.community for question in questions])
    means = _means(groups, np.array(recalls))
    return Evaluation(
        method=method,
        communities=len(means),
        draws=len(questions) // len(means),
        recall=float(means.mean()),
        recall_interval=bootstrap_interval(means, random_state),
        recall_auc=float(_means(groups, np.array(areas)).mean()),
        latency_ms={f"p{p}": round(float(np.percentile(times, p)) * 1e3, 3) for p in (50, 99)},
    )


def bootstrap_interval(means: Array, random_state: int) -> tuple[float, float]:
    """Compute the 95 % percentile interval of the mean, resampling communities."""
    generator = np.random.default_rng(random_state)
    picks = generator.integers(0, len(means), (_RESAMPLES, len(means)))
    low, high = np.percentile(means[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _means(groups: Array, values: Array) -> Array:
    positions = np.unique(groups, return_inverse=True)[1]
    return np.asarray(np.bincount(positions, values) / np.bincount(positions))
