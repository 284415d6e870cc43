"""Every attention by its name."""

from __future__ import annotations

import inspect
from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.linear.kernel import EluAttention
from graphagg.nn.attention.linear.performer import PerformerAttention, ReluPerformerAttention
from graphagg.nn.attention.linear.polynormer import PolynormerAttention
from graphagg.nn.attention.linear.sgformer import SGFormerAttention
from graphagg.nn.attention.norm import NormAttention
from graphagg.nn.attention.sparse.bigbird import BigBirdAttention
from graphagg.nn.attention.sparse.exphormer import ExphormerAttention

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
        name: One of `ATTENTIONS`.
        channels: C, the width of a vertex.
        heads: H; must divide C.
        **options: What the class takes besides, for instance `dropout` or `energy_gate`.

    Raises:
        InvalidParameter: An unknown name or option (the message lists those there are), or what
            the class raises.
    """
    if name not in ATTENTIONS:
        raise InvalidParameter(
            f"no attention is named {name!r}; wanted one of {', '.join(ATTENTIONS)}"
        )
    chosen = ATTENTIONS[name]
    allowed = [option for option in inspect.signature(chosen).parameters if option != "channels"]
    for option in options:
        if option not in allowed:
            raise InvalidParameter(
                f"the attention {name!r} has no option {option!r}; "
                f"wanted some of {', '.join(allowed)}"
            )
    return chosen(channels, heads, **options)
