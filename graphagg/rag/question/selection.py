"""The passages that a request leaves visible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Selection:
    """The passages that a request leaves visible.

    Attributes:
        filter: conditions on metadata; see `graphagg.rag.documents.filters`. None: all.
        include: ids of documents or passages; None: all. A document's id takes all its chunks.
        exclude: ids of documents or passages to leave out.
        bridge_through_filtered: whether hidden passages may lead to visible ones. They then change
            scores and appear in paths.
        as_of: a moment in microseconds since 1970; passages whose `when` is later are hidden.
            None: none.
    """

    filter: Mapping[str, Any] | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    bridge_through_filtered: bool = False
    as_of: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether every passage is visible."""
        unnamed = self.filter is None and self.include is None and not self.exclude
        return unnamed and self.as_of is None
