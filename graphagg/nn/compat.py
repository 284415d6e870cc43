"""Parts of PyTorch and PyTorch Geometric that have no public name, all in one place.

Each function says what it assumes; `tests/unit/nn/test_compat.py` holds a test for each assumption,
so that a new version of a library that breaks one is noticed there first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary
from torch_geometric.data import Batch

UNSTEADY = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm, nn.RReLU)
"""Base classes of the modules that in training give another result for the same rows."""


def storage_owner(tensor: Tensor) -> Tensor:
    """The tensor whose memory a view shows; the tensor itself where it is no view."""
    return tensor if tensor._base is None else tensor._base


def change_counter(tensor: Tensor) -> int:
    """A counter that every change in place raises, through any view of the tensor.

    Changes through `tensor.data`, or through numpy's view of the memory, do not raise it. Tensors
    made in inference mode have none.
    """
    return tensor._version


def weak_table() -> Any:
    """A mapping with tensors as keys, by identity, that keeps none of them alive."""
    return WeakIdKeyDictionary()


def set_graph_count(batch: Batch, count: int) -> None:
    """Say how many graphs a batch holds that was not made by `Batch.from_data_list`."""
    batch._num_graphs = count


def sigmoid_backward_(grad: Tensor, output: Tensor, into: Tensor) -> None:
    """Write `grad * output * (1 - output)` into `into`, in one pass; it may be `grad`."""
    torch.ops.aten.sigmoid_backward.grad_input(grad, output, grad_input=into)


def tanh_backward_(grad: Tensor, output: Tensor, into: Tensor) -> None:
    """Write `grad * (1 - output^2)` into `into`, in one pass; it may be `grad`."""
    torch.ops.aten.tanh_backward.grad_input(grad, output, grad_input=into)
