"""Multi-hop passage retrieval over a Tri-Graph, without an LLM."""

from graphagg.rag.config import PRESETS, RetrievalConfig
from graphagg.rag.encoder import SentenceTransformerEncoder
from graphagg.rag.entities import SpacyExtractor
from graphagg.rag.index import PassageIndex
from graphagg.rag.passages import Passage, read_passages
from graphagg.rag.results import Components, Hit, Hop

__all__ = [
    "PRESETS",
    "Components",
    "Hit",
    "Hop",
    "Passage",
    "PassageIndex",
    "RetrievalConfig",
    "SentenceTransformerEncoder",
    "SpacyExtractor",
    "read_passages",
]
