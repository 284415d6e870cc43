"""Families: documents of an index that are versions of each other.

Two documents are tied if they share a link: a band of their texts under one name, a family that
both state, or one states the other as its successor. A family is a connected component of the
visible documents, so hidden documents do not change it. `graphagg.rag.corpus.versions` computes
the links.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints, Mask, distinct

NUMBERED = 10
"""Smallest `version` with a number; smaller values are only a stage: 0 for drafts and "old"."""


@dataclass(frozen=True)
class Families:
    """The M documents that have other versions (members), sorted by family, then id.

    Attributes:
        member: `[R]` int32, the member that a row is a chunk of; -1 if none.
        bounds: `[F + 1]` int64, offsets of the members of each family.
        when: `[M]` int64, date of each member in microseconds since 1970.
        changed: `[M]` bool, whether `when` is only the modification time.
        version: `[M]` int64, number and stage of the version in its name.
        successor: `[M]` int32, the member that it states as its successor; -1 if none.
        file: `[M]` uint64, hash of its file; members that are rows of one table share it.
        links: `[M, c]` uint64, link keys; 0 if there is none.
    """

    member: npt.NDArray[np.int32]
    bounds: Ints
    when: Ints
    changed: Mask
    version: Ints
    successor: npt.NDArray[np.int32]
    file: npt.NDArray[np.uint64]
    links: npt.NDArray[np.uint64]

    @classmethod
    def open(cls, array: Callable[[str], Array]) -> Families:
        """Read the arrays by name."""
        return cls(*(array(f"families.{name}") for name in cls.__dataclass_fields__))

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        """The rows of all members, sorted by member, and the offset of each member."""
        rows = np.flatnonzero(self.member >= 0)
        rows = rows[np.argsort(self.member[rows], kind="stable")]
        return rows, np.searchsorted(self.member[rows], np.arange(len(self.when) + 1))

    def rows_of(self, member: int) -> Ints:
        """Return the rows of a member, ascending."""
        rows, bounds = self._rows
        return rows[bounds[member] : bounds[member + 1]]

    def versions(self, row: int, visible: Mask) -> list[int]:
        """Return the visible members of a row's family, oldest first; [] without other versions."""
        member = int(self.member[row])
        if member < 0:
            return []
        family = int(np.searchsorted(self.bounds, member, side="right")) - 1
        members = np.arange(*self.bounds[family : family + 2])
        is_visible = np.array([visible[self.rows_of(each)].any() for each in members.tolist()])
        if not is_visible.all():
            members = members[is_visible]
            labels = components(self.links[members])
            members = members[labels == labels[np.searchsorted(members, member)]]
        is_family = len(members) == len(distinct(self.file[members])) > 1
        return self._by_age(members) if is_family else []

    def _by_age(self, members: Ints) -> list[int]:
        """Sort by date, or by version number if all have one and a date is a modification time.

        Drafts and "old" files come first.
        """
        when, version, changed = (a[members] for a in (self.when, self.version, self.changed))
        by_number = changed.any() and (version >= NUMBERED).all()
        keys = (when, version) if by_number else (version, when)
        order: list[int] = members[np.lexsort((*keys, version % NUMBERED > 0))].tolist()
        for member in members.tolist():
            after = int(self.successor[member])
            if after in order and order.index(member) > order.index(after):
                order.remove(member)
                order.insert(order.index(after), member)
        return order


def components(links: Array) -> Ints:
    """Label each row of links `[m, c]` with the first row of its component, `[m]`."""
    member, column = np.nonzero(links)
    _, token = np.unique(links[member, column], return_inverse=True)
    labels = np.arange(len(links))
    while True:
        lowest, before = np.full(len(links) * links.shape[1], len(links)), labels.copy()
        np.minimum.at(lowest, token, labels[member])
        np.minimum.at(labels, member, lowest[token])
        if np.array_equal(labels, before):
            return labels
