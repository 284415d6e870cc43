"""Small data sets with splits: public and generated ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import ExplainerDataset, FakeDataset, InfectionDataset
from torch_geometric.datasets.graph_generator import BAGraph, ERGraph
from torch_geometric.utils import erdos_renyi_graph, stochastic_blockmodel_graph

from benchmarks.training.public import load
from graphagg.nn.training import GraphData, random_splits
from graphagg.nn.training.data.dataset import check_data

SPLITS, RATIO = 3, (0.4, 0.3, 0.3)


def blocks(within: float, signal: float, seed: int, size: int = 300) -> GraphData:
    """Generate a stochastic block model: three classes, 10 edges per vertex, noisy features.

    `within` is the share of edges inside a class, `signal` the size of the class means.
    """
    torch.manual_seed(seed)
    third = size // 3
    inside, outside = 10 * within / third, 10 * (1 - within) / (2 * third)
    matrix = torch.full((3, 3), outside).fill_diagonal_(inside)
    edges = stochastic_blockmodel_graph(torch.tensor([third] * 3), matrix)
    y = torch.repeat_interleave(torch.arange(3), third)
    x = torch.randn(size, 16) + signal * torch.randn(3, 16)[y]
    graph = Data(x=x, edge_index=edges, y=y)
    return random_splits(graph, RATIO, count=SPLITS)


def seed(state: int) -> None:
    """Seed the generators that PyG's data sets use."""
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002
    torch.manual_seed(state)


def houses() -> GraphData:
    """Generate houses on a random graph; the class is the position in one. Features are equal."""
    seed(0)
    graph = ExplainerDataset(BAGraph(300, 5), "house", 60)[0]
    x = torch.ones(graph.num_nodes, 1)
    return random_splits(Data(x=x, edge_index=graph.edge_index, y=graph.y), RATIO, count=SPLITS)


def infection() -> GraphData:
    """Generate a graph whose class is the distance to an infected vertex, up to 3."""
    seed(0)
    graph = InfectionDataset(ERGraph(500, 0.006), 20, 3)[0]
    plain = Data(x=graph.x.float(), edge_index=graph.edge_index, y=graph.y)
    return random_splits(plain, RATIO, count=SPLITS)


def fake(level: str) -> GraphData:
    seed(0)
    many = level == "graph"
    graphs = FakeDataset(60 if many else 1, 30 if many else 500, 6, task=level, num_classes=3)
    plain = [Data(x=g.x, edge_index=g.edge_index, y=g.y.view(-1)) for g in graphs]
    return random_splits(plain if many else plain[0], RATIO, count=SPLITS)


def chords() -> GraphData:
    """Generate rings with and without a chord; they differ only in the degrees of two vertices."""
    graphs = []
    for number in range(80):
        size = 8 + number % 7
        ring = torch.arange(size)
        edges = torch.stack([ring, ring.roll(-1)])
        if number % 2:
            edges = torch.cat([edges, torch.tensor([[0], [size // 2]])], dim=1)
        both = torch.cat([edges, edges.flip(0)], dim=1)
        graphs.append(Data(x=torch.ones(size, 1), edge_index=both, y=torch.tensor([number % 2])))
    return random_splits(graphs, RATIO, count=SPLITS)


def densities() -> GraphData:
    """Generate random graphs of two densities, which the number of edges separates."""
    torch.manual_seed(0)
    graphs = []
    for number in range(80):
        edges = erdos_renyi_graph(20, 0.15 + 0.1 * (number % 2))
        graphs.append(Data(x=torch.ones(20, 1), edge_index=edges, y=torch.tensor([number % 2])))
    return random_splits(graphs, RATIO, count=SPLITS)


SETS: dict[str, Callable[[], GraphData]] = {
    **{
        f"blocks, {within:.0%} inside, signal {signal}": lambda w=within, s=signal: blocks(w, s, 1)
        for within, signal in (
            (0.9, 0.0), (0.9, 0.3), (0.9, 1.0), (0.6, 0.3), (0.33, 0.3), (0.33, 1.0), (0.05, 0.0),
            (0.05, 0.3), (0.05, 1.0),
        )
    },
    "fake vertices": lambda: fake("node"),
    "fake graphs": lambda: fake("graph"),
    "chords": chords,
    "densities": densities,
    "texas": partial(load, "heterophilous/texas.npz"),
    "cornell": partial(load, "heterophilous/cornell.npz"),
    "MUTAG": partial(load, "tu/MUTAG.npz"),
    "cora, public": partial(load, "planetoid/cora.npz"),
    "cora, geom": partial(load, "planetoid/cora.npz#geom"),
    "chameleon": partial(load, "heterophilous/chameleon_filtered.npz"),
    "CSL": partial(load, "csl/csl.npz"),
    "houses": houses,
    "infection": infection,
}  # fmt: skip


@cache
def dataset(name: str) -> GraphData:
    return check_data(SETS[name]())
