"""Near duplicates among texts: pairs, groups, and which texts to keep."""

from graphagg.rag.dedup.config import DedupConfig as DedupConfig
from graphagg.rag.dedup.files import DedupReport as DedupReport
from graphagg.rag.dedup.files import dedup as dedup
