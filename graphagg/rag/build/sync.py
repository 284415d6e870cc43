"""Comparison of a corpus that was read again with the index of it.

Passages are compared by their digests, over every field. A document is the chunks that name it; a
passage that names none is one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphagg.rag.documents.passages import Passage, passage_digest
from graphagg.rag.snapshot.snapshot import Snapshot


@dataclass(frozen=True)
class SyncReport:
    """Changes of a sync: documents by their ids, a passage without one by its own id.

    Attributes:
        added, updated, deleted: documents, in the order in which they were read, or are indexed.
        unchanged: number of documents that stayed as they are.
        passages_added: passages of the new version that the one before did not hold as they are.
        passages_deleted: passages of the version before that the new one does not hold as they are.

    Examples:
        >>> from graphagg.rag import SyncReport
        >>> SyncReport(("new.md",), (), (), 4, 12, 0).is_empty
        False
    """

    added: tuple[str, ...]
    updated: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int
    passages_added: int
    passages_deleted: int

    @property
    def is_empty(self) -> bool:
        """Whether the index holds the corpus as it is."""
        return not (self.added or self.updated or self.deleted)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: counts of documents, and of passages."""
        lists = {name: len(getattr(self, name)) for name in ("added", "updated", "deleted")}
        return {
            **lists,
            "unchanged": self.unchanged,
            "passages_added": self.passages_added,
            "passages_deleted": self.passages_deleted,
        }


@dataclass(frozen=True)
class Difference:
    """The difference between a corpus and an indexed version.

    Attributes:
        gone: rows of the version that the corpus does not hold as they are.
        new: passages of the corpus that the version does not hold as they are.
        report: the same, counted.
    """

    gone: list[int]
    new: list[Passage]
    report: SyncReport = field(compare=False)


def difference(before: Snapshot, corpus: Sequence[Passage]) -> Difference:
    """Compare a corpus with the passages of a version; linear in both.

    Args:
        before: the version.
        corpus: passages with distinct ids.
    """
    digests = {p.id: passage_digest(p) for p in corpus}
    kept: set[str] = set()
    gone: list[int] = []
    touched: dict[str, None] = {}  # documents that lose a passage, or gain one; a set in order
    documents: dict[str, None] = {}
    for row in np.flatnonzero(before.alive).tolist():
        segment, inside = before.corpus.locate(row)
        identifier = segment.passages.ids[inside]
        document = segment.passages.documents[inside] or identifier
        documents[document] = None
        if digests.get(identifier) == segment.passages.digests[inside].tobytes():
            kept.add(identifier)
        else:
            gone.append(row)
            touched[document] = None
    new = [p for p in corpus if p.id not in kept]
    touched |= dict.fromkeys(p.document or p.id for p in new)
    read = dict.fromkeys(p.document or p.id for p in corpus)
    report = SyncReport(
        tuple(name for name in read if name not in documents),
        tuple(name for name in read if name in documents and name in touched),
        tuple(name for name in documents if name not in read),
        sum(name in documents and name not in touched for name in read),
        len(new),
        len(gone),
    )
    return Difference(gone, new, report)
