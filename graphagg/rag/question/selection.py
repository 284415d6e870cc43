"""The selection of passages that a caller may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Selection:
    """The passages that a caller may see.

    Attributes:
        filter: conditions on metadata; see `graphagg.rag.documents.filters`. None: all.
        include: ids of documents or passages; None: all. A document's id takes all its chunks.
        exclude: ids of documents or passages to leave out.
        bridge_through: whether hidden passages may still lead to visible ones. They then change
            scores and appear in paths.
        as_of: a moment in microseconds since 1970; passages whose `when` is later are hidden.
            None: all.
    """

    filter: Mapping[str, Any] | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    bridge_through: bool = False
    as_of: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether every passage is visible."""
        unnamed = self.filter is None and self.include is None and not self.exclude
        return unnamed and self.as_of is None
