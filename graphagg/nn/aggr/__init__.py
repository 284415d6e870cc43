"""Aggregators for any PyG layer: learned monoids, recurrent, and moments; right in any batch."""

from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.aggr.losses import MonoidLosses, monoid_losses
from graphagg.nn.aggr.moment import MomentAggregation
from graphagg.nn.aggr.operators import SymmetricGRU, SymmetricMLP
from graphagg.nn.aggr.plan import LCMPlan
from graphagg.nn.aggr.pna import PNAAggregation
from graphagg.nn.aggr.recurrent import RecurrentAggregation
from graphagg.nn.aggr.resolver import aggregation

__all__ = [
    "LCMAggregation",
    "LCMPlan",
    "MomentAggregation",
    "MonoidLosses",
    "PNAAggregation",
    "RecurrentAggregation",
    "SymmetricGRU",
    "SymmetricMLP",
    "aggregation",
    "monoid_losses",
]
