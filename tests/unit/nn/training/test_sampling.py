"""Neighbors are sampled without a bias."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from graphagg.errors import InvalidBatch, InvalidDataset, InvalidParameter
from graphagg.nn.training.sampling import NeighborSampler, cut


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
