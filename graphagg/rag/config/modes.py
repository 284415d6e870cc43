"""The names of the retrieval modes, and the classes of their settings."""

from __future__ import annotations

from typing import Literal, get_args

from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.config.linearrag import RetrievalConfig
from graphagg.rag.config.multihop import BestConfig

Mode = Literal["best", "broad", "auto", "faithful", "rrf", "dense", "bm25"]
MODES: tuple[Mode, ...] = get_args(Mode)
Config = BestConfig | BroadConfig | RetrievalConfig
