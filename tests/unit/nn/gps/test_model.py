from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Batch, Data

from graphagg.errors import InvalidBatch, InvalidFeatures, InvalidParameter
from graphagg.nn import (
    GPS,
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LocalConfig,
    get_preset,
)
from graphagg.nn.model.heads import pool
from graphagg.nn.presets import preset_names
from graphagg.nn.segments import Segments
from tests.unit.nn.gps.graphs import graph_for

EXACT = {"rtol": 0.0, "atol": 1e-9}
NODES, EDGES = FeatureConfig(vocabulary=(5, 3), width=2), FeatureConfig(vocabulary=(4,))
RWSE, LAPPE = EncodingConfig("rwse", 4, size=5), EncodingConfig("lappe-deepset", 4, size=4)
COMBINATIONS = [
    ("gatedgcn", "exact", (RWSE, LAPPE)),
    ("gine", "performer", (EncodingConfig("lappe-deepset", 4, size=4),)),
    ("gatedgcn", "none", (LAPPE, RWSE)),
    *(("gcn", attention, (RWSE,)) for attention in ("exact", "performer", "none")),
    *((local, "exact", (LAPPE,)) for local in ("gine", "none")),
    *((local, "performer", (LAPPE,)) for local in ("gatedgcn", "none")),
    ("gine", "none", ()),
]


def config_of(
    local: str,
    attention: str,
    encodings: tuple[EncodingConfig, ...] = (),
    head: HeadConfig | None = None,
) -> GPSConfig:
    return GPSConfig(
        NODES,
        EDGES if local in ("gatedgcn", "gine") else FeatureConfig(),
        encodings,
        channels=16,
        layers=2,
        local=LocalConfig(local),
        attention=AttentionConfig(attention, heads=2),
        head=head or HeadConfig(kind="mlp", layers=2, shape=(3,)),
    )


def model_of(config: GPSConfig) -> GPS:
    torch.manual_seed(3)
    return GPS(config).double().eval()


def run(model: GPS, data: Data) -> tuple[Tensor, list[Tensor]]:
    out = model(data)
    grads = torch.autograd.grad(out.sin().sum(), list(model.parameters()), allow_unused=True)
    return out.detach(), [torch.zeros(()) if g is None else g for g in grads]


@pytest.mark.parametrize(("local", "attention", "encodings"), COMBINATIONS)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=4, deadline=None)
def test_a_graph_alone_equals_the_same_graph_in_a_batch(
    local: str, attention: str, encodings: tuple[EncodingConfig, ...], sizes: list[int], seed: int
) -> None:
    config = config_of(local, attention, encodings)
    model = model_of(config)
    graphs = [graph_for(config, size, seed + i, torch.float64) for i, size in enumerate(sizes)]
    out, grads = run(model, Batch.from_data_list(graphs))
    alone = [run(model, graph) for graph in graphs]
    torch.testing.assert_close(out, torch.cat([a[0] for a in alone]), **EXACT)
    for found, *summands in zip(grads, *(a[1] for a in alone), strict=True):
        torch.testing.assert_close(found, sum(summands), **EXACT)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_runs_forward_and_backward(name: str) -> None:
    config = get_preset(name).model
    model = GPS(config)
    batch = Batch.from_data_list([graph_for(config, size, size) for size in (6, 4)])
    out = model(batch)
    answers = {"graph": 2, "node": 10, "edge": 6}[config.head.task]
    assert out.shape == (answers, *config.head.shape)
    out.square().mean().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in grads)
    # Only what the last layer writes on its edges is not read.
    unused = {n.split(".")[-2] for n, p in model.named_parameters() if p.grad is None}
    assert unused <= {"norm_e"}


def test_the_size_of_zinc_is_the_published_one() -> None:
    assert GPS(get_preset("zinc").model).parameter_count == 423_717


@pytest.mark.parametrize(
    ("head", "answers"),
    [
        (HeadConfig(pooling="add"), (2, 1)),
        (HeadConfig(kind="mlp", pooling="max", layers=3, norm="layer", shape=(2, 3)), (2, 2, 3)),
        (HeadConfig(task="node", kind="mlp", layers=1, shape=(7,)), (11, 7)),
        (HeadConfig(task="node", kind="san"), (11, 1)),
        (HeadConfig(task="edge", kind="dot", layers=2), (6, 1)),
        (HeadConfig(task="edge", kind="mlp", shape=(4,)), (6, 4)),
    ],
)
def test_heads_answer_for_graphs_nodes_and_edges(
    head: HeadConfig, answers: tuple[int, ...]
) -> None:
    config = config_of("gatedgcn", "exact", head=head)
    batch = Batch.from_data_list([graph_for(config, n, n, torch.float64) for n in (6, 5)])
    model = model_of(config)
    out = model(batch)
    assert out.shape == answers
    if head.kind == "dot":
        batch.edge_label_index = batch.edge_label_index.flip(0)
        torch.testing.assert_close(model(batch), out, **EXACT)


@pytest.mark.parametrize("how", ["add", "mean", "max"])
def test_pooling_equals_a_loop(how: str) -> None:
    x = -torch.rand(6, 3)
    graphs = Segments.from_ptr(torch.tensor([0, 2, 2, 6]), 6)
    by_hand = {"add": torch.sum, "mean": torch.mean, "max": torch.amax}[how]
    wanted = torch.stack([by_hand(x[:2], 0), torch.zeros(3), by_hand(x[2:], 0)])
    torch.testing.assert_close(pool(x, graphs, how), wanted)


def spoiled(**changes: object) -> Data:
    graph = graph_for(config_of("gatedgcn", "exact"), 6, 0)
    for name, value in changes.items():
        graph[name] = value
    return graph


def with_value(row: int, column: int, value: float) -> Tensor:
    x = spoiled().x.clone()
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (spoiled(x=with_value(4, 3, float("nan"))), "x is nan at row 4, column 3 \\(graph 0\\)"),
        (spoiled(x=with_value(4, 2, float("inf"))), "x is inf at row 4, column 2"),
        (spoiled(x=with_value(2, 1, 3)), "x is 3.0 at row 2, column 1.*from 0 to 2"),
        (spoiled(x=with_value(2, 0, -1)), "x is -1.0 at row 2, column 0.*from 0 to 4"),
        (spoiled(x=with_value(2, 0, 1.5)), "x is 1.5 at row 2, column 0"),
        (spoiled(x=torch.zeros(6, 3)), "x is \\(6, 3\\); expected \\[6, 4\\]"),
        (spoiled(x=None, num_nodes=6), "x is missing; expected \\[6, 4\\]"),
        (spoiled(edge_attr=None), "edge_attr is missing; expected \\[12, 1\\]"),
        (spoiled(edge_attr=torch.zeros(5, 1).long()), "edge_attr is \\(5, 1\\)"),
        (spoiled(edge_attr=torch.full((12,), 4)), "edge_attr is 4 at row 0.*from 0 to 3"),
        (spoiled(edge_index=None), "edge_index is missing"),
        (
            Batch.from_data_list([spoiled(), spoiled(x=with_value(1, 3, float("nan")))]),
            "row 7, column 3 \\(graph 1\\)",
        ),
    ],
)
def test_features_that_do_not_fit_are_said_to(graph: Data, said: str) -> None:
    with pytest.raises(InvalidFeatures, match=said):
        GPS(config_of("gatedgcn", "exact"))(graph)


def test_pairs_of_an_edge_task_must_be_there() -> None:
    config = config_of("gine", "none", head=HeadConfig(task="edge", kind="dot"))
    model, graph = GPS(config), graph_for(config, 5, 0)
    graph.edge_label_index = torch.tensor([[0], [5]])
    with pytest.raises(InvalidBatch, match="vertex 5"):
        model(graph)
    del graph.edge_label_index
    with pytest.raises(InvalidFeatures, match="edge_label_index is missing"):
        model(graph)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("local", ["gatedgcn", "gine", "gcn", "none"])
def test_graphs_without_vertices_or_edges(local: str, training: bool) -> None:
    config = config_of(local, "exact", (RWSE, LAPPE))
    model = model_of(config).train(training)
    empty, single, some = (graph_for(config, n, 0, torch.float64) for n in (0, 1, 4))
    bare = graph_for(config, 3, 0, torch.float64, edges=0)
    for graphs in ([empty], [single], [bare], [empty, some, empty, single, bare]):
        out = model(Batch.from_data_list(graphs))
        assert out.shape == (len(graphs), 3) and torch.isfinite(out).all()
        out.sum().backward()


def test_a_part_that_does_not_exist_is_said_to() -> None:
    for local, attention, encoding in (
        ("gatedgnc", "exact", RWSE),
        ("gine", "exakt", RWSE),
        ("gine", "exact", EncodingConfig("rwsee", 4)),
    ):
        with pytest.raises(InvalidParameter, match=r"gatedgnc|exakt|rwsee"):
            GPS(config_of(local, attention, (encoding,)))


def test_the_data_stay_as_they_are() -> None:
    config = config_of("gatedgcn", "exact", (RWSE,))
    graph = graph_for(config, 6, 0, torch.float64)
    before = graph.clone()
    model_of(config)(graph)
    torch.testing.assert_close(graph.to_dict(), before.to_dict(), rtol=0.0, atol=0.0)
