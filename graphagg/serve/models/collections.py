"""Requests and answers of collections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from graphagg.rag.config.profile import Profile
from graphagg.rag.documents.reading.settings import LeftOut
from graphagg.serve.limits import LONGEST_NAME
from graphagg.serve.models.values import AnswerModel, Name, Number, RequestModel

CollectionName = Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9][a-z0-9_-]*$")]
"""The name of a collection."""
_MOST = 100_000


class CollectionRequest(RequestModel):
    """A collection to create."""

    name: CollectionName
    profile: Profile = "standard"
    language: Annotated[str, Field(max_length=20)] | None = Field(
        default=None, description="Code of the language of all passages; null or auto: detected."
    )


class CollectionItem(AnswerModel):
    """A collection."""

    name: str
    passages: int | None = Field(
        default=None, description="null if there are none, or if a filter hides the number."
    )
    version: str | None = None
    problem: str | None = Field(default=None, description="The error, if it cannot be opened.")


class CollectionList(AnswerModel):
    """All collections, by name."""

    collections: list[CollectionItem]
    may_write: bool


class PassageItem(RequestModel):
    """A passage or a document to add; a longer text is split."""

    id: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    text: str
    title: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    document: str | None = None
    position: Number | None = None


class AddRequest(RequestModel):
    """Passages to add, all or none."""

    passages: Annotated[list[PassageItem], Field(min_length=1, max_length=_MOST)]
    replace: bool = Field(default=False, description="Replace passages with the same ids.")


class DeleteRequest(RequestModel):
    """Ids of passages, or of documents with all their chunks."""

    ids: Annotated[list[Name], Field(min_length=1, max_length=_MOST)]
    ignore_missing: bool = False


class WriteAnswer(AnswerModel):
    """The result of a write, sent after it is on disk."""

    version: str | None = Field(description="Version of the passage index.")
    passages: int | None = Field(default=None, description="Number of passages after the write.")
    added: int | None = Field(default=None, description="Number of documents added.")
    replaced: int | None = None
    removed: int | None = None
    unchanged: int | None = None
    passages_added: int | None = None
    passages_removed: int | None = None
    files: int | None = Field(default=None, description="Number of files read.")
    left_out: list[LeftOut] | None = None
    notes: list[str] | None = None


class FacetValue(AnswerModel):
    """A value, and the number of passages that have it."""

    value: str | float | bool
    passages: int


class Facet(AnswerModel):
    """A metadata key."""

    type: str
    passages: int
    values: list[FacetValue] | None = Field(description="null if there are too many.")


class FacetsAnswer(AnswerModel):
    """The metadata keys of the passages that match a filter."""

    passages: int
    keys: dict[str, Facet]


class DocumentItem(AnswerModel):
    """A document, or a passage without a document."""

    id: str
    title: str
    path: str | None = Field(description="Path of the file it was read from.")
    passages: int
    size: int | None = Field(description="File size in bytes.")
    modified: str | None


class DocumentList(AnswerModel):
    """A page of the documents of a collection."""

    documents: list[DocumentItem]
    total: int = Field(description="Number of matching documents.")


class Removed(AnswerModel):
    """The answer after a collection was removed."""

    removed: Literal[True] = True
