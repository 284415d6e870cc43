"""Local parts: message passing along edges, one half of a GPS layer."""

from graphagg.nn.conv.adapter import ConvPart
from graphagg.nn.conv.base import LocalPart
from graphagg.nn.conv.gatedgcn import GatedGCN
from graphagg.nn.conv.gine import GINE
from graphagg.nn.conv.resolver import NAMES, make_local_part

__all__ = ["GINE", "NAMES", "ConvPart", "GatedGCN", "LocalPart", "make_local_part"]
