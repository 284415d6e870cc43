"""Link prediction without a leak, and neighbors sampled without a bias."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from graphagg.errors import InvalidBatch, InvalidDataset, InvalidParameter
from graphagg.nn.training import Split, TrainingConfig, link_splits, load, train
from graphagg.nn.training.batches import Feed
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.sampling import NeighborSampler, cut


def graph(directed: bool, seed: int, size: int = 20) -> Data:
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(size, (2, 60), generator=generator)
    edges = edges[:, edges[0] != edges[1]].unique(dim=1)
    x = torch.randn(size, 4, generator=generator)
    return Data(x=x, edge_index=edges if directed else to_undirected(edges), y=torch.arange(size))


def keys(pairs: torch.Tensor, directed: bool) -> set[tuple[int, ...]]:
    return {pair if directed else tuple(sorted(pair)) for pair in map(tuple, pairs.T.tolist())}


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(0, 2**20))
def test_edges_are_parted_and_none_is_read_that_is_to_be_predicted(
    directed: bool, seed: int
) -> None:
    source = graph(directed, seed)
    every = keys(source.edge_index, directed)
    data = link_splits(source, (0.6, 0.2, 0.2), count=2, random_state=seed)
    assert data.resolve_metric("auto") == "mrr" and len(data.splits) == 2
    for split in data.splits:
        parts = [data.graphs[int(ids)] for ids in (split.train, split.val, split.test)]
        true = [keys(p.edge_label_index[:, p.edge_label == 1], directed) for p in parts]
        false = [keys(p.edge_label_index[:, p.edge_label == 0], directed) for p in parts]
        assert set().union(*true) == every and sum(map(len, true)) == len(every)
        assert not any(pairs & every for pairs in false) and not false[0]
        read = [keys(part.edge_index, directed) for part in parts]
        assert read[0] == read[1] == true[0] and read[2] == true[0] | true[1]
        assert all("y" not in part for part in parts)
    again = link_splits(source, (0.6, 0.2, 0.2), random_state=seed + 1).graphs[0]
    assert torch.equal(again.edge_label_index, data.graphs[3].edge_label_index)


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(0, 2**20))
def test_each_epoch_draws_pairs_of_its_own(directed: bool, seed: int) -> None:
    sizes = (20, 7, 30)
    parts = [link_splits(graph(directed, seed, size), random_state=seed) for size in sizes]
    data = replace(
        parts[0],
        graphs=[part.graphs[at] for part in parts for at in range(3)],
        splits=(Split("0", *(torch.tensor([0, 3, 6]) + at for at in range(3))),),
    )
    feed = Feed(
        data, Graphs.from_list(data.graphs), data.splits[0], TrainingConfig(random_state=seed)
    )
    epochs = [next(feed.training(epoch)) for epoch in (0, 1, 0)]
    drawn = []
    for batch in epochs:
        true, false = batch.edge_label_index.chunk(2, dim=1)
        assert batch.edge_label.tolist() == [1] * true.size(1) + [0] * true.size(1)
        assert torch.equal(true[0], false[0])
        assert torch.equal(batch.batch[false[0]], batch.batch[false[1]])
        drawn.append(false.T.tolist())
    assert drawn[0] == drawn[2] != drawn[1]
    for subset in ("val", "test"):
        (batch,) = feed.evaluation(subset)
        assert torch.equal(batch.edge_label, feed.part(subset).edge_label)
    (batch,) = feed.evaluation("train")  # which ROC-AUC is measured on, too
    assert batch.edge_label.sum() * 2 == len(batch.edge_label)


def test_a_run_has_ranks_and_controls(tmp_path: Path) -> None:
    from graphagg.nn.presets.simple import simple

    data = link_splits(graph(False, 0))
    preset = simple("sage", "edge")
    result = train(preset.model, data, tmp_path, training=TrainingConfig(epochs=2))
    assert result.metric == "mrr" and 0 < result.test.mean <= 1
    assert set(result.control_scores) == {"constant", "Adamic-Adar", "mlp", "sage"}
    asked, predictor = graph(False, 0), load(tmp_path, device="cpu")
    with pytest.raises(InvalidDataset, match="the pairs to predict"):
        predictor.predict([asked])
    asked.edge_label_index = torch.tensor([[0, 3, 7], [5, 5, 9]])
    assert predictor.predict([asked]).shape == (3, 1)


def test_what_cannot_be_split() -> None:
    one = graph(True, 0)
    with pytest.raises(InvalidDataset, match="2 graphs; wanted one"):
        link_splits([one, one])
    bare = Data(x=one.x, edge_index=torch.zeros(2, 0, dtype=torch.int64))
    with pytest.raises(InvalidDataset, match="has 0 edges; wanted at least 10"):
        link_splits(bare)
    with pytest.raises(InvalidParameter, match="split ratio is"):
        link_splits(one, (0.9, 0.2, 0.1))
    with pytest.raises(InvalidParameter, match="negatives is 0"):
        link_splits(one, negatives=0)


def random_edges(vertices: int, edges: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, vertices, (2, edges), generator=generator)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 40), st.integers(1, 3), st.integers(0, 999))
def test_with_room_for_all_neighbors_it_is_the_whole_neighborhood(
    vertices: int, edges: int, hops: int, seed: int
) -> None:
    index = random_edges(vertices, edges, seed)
    seeds = torch.unique(random_edges(vertices, 3, seed + 1)[0])
    sample = NeighborSampler(index, vertices, [40] * hops).sample(seeds)
    reached, used = set(seeds.tolist()), set()
    for _ in range(hops):
        new = {e for e in range(edges) if int(index[1, e]) in reached}
        used |= new
        reached |= {int(index[0, e]) for e in new}
    assert sorted(sample.edges.tolist()) == sorted(used)
    assert sorted(sample.vertices.tolist()) == sorted(reached)
    assert torch.equal(sample.vertices[: len(seeds)], seeds)
    assert torch.equal(sample.vertices[sample.edge_index], index[:, sample.edges])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 60), st.integers(1, 4), st.integers(0, 999))
def test_no_vertex_keeps_more_than_the_fanout_nor_an_edge_twice(
    vertices: int, edges: int, fanout: int, seed: int
) -> None:
    index = random_edges(vertices, edges, seed)
    sampler = NeighborSampler(index, vertices, [fanout, fanout])
    seeds = torch.arange(vertices)[:: max(vertices // 3, 1)]
    generator = torch.Generator().manual_seed(seed)
    sample = sampler.sample(seeds, generator)
    assert len(sample.edges.unique()) == len(sample.edges)
    assert len(sample.vertices.unique()) == len(sample.vertices)
    degrees = torch.bincount(index[1], minlength=vertices)
    kept = torch.bincount(index[1, sample.edges], minlength=vertices)
    assert torch.equal(kept[seeds], degrees[seeds].clamp(max=fanout))
    assert bool((kept <= degrees.clamp(max=fanout)).all())
    again = sampler.sample(seeds, torch.Generator().manual_seed(seed))
    assert torch.equal(sample.edges, again.edges) and torch.equal(sample.vertices, again.vertices)


def test_every_neighbor_is_kept_equally_often() -> None:
    """So that a mean over the kept neighbors has the mean over all as its expectation."""
    degree, fanout, draws = 7, 3, 6000
    index = torch.stack([torch.arange(degree) + 1, torch.zeros(degree, dtype=torch.int64)])
    sampler = NeighborSampler(index, degree + 1, [fanout])
    generator = torch.Generator().manual_seed(0)
    counts, pairs = torch.zeros(degree), torch.zeros(degree, degree)
    for _ in range(draws):
        kept = sampler.sample(torch.tensor([0]), generator).edges
        counts[kept] += 1
        pairs[kept[:, None], kept[None, :]] += 1
    p = fanout / degree
    deviation = (draws * p * (1 - p)) ** 0.5
    assert bool(((counts - draws * p).abs() < 4 * deviation).all())
    together = p * (fanout - 1) / (degree - 1)
    deviation = (draws * together * (1 - together)) ** 0.5
    off = ~torch.eye(degree, dtype=torch.bool)
    assert bool(((pairs - draws * together).abs()[off] < 4.5 * deviation).all())


def test_cut_takes_rows_of_vertices_and_of_edges() -> None:
    index = random_edges(6, 11, 0)
    graph = Data(
        x=torch.arange(6.0)[:, None], edge_index=index, edge_attr=torch.arange(11.0)[:, None],
        y=torch.arange(6), scale=torch.tensor(3.5), name="g",
    )  # fmt: skip
    sample = NeighborSampler(index, 6, [2]).sample(torch.tensor([4, 1]))
    part = cut(graph, sample, 2)
    assert part.y.tolist() == sample.vertices.tolist() and part.seeds == 2
    assert float(part.scale) == 3.5 and part.scale.dim() == 0  # of the whole graph
    assert part.edge_attr.view(-1).tolist() == sample.edges.tolist()
    graph.pair_index = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(InvalidDataset, match="'pair_index' belongs to pairs"):
        cut(graph, sample, 2)


def test_wrong_fanouts_and_ids_are_refused() -> None:
    index = random_edges(4, 5, 0)
    for fanouts in ([], [3, 0]):
        with pytest.raises(InvalidParameter, match=r"^fanouts is"):
            NeighborSampler(index, 4, fanouts)
    with pytest.raises(InvalidBatch, match="-1"):
        NeighborSampler(torch.tensor([[0], [-1]]), 4, [2])
    with pytest.raises(InvalidBatch, match="holds 9"):
        NeighborSampler(torch.tensor([[9], [0]]), 4, [2])
