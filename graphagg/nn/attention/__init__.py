"""Global attention on ragged batches: exact, linear and sparse, each invariant to batching."""

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.bias import PairBias, PairBiasEncoder
from graphagg.nn.attention.energy import EnergyGate
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.registry import ATTENTIONS, attention

__all__ = [
    "ATTENTIONS",
    "EnergyGate",
    "ExactAttention",
    "GraphAttention",
    "PairBias",
    "PairBiasEncoder",
    "attention",
]
