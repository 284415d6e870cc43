"""Every attention by its name."""

from __future__ import annotations

from typing import Any

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.linear.kernel import EluAttention
from graphagg.nn.attention.linear.performer import PerformerAttention, ReluPerformerAttention
from graphagg.nn.attention.linear.polynormer import PolynormerAttention
from graphagg.nn.attention.linear.sgformer import SGFormerAttention
from graphagg.nn.attention.norm import NormAttention
from graphagg.nn.attention.sparse.bigbird import BigBirdAttention
from graphagg.nn.attention.sparse.exphormer import ExphormerAttention
from graphagg.nn.resolver import build, find

ATTENTIONS: dict[str, type[GraphAttention]] = {
    "exact": ExactAttention,
    "performer": PerformerAttention,
    "performer-relu": ReluPerformerAttention,
    "elu": EluAttention,
    "norm": NormAttention,
    "sgformer": SGFormerAttention,
    "polynormer": PolynormerAttention,
    "exphormer": ExphormerAttention,
    "bigbird": BigBirdAttention,
}


def attention(name: str, channels: int, heads: int = 4, **options: Any) -> GraphAttention:
    """The attention of the given name.

    Args:
        name: one of `ATTENTIONS`.
        channels: C, the width of a vertex.
        heads: H; must divide C.
        **options: what the class takes besides, for instance `dropout` or `energy_gate`.

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
