"""`ChangeReport`: what a change did to an index of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from graphagg.fields import Brief


@dataclass(frozen=True, repr=False)
class ChangeReport(Brief):
    """What a change added to, replaced in and removed from an index.

    The counts are of documents in a passage index (a passage without a document counts as one), of
    edges in a community index, and of vertices in an embedding.

    Attributes:
        added, replaced, removed: number of items that are new, have new content, or are gone.
        unchanged: number of given items that the index already contained.
        details: further counts by name, such as `passages_added` or `vertices_removed`.
        ids: for a passage index, the ids of documents under `added`, `replaced` and `removed`.

    Examples:
        >>> from graphagg.communities import CommunityIndex
        >>> from tempfile import mkdtemp
        >>> index = CommunityIndex.build([(1, 2), (2, 3)], mkdtemp())
        >>> report = index.add([(3, 4), (1, 2)])
        >>> report.added, report.removed, report.details["vertices_added"]
        (1, 0, 1)
    """

    added: int = 0
    replaced: int = 0
    removed: int = 0
    unchanged: int = 0
    details: Mapping[str, int] = field(default_factory=dict)
    ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_ids(cls, unchanged: int, details: Mapping[str, int], **ids: tuple[str, ...]) -> Self:
        """Create a report from the ids of documents in `added`, `replaced` and `removed`."""
        counts = {name: len(names) for name, names in ids.items()}
        return cls(unchanged=unchanged, details=details, ids=ids, **counts)

    @property
    def is_empty(self) -> bool:
        """Whether the change left the index unchanged."""
        return not (self.added or self.replaced or self.removed)

    def to_json(self) -> dict[str, int]:
        """Return all counts as plain JSON values."""
        names = ("added", "replaced", "removed", "unchanged")
        return {**{name: getattr(self, name) for name in names}, **self.details}
