"""What one block of passages gives an index: a pure function of its passages and the models."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.progress import Progress
from graphagg.rag.build.segment import annotate, encoded
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.languages import CODES
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import is_capital
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.tables.mentions import NewRow, Spans
from graphagg.rag.tables.vectors import Vectors
from graphagg.store.strings import StringTable

Arrays = dict[str, Array]
"""The arrays of a block by name; those whose names begin with `s0.` are parts of the segment."""


def block_of(
    passages: Sequence[Passage], models: Models, given: Vectors | None, progress: Progress
) -> Arrays:
    """Annotate and encode a block of passages.

    Args:
        passages: in the order of their rows.
        models: extractor and encoder.
        given: `[p, d]`, vectors of the passages, where they are known.
        progress: called with stage, done, total of the block.
    """
    analyzers = Analyzers(models.language)
    rows = BlockRows(zip(passages, annotate(passages, models.extractor, progress), strict=True),
                     analyzers)  # fmt: skip
    sentences, found = rows.sentences.ragged(), rows.found.ragged()
    windows, vectors = encoded(
        passages, sentences, models.encoder, given, models.storage.packed, progress
    )
    segment = {
        "s0.sentences.lengths": np.diff(sentences.bounds),
        "s0.sentences": sentences.values,
        "s0.found.lengths": np.diff(found.bounds),
        "s0.found": found.values,
        "s0.windows.lengths": np.diff(windows.bounds),
        "s0.windows": windows.values,
        "s0.sentences.vectors": vectors,
    }
    return segment | rows.arrays()


class BlockRows:
    """The tokens, keys and words of some passages, as arrays.

    Args:
        notes: each passage with its annotation.
        analyzers: of the index.

    Attributes:
        sentences, found: where sentences and what the extractor found begin and end.
    """

    def __init__(self, notes: Iterable[tuple[Passage, Annotation]], analyzers: Analyzers) -> None:
        self._analyzers = analyzers
        self.sentences, self.found = Spans(), Spans()
        self._words, self._keys = _numbers(), _numbers()
        self._found_keys: set[str] = set()
        self._tokens, self._lengths, self._titles = array("i"), array("q"), array("i")
        self._sentence, self._capital = array("i"), bytearray()
        self._inner, self._inner_rows = array("i"), array("i")
        self._inner_titles, self._languages = bytearray(), bytearray()
        self._titled, self._named = array("i"), array("i")
        for row, (passage, note) in enumerate(notes):
            self._add(row, NewRow.of(passage, note), note)

    def _add(self, row: int, new: NewRow, note: Annotation) -> None:
        tokens, text = new.tokens, new.passage.full_text
        self.sentences.add(note.sentences)
        self.found.add(note.mentions)
        number, key = self._words.__getitem__, self._keys.__getitem__
        self._tokens.extend(map(number, tokens.words))
        self._lengths.append(len(tokens.words))
        self._titles.append(tokens.titles)
        begins = [start for start, _ in tokens.spans]
        place = np.searchsorted(new.sentences[:, 0], begins, side="right") - 1
        self._sentence.frombytes(np.maximum(place, 0).astype(np.int32).tobytes())
        self._capital.extend([is_capital(text[begin]) for begin in begins])
        for words, in_title in zip(tokens.inner, (1, 0), strict=True):
            self._inner.extend(map(number, words))
            self._inner_rows.extend([row] * len(words))
            self._inner_titles.extend([in_title] * len(words))
        if self._analyzers.is_mixed:
            self._languages.append(CODES.index(self._analyzers.of_text(text).language))
        for name, flags in new.titles.items():
            self._titled.extend((row, key(name), flags))
        for f in dict.fromkeys(new.found):
            self._named.extend((row, key(f.key), f.start, f.length))
            self._found_keys.add(f.key)

    def arrays(self) -> Arrays:
        """All of them; words, keys and terms ascend by their UTF-8 bytes."""
        words, word_of = _sorted(self._words)
        keys, key_of = _sorted(self._keys)
        titled = _ints(self._titled).reshape(-1, 3)
        named = _ints(self._named).reshape(-1, 4)
        tokens = word_of[_ints(self._tokens)]
        lengths = np.array(self._lengths, np.int64)
        return {
            **_strings("words", words),
            "tokens": tokens,
            "tokens.lengths": lengths,
            "token.sentence": _ints(self._sentence),
            "token.capital": np.frombuffer(bytes(self._capital), np.bool_),
            "gazetteer.title_tokens": _ints(self._titles),
            **_strings("keys", keys),
            "keys.found": np.array([name in self._found_keys for name in keys], np.bool_),
            "titled.row": titled[:, 0],
            "titled.key": key_of[titled[:, 1]],
            "titled.flags": titled[:, 2].astype(np.uint8),
            "named.row": named[:, 0],
            "named.key": key_of[named[:, 1]],
            "named.start": named[:, 2],
            "named.length": named[:, 3],
        } | self._postings(words, word_of, tokens, lengths)

    def _postings(self, words: list[str], word_of: Array, tokens: Array, lengths: Array) -> Arrays:
        """The stems of the block, each with the passages that hold it."""
        count = len(lengths)
        rows = np.repeat(np.arange(count), lengths)
        titles = _ints(self._titles)
        places = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        every = np.concatenate([tokens, word_of[_ints(self._inner)]])
        of_row = np.concatenate([rows, _ints(self._inner_rows)])
        in_inner = np.frombuffer(bytes(self._inner_titles), np.bool_)
        in_title = np.concatenate([places < titles[rows], in_inner])
        language = np.frombuffer(bytes(self._languages), np.uint8)
        if not self._analyzers.is_mixed:
            language = np.zeros(count, np.uint8)
        kinds, kind_of = np.unique(
            language[of_row].astype(np.int64) * max(len(words), 1) + every, return_inverse=True
        )
        stems = [
            self._analyzers.of(CODES[code]).stem(words[word])
            for code, word in zip(*(part.tolist() for part in divmod(kinds, max(len(words), 1))),
                                  strict=True)
        ]  # fmt: skip
        numbers = _numbers()
        stem_numbers = np.fromiter(map(numbers.__getitem__, stems), np.int64, len(stems))
        terms, term_of = _sorted(numbers)
        code = term_of[stem_numbers][kind_of].astype(np.int64) * max(count, 1) + of_row
        codes, counts = np.unique(code, return_counts=True)
        titled, title_counts = np.unique(code[in_title], return_counts=True)
        in_titles = np.zeros(len(codes), np.int64)
        in_titles[np.searchsorted(codes, titled)] = title_counts
        term, row = divmod(codes, max(count, 1))
        all_tokens, of_titles = (
            np.bincount(some, minlength=count) for some in (of_row, of_row[in_title])
        )
        own = {"lexicon.languages": language} if self._analyzers.is_mixed else {}
        return own | {
            **_strings("terms", terms),
            "postings.bounds": offsets(np.bincount(term, minlength=len(terms))),
            "postings.row": row.astype(np.int32),
            "postings.count": np.minimum(counts, 65535).astype(np.uint16),
            "postings.title_count": np.minimum(in_titles, 65535).astype(np.uint16),
            "lexicon.lengths": np.stack([all_tokens, of_titles], axis=1).astype(np.int32),
        }


def _numbers() -> defaultdict[str, int]:
    """Numbers strings in the order in which they are first asked for."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return numbers


def _sorted(numbers: dict[str, int]) -> tuple[list[str], Array]:
    """Numbered strings by their UTF-8 bytes, and the place there of each number; int32."""
    ordered = sorted(numbers, key=str.encode)
    number = np.fromiter(map(numbers.__getitem__, ordered), np.int64, len(ordered))
    place = np.empty(len(ordered), np.int32)
    place[number] = np.arange(len(ordered))
    return ordered, place


def _strings(name: str, strings: list[str]) -> Arrays:
    table = StringTable.pack(strings)
    return {f"{name}.utf8": table.data, f"{name}.offsets": table.offsets}


def _ints(values: array[int]) -> Array:
    return np.frombuffer(values, np.int32) if values else np.zeros(0, np.int32)
