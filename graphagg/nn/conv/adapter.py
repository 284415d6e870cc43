"""Any convolution of PyTorch Geometric as a local part."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing

from graphagg.errors import GraphAggError, InvalidParameter
from graphagg.nn.conv.base import LocalPart


class ConvPart(LocalPart):
    """A PyG convolution with the interface of `LocalPart`.

    Edge features go to the convolution if it takes them, and are returned unchanged.

    A copy of a PyG convolution is run on a small graph at once, so that an unsuitable one is
    refused here and not at the first batch. Modules of other packages are not: they may be made
    for one graph.

    Args:
        conv: from `channels` to `channels`.
        channels: width of the vertices' features.
        edge_channels: width of the edges' features; None to pass none.

    Raises:
        InvalidParameter: not a convolution, or one with further inputs or another width.
    """

    def __init__(
        self, conv: torch.nn.Module, channels: int, edge_channels: int | None = None
    ) -> None:
        super().__init__()
        parameters = inspect.signature(conv.forward).parameters
        if not isinstance(conv, MessagePassing) and "edge_index" not in parameters:
            raise InvalidParameter(
                f"{type(conv).__name__} is no convolution: its forward takes "
                f"{', '.join(parameters)}; wanted (x, edge_index, ...)"
            )
        self.conv, self.channels = conv, channels
        self.edge_channels = edge_channels if _takes_edge_attr(conv) else None
        _check_arguments(conv, takes_edges=self.edge_channels is not None)
        if type(conv).__module__.startswith("torch_geometric."):
            _try_conv(conv, channels, self.edge_channels)

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The convolution's output and the unchanged `edge_attr`.

        Raises:
            InvalidParameter: the convolution returns another shape.
        """
        out = _call(self.conv, x, edge_index, None if self.edge_channels is None else edge_attr)
        if not isinstance(out, Tensor) or out.shape != x.shape:
            returned = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise InvalidParameter(
                f"{self.conv} returns {returned} for x {tuple(x.shape)}; a local part keeps the "
                "shape"
            )
        return out, edge_attr


def _call(conv: torch.nn.Module, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> Any:
    if edge_attr is None:
        return conv(x, edge_index)
    return conv(x, edge_index, edge_attr=edge_attr)


def _takes_edge_attr(conv: torch.nn.Module) -> bool:
    if "edge_attr" not in inspect.signature(conv.forward).parameters:
        return False
    # GAT, PNA and TransformerConv have `edge_dim`, GeneralConv `in_edge_channels`; those with
    # neither (GINE, GEN) always take edges.
    return getattr(conv, "edge_dim", getattr(conv, "in_edge_channels", 0)) is not None


def _check_arguments(conv: torch.nn.Module, *, takes_edges: bool) -> None:
    """Refuse a `forward` that needs more than `x`, the edges and their features."""
    arguments = list(inspect.signature(conv.forward).parameters.values())
    names = [
        argument.name
        for argument in arguments
        if argument.default is argument.empty
        and argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
    ]
    given = {"edge_index", "edge_attr"} if takes_edges else {"edge_index"}
    # The argument before edge_index is x; without that name, the first two are x and the edges.
    needs = [n for n in names[1 if "edge_index" in names else 2 :] if n not in given]
    if not needs:
        return
    todo = "wrap it in a LocalPart of your own that has it"
    if needs == ["edge_attr"]:
        todo = "give edge_channels, the width of the edges' features"
    raise InvalidParameter(
        f"{type(conv).__name__} also needs {', '.join(needs)}; {todo}: a local part calls its "
        f"convolution with (x, edge_index{', edge_attr' if takes_edges else ''})"
    )


def _try_conv(conv: torch.nn.Module, channels: int, edge_channels: int | None) -> None:
    """Run a copy of `conv` in evaluation mode on a small graph; a few milliseconds."""
    weight = next((w for w in conv.parameters() if w.dtype.is_floating_point), torch.zeros(()))
    if weight.is_meta:
        return
    try:
        copied = copy.deepcopy(conv).eval()
    except (
        RuntimeError,
        TypeError,
    ):  # no copy of an attribute, such as a result with a gradient
        return
    # Neither number divides the other or broadcasts to it.
    vertices, edges = 2, 3
    kind: dict[str, Any] = {"dtype": weight.dtype, "device": weight.device}
    x = torch.zeros(vertices, channels, **kind)
    edge_index = torch.tensor([[0, 1, 1], [1, 0, 1]], device=x.device)
    edge_attr = None if edge_channels is None else torch.zeros(edges, edge_channels, **kind)
    try:
        # Lazy weights draw random numbers.
        with torch.no_grad(), torch.random.fork_rng([x.device] if x.is_cuda else []):
            out = _call(copied, x, edge_index, edge_attr)
    except GraphAggError:
        raise
    except Exception as error:  # whatever a class of another package raises
        shape = "None" if edge_channels is None else f"[E, {edge_channels}]"
        raise InvalidParameter(
            f"{conv} fails on x [N, {channels}], edge_index [2, E] and edge_attr {shape} "
            f"({type(error).__name__}: {error}); build it for these widths, with all that it "
            "needs, and give the module"
        ) from error
    if not isinstance(out, Tensor) or out.shape != x.shape:
        returned = type(out).__name__
        if isinstance(out, Tensor):
            rows = ["N" if size == vertices else str(size) for size in out.shape[:1]]
            returned = f"[{', '.join([*rows, *map(str, out.shape[1:])])}]"
        raise InvalidParameter(
            f"{conv} returns {returned} for x [N, {channels}]; a local part keeps the shape"
        )
