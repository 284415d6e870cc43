"""Communities around seed vertices: a MinHash/LSH index that answers in milliseconds.

The heavy modules load when one of these names is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphagg.communities.config import IndexConfig, QueryConfig

if TYPE_CHECKING:
    from graphagg.communities.answer.results import Community, Member, Shared
    from graphagg.communities.index import CommunityIndex

__all__ = ["Community", "CommunityIndex", "IndexConfig", "Member", "QueryConfig", "Shared"]

_HOME = {
    "Community": "answer.results",
    "CommunityIndex": "index",
    "Member": "answer.results",
    "Shared": "answer.results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
