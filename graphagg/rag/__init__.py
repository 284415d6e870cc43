"""Multi-hop passage retrieval without an LLM.

The heavy modules load when one of these names is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphagg.rag.best.formula import PARTS, BestConfig
from graphagg.rag.linearrag.config import PRESETS, RetrievalConfig

if TYPE_CHECKING:
    from graphagg.rag.documents.passages import Passage, read_passages
    from graphagg.rag.index import PassageIndex
    from graphagg.rag.models.chunking import ChunkConfig, chunk_documents
    from graphagg.rag.models.encoder import SentenceTransformerEncoder
    from graphagg.rag.models.extractor import SpacyExtractor
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

_HOME = {
    "ChunkConfig": "models.chunking",
    "DocumentHit": "results",
    "Explanation": "results",
    "Hit": "results",
    "Hits": "results",
    "Hop": "results",
    "Passage": "documents.passages",
    "PassageIndex": "index",
    "SentenceTransformerEncoder": "models.encoder",
    "SpacyExtractor": "models.extractor",
    "chunk_documents": "models.chunking",
    "read_passages": "documents.passages",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
