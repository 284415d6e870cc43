"""The community index by Spark: the same bytes as `CommunityIndex.build` writes."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.communities.spark.build import build_with_spark as build_with_spark
    from graphagg.communities.spark.build import job_of as job_of
    from graphagg.communities.spark.build import stages as stages

__getattr__, __dir__, __all__ = lazy_names(__name__)
