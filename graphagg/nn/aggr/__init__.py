"""Aggregators for any PyG layer: learned commutative monoids, with results independent of batch."""

from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.aggr.losses import MonoidLosses, monoid_losses
from graphagg.nn.aggr.operators import SymmetricGate, SymmetricGRU
from graphagg.nn.aggr.plan import LCMPlan
from graphagg.nn.aggr.resolver import make_aggregation

__all__ = [
    "LCMAggregation",
    "LCMPlan",
    "MonoidLosses",
    "SymmetricGRU",
    "SymmetricGate",
    "make_aggregation",
    "monoid_losses",
]
