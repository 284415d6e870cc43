"""Families: the versions of a document among the documents of an index.

Two documents are tied if they share a link: a band of their texts under one name, a family that
both state, or one states the other as its successor. A family is a component of the ties of the
visible documents, so it equals that of an index of these documents alone. How links are made is in
`graphagg.rag.corpus.versions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints, Mask, distinct

NUMBERED = 10
"""The least `version` with a number; below it is the stage: 0 of drafts and what is called old."""


@dataclass(frozen=True)
class Families:
    """The documents that have other versions; M members in the order of families, then of ids.

    Attributes:
        member: `[R]` int32, the member whose chunk a row is; -1: of none.
        bounds: `[F + 1]` int64, the members of each family.
        when: `[M]` int64, microseconds since 1970.
        changed: `[M]` bool, whether that is only the time of change.
        version: `[M]` int64, number and stage of the version in its name.
        successor: `[M]` int32, the member that it states as its successor; -1: none.
        file: `[M]` uint64, hash of its file: a member that is a row shares it with other rows.
        links: `[M, c]` uint64; 0: none.
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
        """Take the arrays by their names."""
        return cls(*(array(f"families.{name}") for name in cls.__dataclass_fields__))

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        """The rows of members, one member after another, and where each begins."""
        rows = np.flatnonzero(self.member >= 0)
        rows = rows[np.argsort(self.member[rows], kind="stable")]
        return rows, np.searchsorted(self.member[rows], np.arange(len(self.when) + 1))

    def rows_of(self, member: int) -> Ints:
        """The rows of a member, ascending."""
        rows, bounds = self._rows
        return rows[bounds[member] : bounds[member + 1]]

    def versions(self, row: int, visible: Mask) -> list[int]:
        """The visible members of a row's family, oldest first; [] if it has no other versions."""
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
        """Sort members by date; by version number if all have one and one has no better date.

        Drafts and what is called old come first.
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
    """`[m]` for each row of links `[m, c]` the first row that it is tied to, over any others."""
    member, column = np.nonzero(links)
    _, token = np.unique(links[member, column], return_inverse=True)
    labels = np.arange(len(links))
    while True:
        lowest, before = np.full(len(links) * links.shape[1], len(links)), labels.copy()
        np.minimum.at(lowest, token, labels[member])
        np.minimum.at(labels, member, lowest[token])
        if np.array_equal(labels, before):
            return labels
