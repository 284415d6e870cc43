"""Communities around seed vertices: a MinHash/LSH index that answers in milliseconds."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.communities.answer.results import Community as Community
    from graphagg.communities.answer.results import Member as Member
    from graphagg.communities.answer.results import SharedElements as SharedElements
    from graphagg.communities.config import CommunityConfig as CommunityConfig
    from graphagg.communities.detection import detect as detect
    from graphagg.communities.detection import update as update
    from graphagg.communities.evaluation import draw_seeds as draw_seeds
    from graphagg.communities.evaluation import evaluate as evaluate
    from graphagg.communities.evaluation import read_communities as read_communities
    from graphagg.communities.index import CommunityIndex as CommunityIndex
    from graphagg.communities.partitions import Agreement as Agreement
    from graphagg.communities.partitions import Partition as Partition
else:
    __getattr__, __dir__, __all__ = lazy_names(
        __name__, "communities", {"IndexConfig": "CommunityConfig", "Shared": "SharedElements"}
    )
