"""Learnable commutative monoid aggregation (arXiv 2212.08541).

An aggregator is the fold of a commutative monoid; here its binary operator is learned. A balanced
tree of operators over each neighborhood has depth O(log V), while a recurrent aggregator has O(V).
The operator commutes by construction, but is associative only as far as it has learned to be
(`graphagg.nn.aggr.losses`).

Departures from the paper, and from `torch_geometric.nn.aggr.LCMAggregation`:

- No padding. The result of a vertex depends only on its neighborhood, not on the rest of the
  batch, and its cost depends on its degree. With the GRU and the given order, the result equals
  that of PyG's module for each vertex alone.
- The default operator is a gate with a quarter of the products of the paper's GRU
  (docs/results/learning.md compares them).
- Rows are folded in an order of their values, so that a result depends only on the set of rows.
- An empty neighborhood returns a learned identity, initially 0.
- An unsorted index is sorted (stably), and empty input is allowed.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.inits import reset

from graphagg.checks import one_of
from graphagg.errors import InvalidBatch, InvalidParameter
from graphagg.nn.aggr.cache import cached_plan
from graphagg.nn.aggr.fold import GateFold, fold_module
from graphagg.nn.aggr.inputs import check_rows, sorted_within
from graphagg.nn.aggr.losses import MonoidLosses, monoid_losses
from graphagg.nn.aggr.operators import binary_operator, is_gate
from graphagg.nn.aggr.plan import LCMPlan
from graphagg.nn.checks import check_finite
from graphagg.nn.segments import check_index

RowOrder = Literal["given", "values"]


class LCMAggregation(Aggregation):  # type: ignore[misc]  # PyG ships no types
    """Folds each neighborhood with a learned commutative operator.

    N rows in S non-empty segments take N - S combines in ceil(log2 of the largest segment) levels.
    The backward pass needs memory for the input and integers, and for the gates if there are at
    most 4,096 combines.

    A result depends only on the set of rows of a segment, up to rounding: rows are sorted by a
    fixed projection of their values before they are folded, which costs two sorts. So it is the
    same in any batch, for any numbering of the segments, and for any order of the edges.

    With `order="given"`, rows keep their order. The operator is associative only as far as it has
    learned to be: shuffling edges changes the class of .1 to 7 % of the vertices of a trained model
    (`python -m benchmarks.learning.lcm_order`). Use it if the order of rows is meaningful.

    The heads of an attention layer (`[N, H, in_channels]`) are folded one by one with the same
    weights, so `in_channels` and `out_channels` are the width of one head. Pass an object to the
    layer: the name `aggr="LCMAggregation"` refers to PyG's class, not this one.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        project: apply a linear layer and ReLU before the fold.
        operator: "gate" (`SymmetricGate`), "gru" (the paper's `SymmetricGRU`: two to three times
            the time, and better at folds such as the second minimum of a set), or a module
            psi(a, b) on `[P, out_channels]`.
        order: order of the rows inside their segments: "values" or "given".

    Raises:
        InvalidParameter: unknown operator or order, or the widths differ without a projection.

    Examples:
        >>> import torch
        >>> from graphagg.nn import LCMAggregation
        >>> fold = LCMAggregation(4, 4)
        >>> out = fold(torch.ones(5, 4), index=torch.tensor([0, 0, 0, 2, 2]), dim_size=3)
        >>> tuple(out.shape)
        (3, 4)
        >>> out[1].tolist()  # an empty neighborhood gives the learned identity
        [0.0, 0.0, 0.0, 0.0]
        >>> x, one = torch.randn(6, 4), torch.zeros(6, dtype=torch.int64)
        >>> torch.allclose(fold(x, one), fold(x.flip(0), one), atol=1e-6)
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        project: bool = True,
        *,
        operator: str | nn.Module = "gate",
        order: RowOrder = "values",
    ) -> None:
        super().__init__()
        one_of("order", order, get_args(RowOrder))
        if in_channels != out_channels and not project:
            raise InvalidParameter(
                f"in_channels is {in_channels} and out_channels {out_channels}; without a "
                "projection they must be equal (set project=True)"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.order = order
        self.lin = nn.Linear(in_channels, out_channels) if project else None
        self.operator = binary_operator(operator, out_channels)
        self.identity = nn.Parameter(torch.zeros(out_channels))
        if order == "values":  # the same direction in every model of this width
            state = torch.Generator().manual_seed(in_channels)
            direction = torch.randn(in_channels, generator=state)
            self.register_buffer("direction", direction, persistent=False)

    def reset_parameters(self) -> None:
        """Reinitialize the projection and the operator; set the identity to 0."""
        reset(self.lin)
        reset(self.operator)
        nn.init.zeros_(self.identity)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        max_num_elements: int | None = None,
        plan: LCMPlan | None = None,
    ) -> Tensor:
        """Aggregate the rows of each segment.

        Args:
            x: `[N, in_channels]` floats, or `[N, H, in_channels]`.
            index: `[N]` segment of each row, in any order.
            ptr: `[S + 1]` offsets of sorted rows, instead of `index`.
            dim_size: S; by default one more than the largest index.
            dim: -2 or 0; 0 if `x` has heads.
            max_num_elements: ignored; part of PyG's interface.
            plan: a precomputed plan, instead of `index` and `ptr`.

        Returns:
            `[S, out_channels]`, or `[S, H, out_channels]`.

        Raises:
            InvalidBatch: `index` or `ptr` is out of range, unsorted with `ptr`, or of a float type.
            InvalidFeatures: `x` has the wrong width or type, or contains NaN or infinity.
        """
        if x.dim() == 3 and dim in (-3, 0):  # the heads of an attention layer
            heads = [self(head, index, ptr, dim_size, plan=plan) for head in x.unbind(1)]
            return torch.stack(heads, dim=1)
        check_rows(x, dim, self.in_channels)
        folded: Tensor = self._fold(x, index, ptr, dim_size, plan)
        return folded

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _fold(
        self,
        x: Tensor,
        index: Tensor | None,
        ptr: Tensor | None,
        dim_size: int | None,
        plan: LCMPlan | None,
    ) -> Tensor:
        if plan is None:
            plan = _plan(len(x), index, ptr, dim_size)
        elif plan.rows != len(x):
            raise InvalidBatch(f"the plan has {plan.rows} rows, but x has {len(x)}")
        check_finite(x)
        order = plan.order
        if self.order == "values":
            rows = x if order is None else x.index_select(0, order)
            within = sorted_within(plan.index, self._keys(rows))
            order = within if order is None else order[within]
        x = self._project(x)
        gate: Any = self.operator
        if is_gate(gate, x):
            apply: Any = GateFold.apply  # not typed in torch
            weights = (p for lin in (gate.gate, gate.candidate) for p in (lin.weight, lin.bias))
            keep = torch.is_grad_enabled()
            folded: Tensor = apply(plan, keep, order, x, self.identity, *weights)
            return folded
        rows = x if order is None else x.index_select(0, order)
        with torch.autocast(x.device.type, enabled=False):  # in the type of the weights
            return fold_module(rows, plan, self.identity, self.operator)

    def _project(self, x: Tensor) -> Tensor:
        if self.lin is not None:
            x = self.lin(x).relu_()
        return x.to(self.identity.dtype).contiguous()

    def _keys(self, x: Tensor) -> Tensor:
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        keys: Tensor = x.detach().to(wide) @ self.direction.to(wide)
        return keys

    def monoid_losses(self, rows: Tensor, triples: int = 256) -> MonoidLosses:
        """Compute associativity, commutativity and identity losses of the operator on samples.

        Args:
            rows: `[N, in_channels]`; elements are drawn from them with replacement and projected
                as in `forward`.
            triples: number of triples.

        Examples:
            >>> import torch
            >>> from graphagg.nn import LCMAggregation
            >>> bool(LCMAggregation(4, 4).monoid_losses(torch.randn(9, 4)).commutativity == 0)
            True
        """
        return monoid_losses(self.operator, self._project(rows), self.identity, triples)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"project={self.lin is not None}, operator={type(self.operator).__name__}, "
            f"order={self.order})"
        )


def _plan(rows: int, index: Tensor | None, ptr: Tensor | None, count: int | None) -> LCMPlan:
    if ptr is not None:
        plan = cached_plan(ptr, None, partial(LCMPlan.from_ptr, ptr, rows), offsets=True)
    elif index is not None:
        plan = cached_plan(index, count, partial(LCMPlan.from_index, index, count))
    else:
        raise InvalidBatch("neither index nor ptr is given; expected one of them")
    if plan.rows != rows:
        raise InvalidBatch(f"index or ptr describes {plan.rows} rows, but x has {rows}")
    if ptr is not None and index is not None and not torch.equal(check_index(index), plan.index):
        raise InvalidBatch(
            "index is not the sorted index that ptr describes; sort the rows by it, or give only "
            "one of the two"
        )
    return plan
