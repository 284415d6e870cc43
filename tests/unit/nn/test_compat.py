"""What `graphagg.nn.compat` assumes of PyTorch and PyG, one test for each assumption."""

from __future__ import annotations

import gc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch_geometric.data import Batch, Data

from graphagg.nn import compat


def test_the_owner_of_a_view_is_the_tensor_that_it_shows() -> None:
    edges = torch.arange(8).view(2, 4).clone()
    for view in (edges[1], edges[1][1:], edges.view(-1), edges.t()):
        assert compat.storage_owner(view) is edges
    assert compat.storage_owner(edges) is edges
    copied = edges[1].clone()
    assert compat.storage_owner(copied) is copied


def test_every_change_in_place_raises_the_version_through_any_view() -> None:
    edges = torch.arange(8).view(2, 4).clone()
    view, seen = edges[1], []
    for change in (
        lambda: edges.add_(1),
        lambda: view.add_(1),
        lambda: edges.__setitem__((0, 0), 7),
        lambda: edges.resize_(2, 3),
    ):
        seen.append(compat.change_counter(edges))
        change()
    seen.append(compat.change_counter(edges))
    assert seen == sorted(set(seen))
    with torch.inference_mode():
        made = torch.zeros(2)
    with pytest.raises(RuntimeError):
        compat.change_counter(made)
    assert made.is_inference()


def test_a_weak_table_tells_equal_tensors_apart_and_keeps_none_alive() -> None:
    table, one, other = compat.weak_table(), torch.zeros(3), torch.zeros(3)
    table[one] = "one"
    assert table.get(one) == "one"
    assert table.get(other) is None
    del one
    gc.collect()
    assert len(table) == 0


def test_a_batch_knows_how_many_graphs_it_was_said_to_hold() -> None:
    graphs = [Data(edge_index=torch.zeros(2, 0, dtype=torch.int64), num_nodes=n) for n in (2, 0, 3)]
    made = Batch()
    compat.set_graph_count(made, 3)
    assert made.num_graphs == Batch.from_data_list(graphs).num_graphs == 3
    assert made.clone().num_graphs == made.to("cpu").num_graphs == 3


@pytest.mark.parametrize(
    "module",
    [nn.Dropout(0.5), nn.AlphaDropout(0.5), nn.BatchNorm1d(64), nn.SyncBatchNorm(64), nn.RReLU()],
    ids=lambda module: type(module).__name__,
)
def test_unsteady_modules_are_known_by_their_base_class(module: nn.Module) -> None:
    assert isinstance(module, compat.UNSTEADY)


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.LayerNorm(2), nn.GRUCell(2, 2), nn.ReLU()])
def test_steady_modules_are_not(module: nn.Module) -> None:
    assert not isinstance(module, compat.UNSTEADY)


@given(st.integers(0, 2**31), st.sampled_from([torch.float32, torch.float64]))
def test_gradients_of_gates_are_those_of_autograd(seed: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(seed)
    grad, x = torch.randn(2, 7, 5, generator=generator, dtype=dtype)
    for function, backward in (
        (torch.sigmoid, compat.sigmoid_backward_),
        (torch.tanh, compat.tanh_backward_),
    ):
        leaf = x.clone().requires_grad_()
        output = function(leaf)
        (wanted,) = torch.autograd.grad(output, leaf, grad)
        into = torch.empty_like(x)
        backward(grad, output.detach(), into)
        assert torch.equal(into, wanted)
        itself = grad.clone()
        backward(itself, output.detach(), itself)
        assert torch.equal(itself, wanted)
