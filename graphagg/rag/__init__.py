"""Multi-hop passage retrieval without an LLM."""

from graphagg.rag.best_config import PARTS, BestConfig
from graphagg.rag.chunking import ChunkConfig, chunk_documents
from graphagg.rag.config import PRESETS, RetrievalConfig
from graphagg.rag.encoder import SentenceTransformerEncoder
from graphagg.rag.entities import SpacyExtractor
from graphagg.rag.index import PassageIndex
from graphagg.rag.passages import Passage, read_passages
from graphagg.rag.results import DocumentHit, Explanation, Hit, Hits, Hop

__all__ = [
    "PARTS",
    "PRESETS",
    "BestConfig",
    "ChunkConfig",
    "DocumentHit",
    "Explanation",
    "Hit",
    "Hits",
    "Hop",
    "Passage",
    "PassageIndex",
    "RetrievalConfig",
    "SentenceTransformerEncoder",
    "SpacyExtractor",
    "chunk_documents",
    "read_passages",
]
