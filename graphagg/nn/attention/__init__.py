"""Global attention on ragged batches: exact, linear and sparse, each invariant to batching."""

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.bias import PairBias, PairBiasEncoder
from graphagg.nn.attention.energy import EnergyGate
from graphagg.nn.attention.exact import ExactAttention
from graphagg.nn.attention.linear.kernel import EluAttention
from graphagg.nn.attention.linear.performer import PerformerAttention, ReluPerformerAttention
from graphagg.nn.attention.linear.polynormer import PolynormerAttention
from graphagg.nn.attention.linear.sgformer import SGFormerAttention
from graphagg.nn.attention.norm import NormAttention
from graphagg.nn.attention.resolver import ATTENTIONS, attention
from graphagg.nn.attention.sparse.bigbird import BigBirdAttention
from graphagg.nn.attention.sparse.exphormer import ExphormerAttention

__all__ = [
    "ATTENTIONS",
    "BigBirdAttention",
    "EluAttention",
    "EnergyGate",
    "ExactAttention",
    "ExphormerAttention",
    "GraphAttention",
    "NormAttention",
    "PairBias",
    "PairBiasEncoder",
    "PerformerAttention",
    "PolynormerAttention",
    "ReluPerformerAttention",
    "SGFormerAttention",
    "attention",
]
