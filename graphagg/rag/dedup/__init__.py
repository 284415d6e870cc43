"""Near duplicates among texts: pairs, groups, and which texts to keep.

The names load their modules when they are first used.
"""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.rag.dedup.config import DedupConfig as DedupConfig
    from graphagg.rag.dedup.files import DedupReport as DedupReport
    from graphagg.rag.dedup.files import dedup as dedup

__getattr__, __dir__, __all__ = lazy_names(__name__)
