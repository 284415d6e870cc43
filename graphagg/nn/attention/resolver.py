"""Attentions by name."""

from __future__ import annotations

from typing import Any

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.performer import PerformerAttention
from graphagg.nn.resolver import build, find

ATTENTIONS: dict[str, type[GraphAttention]] = {
    "exact": ExactAttention,
    "performer": PerformerAttention,
}


def attention(name: str, channels: int, heads: int = 4, **options: Any) -> GraphAttention:
    """The attention of the given name.

    Args:
        name: one of `ATTENTIONS`.
        channels: C, the width of a vertex.
        heads: H; must divide C.
        **options: what the class takes besides, for instance `dropout` or `features`.

    Raises:
        InvalidParameter: an unknown name or option (the message lists those there are), or what
            the class raises.

    Examples:
        >>> from graphagg.nn.attention import attention
        >>> attention("exact", 16, heads=4, dropout=0.1).head_channels
        4
    """
    make = find("attention", name, ATTENTIONS)
    return build(f"attention {name!r}", make, channels, heads=heads, **options)
