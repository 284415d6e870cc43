"""Names of graph kinds and id types, so that settings can be checked without loading a reader."""

from __future__ import annotations

from typing import Literal, get_args

GraphKind = Literal["undirected", "directed", "two-mode"]
"""Edges go both ways, go from source to target, or connect an element to a set."""
GRAPH_KINDS: tuple[GraphKind, ...] = get_args(GraphKind)
"""All kinds of graphs."""
IdType = Literal["auto", "integer", "string"]
ID_TYPES: tuple[IdType, ...] = get_args(IdType)
