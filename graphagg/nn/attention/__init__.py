"""Global attention on ragged batches: exact and Performer, each invariant to batching."""

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.performer import PerformerAttention
from graphagg.nn.attention.resolver import ATTENTIONS, attention

__all__ = [
    "ATTENTIONS",
    "ExactAttention",
    "GraphAttention",
    "PerformerAttention",
    "attention",
]
