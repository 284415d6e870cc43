"""The longer forms of a name: `Karan Kumar Johar` of `Karan Johar`."""

from __future__ import annotations

from collections.abc import Sequence

from graphagg.store.strings import StringTable

_LENGTHS = range(3, 6)  # words of a longer form
_KEPT = 4096  # first words whose names are kept
_KEPT_FORMS = 65_536  # names whose longer forms are


class LongerNames:
    """Finds keys of three to five words that have both words of a key of two at their ends.

    Keys that begin alike stand side by side, so that only they are read; what is found of a first
    word is kept.

    Args:
        keys: ascending by their UTF-8 bytes.
    """

    def __init__(self, keys: StringTable) -> None:
        self._keys = keys
        self._by_first: dict[bytes, dict[bytes, list[int]]] = {}
        self._forms: dict[int, Sequence[int]] = {}

    def of(self, entity: int) -> Sequence[int]:
        """The longer forms of a key, ascending; none of a key that has not two words."""
        found = self._forms.get(entity)
        if found is None:
            if len(self._forms) >= _KEPT_FORMS:
                self._forms.clear()
            found = self._forms[entity] = self._found(entity)
        return found

    def _found(self, entity: int) -> Sequence[int]:
        words = self._keys.raw(entity).split(b" ")
        if len(words) != 2:
            return ()
        if words[0] not in self._by_first:
            if len(self._by_first) >= _KEPT:
                self._by_first.clear()
            self._by_first[words[0]] = self._beginning_with(words[0] + b" ", entity)
        return self._by_first[words[0]].get(words[1], ())

    def _beginning_with(self, prefix: bytes, near: int) -> dict[bytes, list[int]]:
        """The longer names with a prefix, by their last words; `near` is a key that has it."""
        keys, first, last = self._keys, near, near
        while first > 0 and keys.raw(first - 1).startswith(prefix):
            first -= 1
        while last < len(keys) and keys.raw(last).startswith(prefix):
            last += 1
        found: dict[bytes, list[int]] = {}
        for entity in range(first, last):
            words = keys.raw(entity).split(b" ")
            if len(words) in _LENGTHS:
                found.setdefault(words[-1], []).append(entity)
        return found
