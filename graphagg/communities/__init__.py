"""Communities around seed vertices: a MinHash/LSH index that answers in milliseconds."""

from graphagg.communities.config import IndexConfig, QueryConfig
from graphagg.communities.index import CommunityIndex
from graphagg.communities.results import Community, Member, Shared

__all__ = ["Community", "CommunityIndex", "IndexConfig", "Member", "QueryConfig", "Shared"]
