"""Base classes of global attention. The output for a graph does not depend on its batch."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.checks import integer, number
from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.checks import check_finite
from graphagg.nn.segments import Segments
from graphagg.nn.settings import PROBABILITY, part_width


class GraphAttention(torch.nn.Module):
    """Attention among the vertices of each graph of a ragged batch.

    The output for a graph depends only on that graph: padding does not affect a sum, a normalizer
    or a stabilizer.

    `torch.compile` runs attention uncompiled, with one graph break: its steps depend on the sizes
    of the graphs, and would be recompiled for every batch.

    Args:
        channels: C, the width of the vertex vectors.
        heads: H; must divide C.
        dropout: dropout probability; the subclass decides what is dropped.

    Attributes:
        traceable: whether compilers use `traced` if there is only one graph.

    Raises:
        InvalidParameter: `heads` does not divide `channels`, or a number is out of range.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import PerformerAttention
        >>> attend = PerformerAttention(8, heads=2).eval()
        >>> x, batch = torch.randn(5, 8), torch.tensor([0, 0, 0, 1, 1])
        >>> out = attend(x, batch)
        >>> tuple(out.shape)
        (5, 8)
        >>> torch.allclose(out[3:], attend(x[3:]), atol=1e-5)  # a graph alone gives the same
        True
    """

    traceable: ClassVar[bool] = False

    def __init__(self, channels: int, heads: int = 4, *, dropout: float = 0.0) -> None:
        super().__init__()
        part_width("heads", heads, "channels", integer("channels", channels, 1))
        self.channels, self.heads = channels, heads
        self.dropout = number("dropout", dropout, **PROBABILITY)

    @property
    def head_channels(self) -> int:
        """Width d of the keys and values of one head."""
        return self.channels // self.heads

    def forward(
        self,
        x: Tensor,
        batch: Tensor | None = None,
        ptr: Tensor | None = None,
        *,
        segments: Segments | None = None,
    ) -> Tensor:
        """Attend within each graph.

        Args:
            x: `[N, C]` float, rows sorted by graph.
            batch: `[N]` the graph of each row, non-decreasing; without any of `batch`, `ptr` and
                `segments` all rows are one graph.
            ptr: `[G + 1]` offsets of the graphs; takes precedence over `batch`, which must agree.
            segments: the graphs as checked segments; takes precedence over both.

        Returns:
            `[N, C]`.

        Raises:
            InvalidFeatures: `x` has the wrong width or type, or holds NaN or infinity.
            InvalidBatch: the graphs do not match the rows.
        """
        one = batch is None and ptr is None and segments is None
        if torch.compiler.is_compiling() and self.traceable and one:
            return self.traced(x)
        checked: Tensor = self._checked(x, batch, ptr, segments)
        return checked

    def traced(self, x: Tensor) -> Tensor:
        """Attend within a single graph; compilers trace this method if `traceable` is set."""
        raise NotImplementedError

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _checked(
        self, x: Tensor, batch: Tensor | None, ptr: Tensor | None, segments: Segments | None
    ) -> Tensor:
        if not x.is_floating_point():
            raise InvalidFeatures(
                f"x is of type {x.dtype}; expected a float type such as torch.float32"
            )
        if x.dim() != 2 or x.shape[1] != self.channels:
            raise InvalidFeatures(f"x has shape {tuple(x.shape)}; expected [N, {self.channels}]")
        check_finite(x)
        rows = x.shape[0]
        graphs = segments or Segments.from_batch(rows, ptr, batch, x.device)
        if graphs.rows != rows:
            raise InvalidBatch(
                f"the graphs hold {graphs.rows} rows, but x has {rows}; they must be equal"
            )
        if batch is not None and not torch.equal(batch.long(), graphs.index):
            raise InvalidBatch(
                "batch and ptr disagree; give one of them, or both from the same batch"
            )
        if not rows:
            return x.clone()
        return self.attend(x, graphs)

    def attend(self, x: Tensor, graphs: Segments) -> Tensor:
        """Apply the mechanism to checked input with at least one row: `[N, C]` to `[N, C]`."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Settings shown in the `repr` of the module."""
        return f"{self.channels}, heads={self.heads}, dropout={self.dropout}"


class ProjectedAttention(GraphAttention):
    """Attention with the parameters of `torch.nn.MultiheadAttention`.

    Names, shapes, meaning and initialization are the same, so `load_state_dict` accepts the state
    of a `MultiheadAttention` of the same width, and subclasses can exchange their weights.
    """

    def __init__(self, channels: int, heads: int = 4, *, dropout: float = 0.0) -> None:
        super().__init__(channels, heads, dropout=dropout)
        self.in_proj_weight = torch.nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = torch.nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = torch.nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reinitialize the weights."""
        torch.nn.init.xavier_uniform_(self.in_proj_weight)
        torch.nn.init.zeros_(self.in_proj_bias)
        self.out_proj.reset_parameters()
        torch.nn.init.zeros_(self.out_proj.bias)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute queries, keys and values, each `[N, H, d]`."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        queries, keys, values = qkv.view(-1, 3, self.heads, self.head_channels).unbind(1)
        return queries, keys, values
