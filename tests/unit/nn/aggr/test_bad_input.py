"""What cannot be aggregated is refused, by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphagg.errors import InvalidBatch, InvalidFeatures, InvalidParameter
from graphagg.nn.aggr import LCMAggregation, make_aggregation
from graphagg.nn.aggr.operators import SymmetricGRU

X = torch.ones(3, 4)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (torch.tensor([0, 1, 5]), "holds 5, but there are 4 segments"),
        (torch.tensor([0.0, 1.0, 1.0]), "of type torch.float32; expected integers"),
        (torch.tensor([0, 1]), "2 (entries|rows)"),
    ],
)
def test_index(index: torch.Tensor, message: str) -> None:
    module = LCMAggregation(4, 4)
    for _ in range(2):  # a refused index is not cached
        with pytest.raises(InvalidBatch, match=message):
            module(X, index, dim_size=4)


def test_a_bad_ptr_and_an_index_that_is_not_its_own() -> None:
    with pytest.raises(InvalidBatch, match="falls from 2 to 1 at position 2"):
        LCMAggregation(4, 4)(X, ptr=torch.tensor([0, 2, 1, 3]))
    with pytest.raises(InvalidBatch, match="not the sorted index that ptr describes"):
        LCMAggregation(4, 4)(X, torch.tensor([1, 0, 0]), ptr=torch.tensor([0, 2, 3]))
    module, ptr = LCMAggregation(4, 4), torch.tensor([0, 2, 3])
    module(X, torch.tensor([0, 0, 1]), ptr=ptr)
    with pytest.raises(InvalidBatch, match="not the sorted index"):  # nor at the next call
        module(X, torch.tensor([0, 1, 1]), ptr=ptr)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_features_that_are_not_finite(value: float) -> None:
    x = X.clone()
    x[2, 1] = value
    with pytest.raises(InvalidFeatures, match="row 2 of x holds NaN or infinity"):
        LCMAggregation(4, 4)(x, torch.tensor([1, 0, 0]))


def test_large_features_whose_sum_overflows_are_not_refused() -> None:
    LCMAggregation(4, 4)(torch.full((3, 4), 3e38), torch.tensor([0, 0, 1]))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(3, 5), "5 channels; expected 4"),
        (torch.ones(2, 3, 4), "3 dimensions"),
        (torch.ones(3, 4, dtype=torch.long), "int64; expected floats"),
    ],
)
def test_features_of_another_shape_or_type(x: torch.Tensor, message: str) -> None:
    with pytest.raises(InvalidFeatures, match=message):
        LCMAggregation(4, 4)(x, torch.tensor([0, 0, 1]))


def test_names_and_options() -> None:
    with pytest.raises(InvalidParameter, match="no aggregation is named Linear"):
        make_aggregation(nn.Linear(4, 4), 4)
    with pytest.raises(InvalidParameter, match="named 'lstm'; expected one of gate, gru"):
        LCMAggregation(4, 4, operator="lstm")


class Sum(nn.Module):
    """a + b, through a part of one's own."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.part(a + b)


def test_an_operator_of_another_width() -> None:
    for width in (2, 8):
        with pytest.raises(InvalidParameter, match=f"takes {width} .* expected 4"):
            LCMAggregation(4, 4, operator=SymmetricGRU(width))
    module = LCMAggregation(4, 4, operator=Sum(nn.Linear(4, 1)))
    with pytest.raises(InvalidParameter, match=r"returns \(1, 1\) for two tensors \(1, 4\)"):
        module(X, torch.tensor([0, 0, 1]))


@pytest.mark.parametrize("of", ["x", "operator"])
def test_a_second_derivative_is_refused_where_it_would_lack_a_part(of: str) -> None:
    module, index = LCMAggregation(4, 4), torch.tensor([0, 0, 1])
    x = X.clone().requires_grad_()
    wanted = x if of == "x" else next(module.operator.parameters())
    (first,) = torch.autograd.grad(module(x, index).sum(), wanted, create_graph=True)
    with pytest.raises(InvalidParameter, match="no second derivatives"):
        (first**2).sum().backward()
    (again,) = torch.autograd.grad(module(x, index).sum(), wanted)
    torch.testing.assert_close(first, again)
