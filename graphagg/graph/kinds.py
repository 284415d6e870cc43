"""Names of kinds of graphs and of ids: settings are checked by them without loading a reader."""

from __future__ import annotations

from typing import Literal, get_args

GraphKind = Literal["undirected", "directed", "two-mode"]
GRAPH_KINDS: tuple[GraphKind, ...] = get_args(GraphKind)
IdType = Literal["auto", "integer", "string"]
ID_TYPES: tuple[IdType, ...] = get_args(IdType)
