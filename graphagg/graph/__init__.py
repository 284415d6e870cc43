"""Sparse structure shared by the capabilities."""

from graphagg.graph.csr import Csr

__all__ = ["Csr"]
