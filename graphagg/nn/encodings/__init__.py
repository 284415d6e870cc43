"""Positional and structural encodings of vertices."""

from graphagg.nn.encodings.base import Encoding
from graphagg.nn.encodings.eigenpairs import NoConvergence
from graphagg.nn.encodings.encoder import LinearEncoder, VertexEncoder
from graphagg.nn.encodings.laplacian import LapPE, flip_signs
from graphagg.nn.encodings.sets import DeepSetEncoder
from graphagg.nn.encodings.walks import RWSE

__all__ = [
    "RWSE",
    "DeepSetEncoder",
    "Encoding",
    "LapPE",
    "LinearEncoder",
    "NoConvergence",
    "VertexEncoder",
    "flip_signs",
]
