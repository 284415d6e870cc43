"""Every local part: the same in any batch, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch_geometric.nn.conv as pyg
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import (
    GATConv,
    GINEConv,
    MaxAggregation,
    MessagePassing,
    ResGatedGraphConv,
    SAGEConv,
    SoftmaxAggregation,
    SumAggregation,
)

from graphagg.errors import InvalidBatch, InvalidFeatures, InvalidParameter
from graphagg.nn.conv import NAMES, GatedGCN, LocalPart, make_local_part
from tests.unit.nn.conv.graphs import Graph, batch, graphs, random_graph
from tests.unit.nn.conv.test_formulas import randomized

D = 4
ALONE = random_graph(5, 12, D, 3)


LOCAL_PARTS: dict[str, Callable[[], LocalPart]] = {
    **{name: partial(make_local_part, name, D) for name in NAMES},
    "gatedgcn": lambda: make_local_part("gatedgcn", D, D),
    "gine": lambda: make_local_part("gine", D, D),
    "gatedgcn, layer norm": lambda: make_local_part("gatedgcn", D, D, norm="layer", dropout=0.3),
    "gatedgcn, max": lambda: make_local_part("gatedgcn", D, D, MaxAggregation()),
    "gatedgcn, softmax": lambda: make_local_part("gatedgcn", D, D, SoftmaxAggregation(learn=True)),
    "gatedgcn, lcm": lambda: make_local_part("gatedgcn", D, D, "lcm"),
    "gine, lcm": lambda: make_local_part("gine", D, D, "lcm"),
    "gine, pna of messages": lambda: make_local_part("gine", D, D, "pna"),
    "gine, no edges": lambda: make_local_part("gine", D),
    "ResGatedGraphConv": lambda: make_local_part(ResGatedGraphConv(D, D, edge_dim=D), D, D),
    "given": lambda: make_local_part(GINEConv(torch.nn.Linear(D, D), edge_dim=D), D, D),
    "given without edges": lambda: make_local_part(GATConv(D, D), D),
}


@pytest.mark.parametrize("name", LOCAL_PARTS)
def test_a_graph_alone_equals_the_graph_in_any_batch(name: str) -> None:
    part = randomized(LOCAL_PARTS[name]())

    @settings(max_examples=8, deadline=None)
    @given(st.lists(graphs(D), min_size=1, max_size=4), st.randoms(use_true_random=False))
    def check(many: list[Graph], draw) -> None:
        many.insert(draw.randint(0, len(many)), ALONE)
        whole, x, e = run(part, batch(many))
        rows = torch.tensor([0, *(g.x.size(0) for g in many)]).cumsum(0).tolist()
        edges = torch.tensor([0, *(g.edge_index.size(1) for g in many)]).cumsum(0).tolist()
        for at, graph in enumerate(many):
            out, x_one, e_one = run(part, graph)
            here, there = slice(rows[at], rows[at + 1]), slice(edges[at], edges[at + 1])
            for one, all_ in [
                (out[0], whole[0][here]),
                (out[1], whole[1][there]),
                (x_one, x[here]),
                (e_one, e[there]),
            ]:
                assert torch.allclose(one, all_, rtol=0, atol=1e-9)

    check()


def run(part: LocalPart, graph: Graph) -> tuple:
    """Outputs, and the gradients of a sum of their sines."""
    x = graph.x.clone().requires_grad_()
    edge_attr = graph.edge_attr.clone().requires_grad_()
    new, edges = part(x, graph.edge_index, edge_attr if part.reads_edges else None)
    out = new, edge_attr if edges is None else edges
    assert out[0].shape == graph.x.shape
    loss = out[0].sin().sum() + out[1].sin().sum()
    return out, *torch.autograd.grad(loss, [x, edge_attr], materialize_grads=True)


@pytest.mark.parametrize("name", LOCAL_PARTS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("vertices", "edges"), [(3, 0), (1, 0), (6, 1), (0, 0)])
def test_few_vertices_and_few_edges(name: str, training: bool, vertices: int, edges: int) -> None:
    part = LOCAL_PARTS[name]().double().train(training)
    graph = random_graph(vertices, edges, D, 5)
    out, _, _ = run(part, graph)
    assert torch.isfinite(out[0]).all()
    assert torch.isfinite(out[1]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        ([[0, 1], [1, 5]], "the vertex 5; expected ids from 0 to 4"),
        ([[0, -1], [1, 0]], "the vertex -1"),
        ([[0.0], [1.0]], "torch.float32"),
        ([0, 1], r"\(2,\)"),
    ],
)
def test_a_bad_edge_index(name: str, edge_index: list, message: str) -> None:
    index = torch.tensor(edge_index)
    with pytest.raises(InvalidBatch, match=message):
        make_local_part(name, D)(ALONE.x.float(), index)


@pytest.mark.parametrize("name", ["gatedgcn", "gine"])
def test_features_that_do_not_fit(name: str) -> None:
    part, x = make_local_part(name, D, D), ALONE.x.float()
    attr, index = ALONE.edge_attr.float(), ALONE.edge_index
    with pytest.raises(InvalidFeatures, match=r"edge_attr is None; expected \(12, 4\)"):
        part(x, index)
    with pytest.raises(InvalidFeatures, match=r"edge_attr is \(11, 4\)"):
        part(x, index, attr[1:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: make_local_part("gatedgnc", D),
            r"did you mean 'gatedgcn'.*expected one of gatedgcn",
        ),
        (lambda: make_local_part("gatedgcn", D, 3), "edge_channels is 3; expected 4"),
        (
            lambda: make_local_part("gatedgcn", D, norm="instance"),
            "expected one of batch, layer, none",
        ),
        (lambda: make_local_part("gatedgcn", D, dropout=1.0), "dropout is 1.0"),
        (lambda: make_local_part(SAGEConv(D, D), D, None, "sum"), "already built"),
        (lambda: make_local_part(GatedGCN(D), D, dropout=0.5), "already built"),
        (lambda: make_local_part(torch.nn.Linear(D, D), D), "Linear is not a convolution"),
        (lambda: make_local_part("NNConv", D), "no local part is named 'NNConv'.*or a convolution"),
        (lambda: make_local_part("gatedgcn", D, dropout="a"), "dropout is 'a', expected"),
    ],
)
def test_what_cannot_be_built(make, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        make()


def test_edges_reach_the_convolutions_that_take_them() -> None:
    found = {name: make().edge_channels for name, make in LOCAL_PARTS.items()}
    taking = {"ResGatedGraphConv", "given"}
    assert all(found[name] == D for name in taking)
    assert all(found[name] is None for name in ("gcn", "gin", "sage", "given without edges"))
    changed = random_graph(5, 12, D, 8).edge_attr
    for name in taking:
        part = randomized(LOCAL_PARTS[name]())
        x, _ = part(ALONE.x, ALONE.edge_index, ALONE.edge_attr)
        assert not torch.allclose(x, part(ALONE.x, ALONE.edge_index, changed)[0])
    conv = make_local_part(GINEConv(torch.nn.Linear(D, D)), D).double()  # PyG's own edge features
    x, _ = conv(ALONE.x, ALONE.edge_index, ALONE.edge_attr)
    assert not torch.allclose(x, conv(ALONE.x, ALONE.edge_index, changed)[0])


@pytest.mark.parametrize("name", NAMES)
def test_edge_features_that_are_not_read_are_refused(name: str) -> None:
    with pytest.raises(InvalidFeatures, match=r"reads no edge features; give .*`edge_channels`"):
        make_local_part(name, D)(ALONE.x.float(), ALONE.edge_index, ALONE.edge_attr.float())
    if name not in ("gatedgcn", "gine"):
        with pytest.raises(InvalidParameter, match=r"(?s)edge_channels is 4, but .* reads no edge"):
            make_local_part(name, D, D)


class Doubling(SumAggregation):
    def forward(self, x: torch.Tensor, *args, **options) -> torch.Tensor:
        return super().forward(torch.cat([x, x], 1), *args, **options)


@pytest.mark.parametrize("name", ["gatedgcn", "gine"])
def test_an_aggregator_of_another_width(name: str) -> None:
    with pytest.raises(InvalidParameter, match=r"width 4 into \(5, 8\); expected the same width"):
        make_local_part(name, D, None, Doubling())(ALONE.x.float(), ALONE.edge_index)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pyg.APPNP(K=3, alpha=0.1),
        lambda: pyg.GINConv(torch.nn.Sequential(torch.nn.Linear(D, D), torch.nn.BatchNorm1d(D))),
        lambda: pyg.EdgeConv(torch.nn.Linear(2 * D, D)),
        lambda: pyg.SAGEConv(-1, D),
    ],
)
def test_a_built_convolution_is_taken_and_left_as_it_was(make) -> None:
    torch.manual_seed(2)
    conv = make()
    before = torch.get_rng_state()
    state = {name: str(value) for name, value in conv.state_dict().items()}
    part = make_local_part(conv, D)
    assert torch.equal(torch.get_rng_state(), before)
    assert part.conv is conv and part.training and conv.training
    assert {name: str(value) for name, value in conv.state_dict().items()} == state
    assert part(ALONE.x.float(), ALONE.edge_index)[0].shape == (5, D)


class OfOneGraph(MessagePassing):
    """A convolution with a weight for each of 5 vertices."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(5, 1))

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return self.propagate(edge_index, x=self.scale * x)


class OfEdges(OfOneGraph):
    def forward(
        self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor
    ) -> torch.Tensor:
        return super().forward(x, edge_index) + edge_attr.sum()


class Widening(OfOneGraph):
    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x], 1)


def test_a_convolution_of_ones_own() -> None:
    x, edge_attr = ALONE.x.float(), ALONE.edge_attr.float()
    assert make_local_part(OfOneGraph(), D)(x, ALONE.edge_index)[0].shape == (5, D)
    assert make_local_part(OfEdges(), D, D)(x, ALONE.edge_index, edge_attr)[0].shape == (5, D)
    with pytest.raises(InvalidParameter, match=r"FAConv .*takes .*x_0, .*wrap it in a LocalPart"):
        make_local_part(pyg.FAConv(D), D)
    for conv in (Widening(), pyg.GATConv(D, D, heads=2)):
        with pytest.raises(InvalidParameter, match=r"returns \(5, 8\)"):
            make_local_part(conv, D)(x, ALONE.edge_index)
