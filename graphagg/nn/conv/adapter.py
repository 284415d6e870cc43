"""Any convolution of PyTorch Geometric as a local part."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing

from graphagg.errors import GraphAggError, InvalidParameter
from graphagg.nn.conv.base import LocalPart


class ConvPart(LocalPart):
    """A PyG convolution behind the protocol of `LocalPart`.

    Edge features go to the convolution where it takes them, and come back unchanged.

    A class of PyG is tried on a small graph at once, so that one that does not fit is refused here
    and not by the first batch. A copy is tried: the convolution and the random state stay as they
    are. Modules of other packages are not tried; they may know the graph that they were made for.

    Args:
        conv: from `channels` to `channels`.
        channels: width of the vertices' features.
        edge_channels: width of the edges' features; None where the convolution shall see none.
        takes_edges: hand `edge_attr` to the convolution; by default, where its `forward` has an
            `edge_attr` and it was not built with `edge_dim=None`.
        own_residual: the convolution has its own residual, norm and dropout.

    Raises:
        InvalidParameter: no convolution, one that needs more than a local part has, or one of
            another width.
    """

    def __init__(
        self,
        conv: torch.nn.Module,
        channels: int,
        edge_channels: int | None = None,
        *,
        takes_edges: bool | None = None,
        own_residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv = check_conv(conv)
        self.channels = channels
        if takes_edges is None:
            takes_edges = edge_channels is not None and takes_edge_attr(conv)
        self.edge_channels = edge_channels if takes_edges else None
        self.own_residual = own_residual
        check_arguments(conv, takes_edges=self.edge_channels is not None)
        if type(conv).__module__.startswith("torch_geometric."):
            try_conv(conv, channels, self.edge_channels)

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The convolution's output, and `edge_attr` as it was given.

        Raises:
            InvalidParameter: the convolution returns another shape.
        """
        out = call(self.conv, x, edge_index, edge_attr if self.edge_channels is not None else None)
        if not isinstance(out, Tensor) or out.shape != x.shape:
            returned = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise InvalidParameter(
                f"{self.conv} returns {returned} for x {tuple(x.shape)}; a local part keeps the "
                "shape"
            )
        return out, edge_attr


def call(conv: torch.nn.Module, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> Any:
    """The output of `conv`, called with edge features where there are some."""
    if edge_attr is None:
        return conv(x, edge_index)
    return conv(x, edge_index, edge_attr=edge_attr)


def takes_edge_attr(conv: torch.nn.Module) -> bool:
    """Whether `conv.forward` takes `edge_attr` and was built for it."""
    if "edge_attr" not in inspect.signature(conv.forward).parameters:
        return False
    # GAT, PNA and TransformerConv keep `edge_dim`, GeneralConv `in_edge_channels`; those with
    # neither (GINE, GEN) always take edges.
    return getattr(conv, "edge_dim", getattr(conv, "in_edge_channels", 0)) is not None


def check_conv(conv: torch.nn.Module) -> torch.nn.Module:
    """`conv`, unless its `forward` takes no `edge_index`."""
    parameters = inspect.signature(conv.forward).parameters
    if isinstance(conv, MessagePassing) or "edge_index" in parameters:
        return conv
    raise InvalidParameter(
        f"{type(conv).__name__} is no convolution: its forward takes {', '.join(parameters)}; "
        "wanted (x, edge_index, ...)"
    )


def check_arguments(conv: Any, *, takes_edges: bool) -> None:
    """`InvalidParameter` where `forward` needs more than `x`, the edges and their features.

    Args:
        conv: a convolution, or its class.
        takes_edges: it is given `edge_attr`.
    """
    given = {"edge_index", "edge_attr"} if takes_edges else {"edge_index"}
    needs = [name for name in _required(conv.forward) if name not in given]
    if not needs:
        return
    todo = "wrap it in a LocalPart of your own that has it"
    if needs == ["edge_attr"]:
        todo = "give edge_channels, the width of the edges' features"
    name = conv.__name__ if isinstance(conv, type) else type(conv).__name__
    raise InvalidParameter(
        f"{name} also needs {', '.join(needs)}; {todo}: a local part calls its convolution with "
        f"(x, edge_index{', edge_attr' if takes_edges else ''})"
    )


def _required(forward: Callable[..., Any]) -> list[str]:
    """Arguments that `forward` needs beside `x` and the edges, which may have any names."""
    arguments = [a for a in inspect.signature(forward).parameters.values() if a.name != "self"]
    names = [
        argument.name
        for argument in arguments
        if argument.default is argument.empty
        and argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
    ]
    return names[1 if "edge_index" in names else 2 :]


def try_conv(conv: torch.nn.Module, channels: int, edge_channels: int | None) -> None:
    """Run a copy of `conv` on a small graph, in evaluation mode; a few milliseconds.

    Raises:
        InvalidParameter: it fails, or returns another width.
    """
    weight = next((w for w in conv.parameters() if w.dtype.is_floating_point), None)
    if weight is not None and weight.is_meta:
        return
    kind: dict[str, Any] = {}
    if weight is not None:
        kind = {"dtype": weight.dtype, "device": weight.device}
    try:
        tried = copy.deepcopy(conv).eval()
    except (RuntimeError, TypeError):  # it holds what has no copy, such as results with gradients
        return
    # Two numbers that neither divide nor broadcast to one another.
    vertices, edges = 2, 3
    x = torch.zeros(vertices, channels, **kind)
    edge_index = torch.tensor([[0, 1, 1], [1, 0, 1]], device=x.device)
    edge_attr = None if edge_channels is None else torch.zeros(edges, edge_channels, **kind)
    out = _tried(tried, x, edge_index, edge_attr)
    if not isinstance(out, Tensor) or out.shape != x.shape:
        returned = type(out).__name__
        if isinstance(out, Tensor):
            rows = ["N" if size == vertices else str(size) for size in out.shape[:1]]
            returned = f"[{', '.join([*rows, *map(str, out.shape[1:])])}]"
        raise InvalidParameter(
            f"{conv} returns {returned} for x [N, {channels}]; a local part keeps the shape"
        )


def _tried(conv: torch.nn.Module, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> Any:
    try:
        # Lazy weights draw random numbers.
        with torch.no_grad(), torch.random.fork_rng([x.device] if x.is_cuda else []):
            return call(conv, x, edge_index, edge_attr)
    except GraphAggError:
        raise
    except Exception as error:  # whatever a class of another package raises
        edges = "None" if edge_attr is None else f"[E, {edge_attr.size(1)}]"
        raise InvalidParameter(
            f"{conv} fails on x [N, {x.size(1)}], edge_index [2, E] and edge_attr {edges} "
            f"({type(error).__name__}: {error}); build it for these widths, with all that it "
            "needs, and give the module"
        ) from error
