"""Aggregators for any PyG layer: learnt monoids, recurrent, and moments; right in any batch."""

from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.aggr.losses import MonoidLosses, monoid_losses
from graphagg.nn.aggr.operators import SymmetricGRU, SymmetricMLP
from graphagg.nn.aggr.plan import LCMPlan

__all__ = [
    "LCMAggregation",
    "LCMPlan",
    "MonoidLosses",
    "SymmetricGRU",
    "SymmetricMLP",
    "monoid_losses",
]
