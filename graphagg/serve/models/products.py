"""Search requests in the formats of Dify's external knowledge and OpenAI's vector stores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphagg.serve.models.values import Hits, Name, Question, RequestModel

Threshold = Annotated[float, Field(ge=0, le=1)]
Scalar = str | int | float | bool


class RetrievalSetting(RequestModel):
    """Number of results and minimum score."""

    top_k: Hits
    score_threshold: Threshold = 0.0


class DifyCondition(RequestModel):
    """A condition on the metadata; with several names, any may match."""

    name: Name | Annotated[list[Name], Field(min_length=1)]
    comparison_operator: str
    value: str | float | list[str] | None = None


class DifyConditions(RequestModel):
    """Conditions on the metadata."""

    logical_operator: Literal["and", "or"] | None = "and"
    conditions: list[DifyCondition] | None = None


class RetrievalRequest(RequestModel):
    """A search by Dify; `knowledge_id` is the name of a collection, or `passages`."""

    knowledge_id: Name
    query: Question
    retrieval_setting: RetrievalSetting
    metadata_condition: DifyConditions | None = None


class ComparisonFilter(RequestModel):
    """A condition on one key of the metadata."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: Name
    value: Scalar | list[Scalar]


class CompoundFilter(RequestModel):
    """Several conditions, all or any of which must hold."""

    type: Literal["and", "or"]
    filters: list[ComparisonFilter | CompoundFilter]


class RankingOptions(RequestModel):
    """Minimum score of results; `ranker` has no effect, since there is only one."""

    ranker: str | None = None
    score_threshold: Threshold = 0.0


class VectorStoreRequest(RequestModel):
    """A search of a vector store; queries are never rewritten."""

    query: Question | Annotated[list[Question], Field(min_length=1, max_length=1)]
    max_num_results: Hits = Field(default=10, le=50)
    filters: ComparisonFilter | CompoundFilter | None = None
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None
