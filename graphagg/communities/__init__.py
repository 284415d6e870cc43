"""Communities around seed vertices: a MinHash/LSH index that answers in milliseconds."""

from graphagg.communities.answer.results import Community, Member, Shared
from graphagg.communities.config import IndexConfig, QueryConfig
from graphagg.communities.index import CommunityIndex

__all__ = ["Community", "CommunityIndex", "IndexConfig", "Member", "QueryConfig", "Shared"]
