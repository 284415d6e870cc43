"""Node embeddings of graphs of any size, computed in pieces."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.embedding.config import EmbeddingConfig as EmbeddingConfig
    from graphagg.embedding.index import NodeEmbedding as NodeEmbedding
    from graphagg.embedding.partition.report import PartitionReport as PartitionReport
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__, extra="embedding")
