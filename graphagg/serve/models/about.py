"""Responses that describe a service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from graphagg.communities.config import Method
from graphagg.rag.config.modes import Mode
from graphagg.serve import limits
from graphagg.serve.models.values import AnswerModel


class IndexInfo(AnswerModel):
    """The version and sizes of an index."""

    version: str
    counts: dict[str, int]


class PassagesInfo(IndexInfo):
    """The content of the passage index."""

    modes: list[Mode]
    metadata: dict[str, str] = Field(description="Keys for filters, with their types.")
    models: dict[str, str]


class CommunitiesInfo(IndexInfo):
    """The content of the community index."""

    kind: str
    methods: list[Method]


class EmbeddingInfo(IndexInfo):
    """The content of the embedding."""

    kind: str
    dimension: int


class LimitsInfo(AnswerModel):
    """The limits of one request."""

    question_characters: int = limits.LONGEST_QUESTION
    hits: int = limits.MOST_HITS
    hit_characters: int = limits.MOST_CHARACTERS
    text_characters: int = limits.MOST_TEXT
    members: int = limits.MOST_MEMBERS
    seeds: int = limits.MOST_SEEDS
    body_bytes: int
    answer_seconds: float


class Info(AnswerModel):
    """The indices of this service; null for a kind that it does not have."""

    version: str
    limits: LimitsInfo
    collections: bool = Field(description="Whether there are collections.")
    may_write: bool = Field(description="Whether this token may write to collections.")
    passages: PassagesInfo | None
    communities: CommunitiesInfo | None
    embedding: EmbeddingInfo | None


class Health(AnswerModel):
    """Whether the process is alive."""

    status: Literal["ok", "stopping"]


class Ready(AnswerModel):
    """Whether questions are answered without waiting for a model."""

    status: Literal["ready", "loading", "stopping"]
    problems: dict[str, str] = Field(
        description="Error when opening the published version, by kind of index; an older version "
        "is served in that case."
    )
