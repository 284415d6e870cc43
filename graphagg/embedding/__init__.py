"""Node embeddings: pieces as good as the whole graph.

The heavy modules load when one of these names is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphagg.embedding.config import EmbeddingConfig
    from graphagg.embedding.index import NodeEmbedding
    from graphagg.embedding.partition.report import PartitionReport

__all__ = ["EmbeddingConfig", "NodeEmbedding", "PartitionReport"]

_HOME = {
    "EmbeddingConfig": "config",
    "NodeEmbedding": "index",
    "PartitionReport": "partition.report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
