"""Names of kinds of graphs and of ids: settings are checked by them without loading a reader."""

from __future__ import annotations

from typing import Literal, get_args

GraphKind = Literal["undirected", "directed", "two-mode"]
"""An edge goes both ways, from source to target, or joins an element with a set."""
GRAPH_KINDS: tuple[GraphKind, ...] = get_args(GraphKind)
"""All kinds of graphs."""
IdType = Literal["auto", "integer", "string"]
ID_TYPES: tuple[IdType, ...] = get_args(IdType)
