"""Global attention on ragged batches: exact and Performer; outputs do not depend on batching."""

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.performer import PerformerAttention

ATTENTIONS: dict[str, type[GraphAttention]] = {
    "exact": ExactAttention,
    "performer": PerformerAttention,
}

__all__ = ["ATTENTIONS", "ExactAttention", "GraphAttention", "PerformerAttention"]
