"""The names of the retrieval modes, and the classes of their settings."""

from __future__ import annotations

from typing import Literal, get_args

from graphagg.rag.config.linearrag import LinearRAGConfig
from graphagg.rag.config.multihop import MultihopConfig

Mode = Literal["multihop", "linearrag", "rrf", "dense", "bm25"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "multihop"
Config = MultihopConfig | LinearRAGConfig
