"""All entities, and all places in passages where their words occur.

An entity is a key (`tokens.entity_key`) that the extractor found in a passage or that is a title.
All places are stored, even if they overlap, are in lower case, or are inside a longer name. `View`
uses the visible passages to decide which places count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import UNSPACED, entity_key, transcribed
from graphagg.rag.tables.mentions import BASE_TITLE, FOUND, FULL_TITLE, LINK, PREFIX
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.store.reading import NamedArrays
from graphagg.store.strings import StringTable

DEFINES = FOUND | FULL_TITLE | BASE_TITLE | LINK
"""A mention needs one of these flags to make its key an entity."""
LINKABLE, DATE, REFERENCE = 1, 2, 4
"""Flags of an entity: more than a stop word or a letter, at most `LONGEST_KEY` tokens; only numbers
and months; the target of links between documents, which is not a name."""
LONGEST_KEY = 10
_MONTHS = frozenset(
    "january february march april may june july august september october november december "
    "bc ad bce ce st nd rd th early mid late century".split()
)
_NUMERAL = re.compile(r"\d+(?:st|nd|rd|th|s)?")
LONGER = range(3, 6)
"""Number of words in a longer form of a two-word name."""
_CACHED = 4096  # number of first words with cached position and names
_CACHED_FORMS = 65_536  # number of names with cached longer forms
GAZETTEER_ARRAYS = (
    "kind", "title_tokens", "bounds", "entity", "start", "length", "sentence", "flags",
    "pair_bounds", "row", "count", "pair_flags",
)  # fmt: skip


@dataclass(frozen=True)
class Gazetteer:
    """Entities and their mentions; E entities, m mentions, n pairs of an entity and a passage.

    Attributes:
        keys: `[E]` sorted by UTF-8 bytes; an entity's id is its position.
        kind: `[E]` uint8, flags of an entity.
        title_tokens: `[R]`, `narrow`, number of title tokens per passage; 0 for a deleted passage.
        bounds: `[R + 1]` int64; the mentions of row r are `bounds[r]` to `bounds[r + 1]`, sorted by
            start, then longest first, then by entity.
        entity, start, length, sentence, flags: `[m]`; start counts tokens of title and text,
            sentence counts sentences of the passage; both are `narrow`.
        pair_bounds: `[E + 1]` int64; the pairs of entity e are `[e]` to `[e + 1]`, sorted by row.
        row, count: `[n]`, the passage, and how often the entity occurs in it (N_ep), `narrow`.
        pair_flags: `[n]` uint8, union of the flags of the entity's mentions in the passage.
    """

    keys: StringTable
    kind: npt.NDArray[np.uint8]
    title_tokens: Array
    bounds: npt.NDArray[np.int64]
    entity: npt.NDArray[np.int32]
    start: Array
    length: npt.NDArray[np.uint8]
    sentence: Array
    flags: npt.NDArray[np.uint8]
    pair_bounds: npt.NDArray[np.int64]
    row: npt.NDArray[np.int32]
    count: Array
    pair_flags: npt.NDArray[np.uint8]

    def find(self, key: str) -> int | None:
        """Return the id of the entity with this key, or None."""
        return self.keys.find_sorted(key)

    def pairs(self, entity: int) -> slice:
        """Return the range of an entity's pairs."""
        return slice(int(self.pair_bounds[entity]), int(self.pair_bounds[entity + 1]))

    def mentions(self, row: int) -> slice:
        """Return the range of a passage's mentions."""
        return slice(int(self.bounds[row]), int(self.bounds[row + 1]))

    @cached_property
    def place(self) -> Callable[[bytes], int]:
        """Returns the number of keys before a word (LRU cache)."""
        return lru_cache(_CACHED)(self.keys.place_sorted)

    @cached_property
    def longer(self) -> Callable[[int], Sequence[int]]:
        """Returns the longer forms of a name; see `longer_names`."""
        return longer_names(self.keys)

    @classmethod
    def open(cls, arrays: NamedArrays) -> Gazetteer:
        """Memory-map the gazetteer of a version."""
        keys = arrays.strings("entities.keys")
        columns = {name: arrays.array(f"gazetteer.{name}") for name in GAZETTEER_ARRAYS}
        return cls(keys, **columns)


def kind_of(words: Sequence[str], analyzers: Analyzers) -> int:
    """Compute the flags of an entity from the words of its key."""
    if words[0].startswith(PREFIX):
        return REFERENCE
    alone = len(words) == 1 and (len(words[0]) < 2 or words[0] in analyzers.stop_words)
    linkable = LINKABLE if len(words) <= LONGEST_KEY and not alone else 0
    dates = all(word in _MONTHS or _NUMERAL.fullmatch(word) for word in words)
    return linkable | (DATE if dates else 0)


def or_of(flags: Array, counts: Array) -> npt.NDArray[np.uint8]:
    """Compute the bitwise OR of the flags of consecutive groups; 0 for an empty group."""
    union, filled = np.zeros(len(counts), np.uint8), np.flatnonzero(counts)
    if len(filled):
        union[filled] = np.bitwise_or.reduceat(flags, (np.cumsum(counts) - counts)[filled])
    return union


def longer_names(keys: StringTable) -> Callable[[int], Sequence[int]]:
    """Return a function that finds the longer forms of a two-word key, ascending.

    These are the keys of three to five words that begin and end with its words. Keys are sorted, so
    only those with the same first word are read; forms are cached.
    """
    beginning = lru_cache(_CACHED)(partial(_beginning_with, keys))
    return lru_cache(_CACHED_FORMS)(partial(_longer, keys, beginning))


def _longer(keys: StringTable, beginning: Callable[[bytes], Array], entity: int) -> Sequence[int]:
    words = keys.raw(entity).split(b" ")
    if len(words) != 2:
        return ()
    forms = beginning(words[0] + b" ")
    ends = keys.offsets[forms + 1]
    # Compare from the last byte backwards: the first bytes already exclude most names.
    for back, byte in enumerate(reversed(b" " + words[1]), start=1):
        if not len(forms):
            return ()
        is_equal = keys.data[ends - back] == byte
        forms, ends = forms[is_equal], ends[is_equal]
    return list[int](forms.tolist())


def _beginning_with(keys: StringTable, prefix: bytes) -> Array:
    """Return the names of three to five words with a prefix that at least one key has."""
    first = keys.place_sorted(prefix)
    last = keys.place_sorted(prefix[:-1] + b"!", first)  # "!" follows " "
    bounds = np.asarray(keys.offsets[first : last + 1])
    is_space = np.asarray(keys.data[bounds[0] : bounds[-1]]) == ord(" ")
    words = 1 + np.add.reduceat(is_space, bounds[:-1] - bounds[0], dtype=np.int64)
    return first + np.flatnonzero((words >= LONGER[0]) & (words <= LONGER[-1]))


_UNSPACED = re.compile(f"[{UNSPACED}\uac00-\ud7a3]")


class Speller:
    """Finds spellings for one answer; each passage is read once."""

    def __init__(self, corpus: StoredCorpus, gazetteer: Gazetteer) -> None:
        self._corpus, self._gazetteer = corpus, gazetteer
        self._read: dict[int, Passage] = {}

    def passage(self, row: int) -> Passage:
        """Return the passage in a row."""
        if row not in self._read:
            self._read[row] = self._corpus.read(row)
        return self._read[row]

    def prepare(self, rows: Sequence[int], mentions: Sequence[tuple[int, int]]) -> None:
        """Read passages with metadata; `mentions` are (entity, row) pairs of the paths to them."""
        self._read |= {row: self._corpus[row] for row in rows}

    def spelling(self, entity: int, row: int) -> str:
        """Return the first spelling of an entity in a passage, or its key if there is none.

        If the spelling differs from the key, both are shown: "SRE (site reliability
        engineering)".
        """
        key, (first, length) = self._gazetteer.keys[entity], self.first_mention(entity, row)
        passage = self.passage(row)
        spans = passage.word_spans(first, first + length) if length else ()
        if not spans:
            return key
        spelling = " ".join(passage.full_text[spans[0][0] : spans[-1][1]].split())
        if _squeezed(key) in (_squeezed(spelling), _squeezed(transcribed(spelling))):
            return spelling
        return _joined(key) if _UNSPACED.search(spelling) else f"{spelling} ({key})"

    def first_mention(self, entity: int, row: int) -> tuple[int, int]:
        """Return first token and length of an entity's first mention in a passage, or (0, 0)."""
        g = self._gazetteer
        of_row = g.mentions(row)
        mentions = of_row.start + np.flatnonzero(g.entity[of_row] == entity)
        return (int(g.start[mentions[0]]), int(g.length[mentions[0]])) if len(mentions) else (0, 0)


def _squeezed(name: str) -> str:
    """Return the letters and digits of a name, since separators in codes do not matter."""
    return entity_key(name).replace(" ", "")


def _joined(key: str) -> str:
    """Join the overlapping pairs of a key from a text without spaces."""
    name, *words = key.split(" ")
    for word in words:
        heads = range(len(word) - 1, 0, -1) if _UNSPACED.match(word) else ()
        shared = next((n for n in heads if name.endswith(word[:n])), 0)
        name += word[shared:] if shared else f" {word}"
    return name
