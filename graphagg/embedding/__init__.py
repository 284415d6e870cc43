"""Node embeddings: pieces as good as the whole graph.

The heavy modules load when one of these names is first used.
"""

from typing import TYPE_CHECKING

from graphagg.lazy import attach

if TYPE_CHECKING:
    from graphagg.embedding.config import EmbeddingConfig as EmbeddingConfig
    from graphagg.embedding.index import NodeEmbedding as NodeEmbedding
    from graphagg.embedding.partition.metis import PartitionReport as PartitionReport

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ["EmbeddingConfig"],
        "index": ["NodeEmbedding"],
        "partition.metis": ["PartitionReport"],
    },
)
