from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from graphagg.errors import InvalidBatch, InvalidDataset, InvalidFeatures
from graphagg.nn import GPS
from graphagg.nn.config.model import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LocalConfig,
)
from graphagg.nn.model import heads
from graphagg.nn.training import GraphData, TrainingConfig, train
from graphagg.nn.training.batches import graph_batches
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.fit.learner import Learner, evaluate
from graphagg.nn.training.ranking import mean_over_graphs, ranks, reciprocal_ranks
from tests.unit.nn.training.toys import many, ring, tiny

CPU = torch.device("cpu")
seeds = st.integers(0, 10_000)


class Dot(torch.nn.Module):
    """The scores are dot products of the features: whole numbers, with many ties."""

    def forward(self, data: Data) -> torch.Tensor:
        source, target = data.edge_label_index
        scores: torch.Tensor = (data.x[source] * data.x[target]).sum(1)
        return scores


class Lopsided(Dot):
    """(u, v) and (v, u) differ, as from an MLP of both endpoints."""

    def forward(self, data: Data) -> torch.Tensor:
        scores = super().forward(data) + 3 * data.x[data.edge_label_index[1], 0]
        return scores.unsqueeze(1)


def pairs(seed: int, count: int = 6) -> list[Data]:
    """Graphs with pairs that are true, false and unknown; some have no true ones, some no pair."""
    draw = np.random.default_rng(seed)
    graphs = []
    for number in range(count):
        size, listed = int(draw.integers(1, 8)), int(draw.integers(0, 10))
        index = torch.from_numpy(draw.integers(0, size, (2, listed)))
        label = torch.from_numpy(draw.choice([1.0, 1.0, 0.0, -1.0, math.nan], listed))
        if number == 1:
            label = label * 0
        x = torch.from_numpy(draw.integers(-2, 3, (size, 3))).float()
        graphs.append(Data(x=x, edge_index=ring(size), edge_label_index=index, edge_label=label))
    graphs[0].edge_label_index = torch.zeros(2, 1, dtype=torch.int64)
    graphs[0].edge_label = torch.ones(1, dtype=torch.float64)
    return graphs


def by_hand(graphs: list[Data], model: torch.nn.Module) -> float:
    """The definition, from the dense matrix of a graph's scores."""
    means = []
    for graph in graphs:
        size = int(graph.num_nodes or 0)
        every = torch.cartesian_prod(torch.arange(size), torch.arange(size)).T
        asked = Data(x=graph.x, edge_index=graph.edge_index, edge_label_index=every)
        dense = model(asked).detach().view(size, size)
        found = []
        for (u, v), label in zip(
            graph.edge_label_index.T.tolist(), graph.edge_label.tolist(), strict=True
        ):
            if label == 1:
                others = [float(dense[u, w]) for w in range(size) if w != v]
                better = sum(s > float(dense[u, v]) for s in others)
                equal = sum(s == float(dense[u, v]) for s in others)
                found.append(1 / (((1 + better) + (1 + better + equal)) / 2))
        if found:
            means.append(sum(found) / len(found))
    return sum(means) / len(means)


def learner(model: torch.nn.Module) -> Learner:
    return Learner(model, TrainingConfig("mrr"), "mrr", "edge")


def measure(graphs: list[Data], model: torch.nn.Module, size: int) -> float:
    batches = graph_batches(Graphs.from_list(graphs), torch.arange(len(graphs)), size)
    return evaluate(learner(model), batches, CPU)


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([Dot, Lopsided]), st.integers(1, 7))
def test_it_is_the_benchmarks_on_dense_scores(seed: int, kind: Any, size: int) -> None:
    graphs = pairs(seed)
    assert measure(graphs, kind(), size) == pytest.approx(by_hand(graphs, kind()))


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_it_hangs_neither_on_batches_nor_on_the_order_nor_on_false_pairs(seed: int) -> None:
    graphs = pairs(seed)
    whole = measure(graphs, Lopsided(), 6)
    assert measure(graphs, Lopsided(), 1) == pytest.approx(whole)
    assert measure(graphs[::-1], Lopsided(), 4) == pytest.approx(whole)
    for graph in graphs:
        order = torch.randperm(len(graph.edge_label))
        graph.edge_label_index = graph.edge_label_index[:, order]
        graph.edge_label = graph.edge_label[order]
    assert measure(graphs, Lopsided(), 6) == pytest.approx(whole)
    for graph in graphs:
        true = graph.edge_label == 1
        graph.edge_label_index = graph.edge_label_index[:, true]
        graph.edge_label = graph.edge_label[true]
    assert measure(graphs, Lopsided(), 6) == pytest.approx(whole)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 60))
def test_a_bound_on_the_pairs_asked_at_once_changes_nothing(seed: int, limit: int) -> None:
    batch = Graphs.from_list(pairs(seed)).batch(torch.arange(6))
    asked: list[int] = []

    def scored(index: torch.Tensor) -> torch.Tensor:
        asked.append(index.size(1))
        asking = batch.clone()
        asking.edge_label_index = index
        return Dot()(asking)

    whole = reciprocal_ranks(batch, scored, limit=10**6)
    assert len(asked) == 1
    total = asked.pop()
    assert torch.equal(reciprocal_ranks(batch, scored, limit), whole)
    largest = int(batch.ptr.diff().max())
    assert sum(asked) == total and max(asked) < limit + largest


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_ranks_are_the_mean_of_the_best_and_the_worst_in_the_group(seed: int) -> None:
    draw = np.random.default_rng(seed)
    group = np.sort(draw.integers(0, 4, 20))
    scores = draw.choice([-math.inf, 0.0, 1.0, 2.0, 3.0], 20)
    at = draw.integers(0, 20, 9)
    wanted = [
        1 + (own > scores[i]).sum() + ((own == scores[i]).sum() - 1) / 2
        for i in at
        for own in [scores[group == group[i]]]
    ]
    first, sizes = np.searchsorted(group, group[at]), np.bincount(group)[group[at]]
    columns = (torch.from_numpy(each) for each in (scores, at, first, sizes))
    assert ranks(*columns, limit=int(draw.integers(1, 60))).tolist() == wanted


@pytest.mark.parametrize("kind", ["dot", "mlp"])
def test_a_gps_is_asked_for_all_pairs(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "_AT_ONCE", 5)  # pairs, without gradients
    torch.manual_seed(0)
    head = HeadConfig(task="edge", kind=kind, layers=1)
    config = GPSConfig(
        FeatureConfig(width=3), channels=8, layers=1, local=LocalConfig("gcn"),
        attention=AttentionConfig(heads=2), head=head,
    )  # fmt: skip
    model = GPS(config).double().eval()
    graphs = [graph.apply(lambda t: t.double(), "x") for graph in pairs(5)]
    assert measure(graphs, model, 4) == pytest.approx(by_hand(graphs, model))


def test_asking_leaves_the_batch_as_it_was() -> None:
    batch = Graphs.from_list(pairs(0)).batch(torch.arange(6))
    before = batch.clone()
    evaluate(learner(Dot()), [batch], CPU)  # type: ignore[arg-type]  # batches, as a list
    assert sorted(batch.keys()) == sorted(before.keys())
    assert all(torch.equal(batch[k].nan_to_num(7), before[k].nan_to_num(7)) for k in batch.keys())


def test_what_cannot_be_ranked_is_named() -> None:
    with pytest.raises(InvalidDataset, match=r"'mrr' is not defined on the test part.*true edge"):
        mean_over_graphs([torch.zeros(0)], "the test part")
    graphs = pairs(0)[1:2]
    with pytest.raises(InvalidDataset, match=r"'mrr' is not defined on .*true edge"):
        measure(graphs, Dot(), 1)
    wide = pairs(0)
    for graph in wide:
        graph.edge_label = graph.edge_label[:, None].repeat(1, 2)
    with pytest.raises(InvalidDataset, match=r"'mrr' .* edge_label has 2 columns"):
        measure(wide, Dot(), 2)
    torn = Data(x=torch.zeros(4, 3), edge_index=ring(4), ptr=torch.tensor([0, 2, 4]))
    torn.edge_label_index, torn.edge_label = torch.tensor([[0], [3]]), torch.ones(1)
    with pytest.raises(InvalidBatch, match="joins vertices 0 and 3, which lie in two graphs"):
        reciprocal_ranks(torn, lambda index: index[0].double())

    class Wide(Dot):
        def forward(self, data: Data) -> torch.Tensor:
            return super().forward(data)[:, None].repeat(1, 2)

    with pytest.raises(InvalidFeatures, match=r"gives \d+ scores for \d+ pairs; wanted one each"):
        measure(pairs(0), Wide(), 2)


def test_a_model_is_trained_by_the_pairs_that_are_listed_and_measured_by_all(tmp_path: Any) -> None:
    asked: dict[bool, set[int]] = {True: set(), False: set()}

    graphs = many().graphs
    for graph in graphs:
        graph.edge_label_index = torch.tensor([[0, 0], [1, 2]])
        graph.edge_label = torch.tensor([1, 0])
        del graph.y
    data = GraphData("pairs", "edge", graphs, many().splits)

    def build(shape: Any) -> torch.nn.Module:
        model = tiny(shape)
        forward = model.forward

        def heard(batch: Data) -> torch.Tensor:
            listed = 2 * int(batch.num_graphs)
            every = int(batch.num_nodes or 0)  # one source in each graph
            found = batch.edge_label_index.size(1)
            asked[model.training].add(found - (listed if model.training else every))
            return forward(batch)

        model.forward = heard  # type: ignore[method-assign]
        return model

    result = train(build, data, tmp_path / "run", training=TrainingConfig(epochs=2, batch_size=4))
    assert asked == {True: {0}, False: {0}}
    assert result.metric == "mrr" and 1 / 6 <= result.test.mean <= 1.0
