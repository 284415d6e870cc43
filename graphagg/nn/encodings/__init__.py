"""Encodings: where a vertex lies in its graph and what surrounds it, as vectors."""

from graphagg.nn.encodings.base import Encoding
from graphagg.nn.encodings.counts import CycleCounts, Degree
from graphagg.nn.encodings.electrostatic import ElstaticSE
from graphagg.nn.encodings.heat import HKdiagSE
from graphagg.nn.encodings.laplacian import LapPE, flip_signs
from graphagg.nn.encodings.spectrum import NoConvergence
from graphagg.nn.encodings.walks import RRWP, RWSE

__all__ = [
    "RRWP",
    "RWSE",
    "CycleCounts",
    "Degree",
    "ElstaticSE",
    "Encoding",
    "HKdiagSE",
    "LapPE",
    "NoConvergence",
    "flip_signs",
]
