"""Multi-hop passage retrieval without an LLM."""

from graphagg.rag.best.formula import PARTS, BestConfig
from graphagg.rag.documents.passages import Passage, read_passages
from graphagg.rag.index import PassageIndex
from graphagg.rag.linearrag.config import PRESETS, RetrievalConfig
from graphagg.rag.models.chunking import ChunkConfig, chunk_documents
from graphagg.rag.models.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.models.extractor import EntityExtractor, SpacyExtractor
from graphagg.rag.results import DocumentHit, Explanation, Hit, Hits, Hop

__all__ = [
    "PARTS",
    "PRESETS",
    "BestConfig",
    "ChunkConfig",
    "DocumentHit",
    "Encoder",
    "EntityExtractor",
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
