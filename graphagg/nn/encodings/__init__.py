"""Positional and structural encodings of vertices; random walks use PyG's `AddRandomWalkPE`."""

from graphagg.nn.encodings.encoder import DeepSetEncoder, LinearEncoder, VertexEncoder
from graphagg.nn.encodings.laplacian import LapPE, NoConvergence, flip_signs

__all__ = [
    "DeepSetEncoder",
    "LapPE",
    "LinearEncoder",
    "NoConvergence",
    "VertexEncoder",
    "flip_signs",
]
