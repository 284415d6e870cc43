"""The names of the retrieval modes, and the classes of their settings."""

from __future__ import annotations

from typing import Literal, get_args

from graphagg.rag.best.formula import BestConfig
from graphagg.rag.broad.config import BroadConfig
from graphagg.rag.linearrag.config import RetrievalConfig

Mode = Literal["best", "broad", "auto", "faithful", "rrf", "dense", "bm25"]
MODES: tuple[Mode, ...] = get_args(Mode)
Config = BestConfig | BroadConfig | RetrievalConfig
