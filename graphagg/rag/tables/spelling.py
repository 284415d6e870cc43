"""How a passage spells an entity."""

from __future__ import annotations

import re

import numpy as np

from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import UNSPACED, entity_key, transcribed
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.mentions import spans_of
from graphagg.rag.tables.segments import StoredCorpus

_UNSPACED = re.compile(f"[{UNSPACED}\uac00-\ud7a3]")


class Speller:
    """Finds spellings for one answer; each passage is read once."""

    def __init__(self, corpus: StoredCorpus, gazetteer: Gazetteer) -> None:
        self._corpus, self._gazetteer = corpus, gazetteer
        self._read: dict[int, Passage] = {}

    def passage(self, row: int) -> Passage:
        """The passage in a row."""
        if row not in self._read:
            self._read[row] = self._corpus.read(row)
        return self._read[row]

    def read_whole(self, row: int) -> None:
        """Read the passage in a row with its metadata."""
        self._read[row] = self._corpus[row]

    def spelling(self, entity: int, row: int) -> str:
        """The first spelling of an entity in a passage, or its key if the passage lacks it.

        Another spelling of a name is shown with the key: "SRE (site reliability
        engineering)".
        """
        g = self._gazetteer
        of_row = g.mentions(row)
        mentions = of_row.start + np.flatnonzero(g.entity[of_row] == entity)
        if not len(mentions):
            return g.keys[entity]
        passage = self.passage(row)
        first, length = int(g.start[mentions[0]]), int(g.length[mentions[0]])
        spans = spans_of(passage, first, first + length)
        if not spans:  # of a damaged index
            return g.keys[entity]
        spelling = " ".join(passage.full_text[spans[0][0] : spans[-1][1]].split())
        key = g.keys[entity]
        if _squeezed(key) in (_squeezed(spelling), _squeezed(transcribed(spelling))):
            return spelling
        return _joined(key) if _UNSPACED.search(spelling) else f"{spelling} ({key})"


def _squeezed(name: str) -> str:
    """Letters and digits of a name: a code is the same with and without separators."""
    return entity_key(name).replace(" ", "")


def _joined(key: str) -> str:
    """Join the overlapping pairs of a key from a text without spaces."""
    name, *words = key.split(" ")
    for word in words:
        heads = range(len(word) - 1, 0, -1) if _UNSPACED.match(word) else ()
        shared = next((n for n in heads if name.endswith(word[:n])), 0)
        name += word[shared:] if shared else f" {word}"
    return name
