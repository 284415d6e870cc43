"""Base class of local parts, with checks of their input.

A local part is the message passing half of a GPS layer: it uses only a vertex and its neighbors.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.checks import check_finite, checks_values
from graphagg.nn.resolver import find


class LocalPart(torch.nn.Module):
    """Message passing that may also update the features of the edges.

    A subclass implements `update`, or `forward` if it checks its input itself.

    Attributes:
        channels: width of the vertices' features.
        edge_channels: width of the edges' features; None if the part does not use them.
        own_residual: whether the part includes residual, norm and dropout.

    Examples:
        >>> import torch
        >>> from graphagg.nn import make_local_part
        >>> part = make_local_part("gine", 8)
        >>> x, _ = part(torch.randn(3, 8), torch.tensor([[0, 1], [1, 2]]))
        >>> tuple(x.shape)
        (3, 8)
    """

    channels: int
    edge_channels: int | None
    own_residual: bool = False

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute new features of the vertices and, if the part updates them, of the edges.

        Args:
            x: `[N, channels]`.
            edge_index: `[2, E]` int64, from row 0, the source j, to row 1, the target i.
            edge_attr: `[E, edge_channels]`; None for a part that does not read edge features.

        Returns:
            `[N, channels]`, and the new or unchanged `edge_attr`.

        Raises:
            InvalidBatch: `edge_index` is out of range, or has the wrong shape or type.
            InvalidFeatures: features are missing, have a wrong shape or type, or are not finite.
        """
        self.check(x, edge_index, edge_attr)
        return self.update(x, edge_index, edge_attr)

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Apply the part to checked input; see `forward`."""
        raise NotImplementedError

    def check(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> None:
        """Check shapes, types and ranges of the input of `forward`; raise the errors listed there.

        Checking values takes one pass over each tensor; it is skipped while `torch.compile`
        traces.
        """
        if x.dim() != 2 or x.size(1) != self.channels:
            raise InvalidFeatures(
                f"{type(self).__name__}: x is {tuple(x.shape)}; expected [N, {self.channels}], its "
                "channels"
            )
        check_edge_index(edge_index, x.size(0))
        self._check_edge_attr(edge_index, edge_attr)
        if not checks_values():
            return
        self.check_type("x", x)
        check_finite(x)
        if edge_attr is not None:
            # Integers are allowed: a convolution may embed categories, or only add them.
            if edge_attr.is_floating_point():
                self.check_type("edge_attr", edge_attr)
            check_finite(edge_attr, "edge_attr")

    def check_type(self, name: str, values: Tensor) -> None:
        """Raise `InvalidFeatures` unless `values` are floats with the dtype of the part's weights.

        Under autocast any float type is allowed. The check is skipped while `torch.compile` traces.
        """
        if not checks_values():
            return
        types = {w.dtype for w in self.parameters() if w.dtype.is_floating_point}
        if values.is_floating_point():
            if not types or values.dtype in types:
                return
            if torch.is_autocast_enabled(values.device.type):
                return
        names = " or ".join(sorted(map(str, types)))
        allowed = f"{names}, as its weights are" if types else "floats"
        raise InvalidFeatures(
            f"{type(self).__name__}: {name} is of type {values.dtype}; expected {allowed}; convert "
            "the features or the part by .to(...)"
        )

    @property
    def reads_edges(self) -> bool:
        """Whether the part accepts `edge_attr`."""
        return self.edge_channels is not None

    def _check_edge_attr(self, edge_index: Tensor, edge_attr: Tensor | None) -> None:
        if edge_attr is not None and not self.reads_edges:
            raise InvalidFeatures(
                f"{type(getattr(self, 'conv', self)).__name__}: edge_attr is "
                f"{tuple(edge_attr.shape)}, but the part reads no edge features; give their width "
                "as `edge_channels` to a part that can read them, such as 'gine' or 'gatedgcn', or "
                "leave out edge_attr"
            )
        if self.edge_channels is None:
            return
        right = (edge_index.size(1), self.edge_channels)
        given = None if edge_attr is None else tuple(edge_attr.shape)
        if given != right:
            raise InvalidFeatures(
                f"{type(self).__name__}: edge_attr is {given}; expected {right} from edge_channels="
                f"{self.edge_channels} (None for edges without features)"
            )


def check_edge_index(edge_index: Tensor, vertices: int) -> None:
    """Raise `InvalidBatch` unless `edge_index` is `[2, E]` int64 with ids in `[0, vertices)`.

    The ids are not checked while `torch.compile` traces.
    """
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise InvalidBatch(f"edge_index is {tuple(edge_index.shape)}; expected [2, E]")
    if edge_index.dtype != torch.int64:
        raise InvalidBatch(f"edge_index is of type {edge_index.dtype}; expected torch.int64")
    if edge_index.numel() == 0 or not checks_values():
        return
    low, high = torch.stack(edge_index.aminmax()).tolist()
    if low < 0 or high >= vertices:
        raise InvalidBatch(
            f"edge_index holds the vertex {low if low < 0 else high}; expected ids from 0 to "
            f"{vertices - 1}"
        )


def find_norm(name: str, channels: int) -> torch.nn.Module:
    """Create the norm with this name for features `[rows, channels]`; see `NORMS`."""
    return find("norm", name, NORMS)(channels)


class BatchNorm(torch.nn.BatchNorm1d):
    """`BatchNorm1d` that can train on a batch of at most one row, such as a single edge.

    Such a batch has no variance, so `BatchNorm1d` raises an error. This class normalizes it with
    the running statistics, which do not change.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalize features `[rows, channels]`."""
        if self.training and input.size(0) < 2:
            return torch.nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


NORMS: dict[str, Callable[[int], torch.nn.Module]] = {
    "batch": BatchNorm,
    "layer": torch.nn.LayerNorm,
    "none": lambda channels: torch.nn.Identity(),
}
