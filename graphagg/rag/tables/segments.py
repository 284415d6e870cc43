"""Immutable segments: the passages of an index, and all data that depend on one passage only.

A segment has the passages that one change added. A row is the number of a passage over all
segments, including deleted passages; joining segments removes these.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Mask, joined_offsets, members, narrow, offsets
from graphagg.nearest import search as nearest
from graphagg.nearest.search import Measured, VectorSearch
from graphagg.nearest.vectors import (
    Codes,
    Queries,
    Rows,
    Stack,
    Vectors,
    largest_of,
    map_vectors,
    write_vectors,
)
from graphagg.rag.documents.passages import Passage, metadata_json, passage_digest
from graphagg.store import ArtifactWriter
from graphagg.store.manifest import damaged
from graphagg.store.reading import ArrayFolder, content_of
from graphagg.store.strings import BlockStrings, StringTable, write_strings
from graphagg.store.writing import ArrayWriter


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths: row i is `values[bounds[i]:bounds[i + 1]]`.

    Attributes:
        bounds: `[n + 1]` int64 offsets.
        values: `[m, ...]` values of all rows.
    """

    bounds: npt.NDArray[np.int64]
    values: npt.NDArray[Any]

    def row(self, i: int) -> npt.NDArray[Any]:
        """Return the values of row `i`."""
        return self.values[self.bounds[i] : self.bounds[i + 1]]

    def save(self, writer: ArtifactWriter, name: str) -> None:
        """Write as `<name>.bounds` and `<name>`."""
        writer.array(f"{name}.bounds", self.bounds)
        writer.array(name, self.values)

    @classmethod
    def open(cls, artifact: ArrayFolder, name: str) -> Ragged:
        """Memory-map the arrays that `save` wrote."""
        return cls(artifact.array(f"{name}.bounds"), artifact.array(name))


_TEXT_COLUMNS = ("ids", "titles", "texts", "metadata", "documents")
_TEXTS = "texts"
_ARRAYS = ("positions", "digests", "text_digests")


@dataclass(frozen=True)
class PassageTable:
    """A table with one passage per row.

    Attributes:
        ids, titles, texts, metadata, documents: `[P]`; metadata as JSON objects.
        positions: `[P]` int32.
        digests: `[P, 32]` uint8, the sha256 of each passage.
        text_digests: `[P]` uint64, the first eight bytes of the sha256 of each text, little-endian.
    """

    ids: StringTable
    titles: StringTable
    texts: StringTable | BlockStrings
    metadata: StringTable
    documents: StringTable
    positions: npt.NDArray[np.int32]
    digests: npt.NDArray[np.uint8]
    text_digests: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> PassageTable:
        """Pack passages; raises `InvalidPassage` if metadata is not JSON."""
        return cls(
            StringTable.pack(p.id for p in passages),
            StringTable.pack(p.title for p in passages),
            StringTable.pack(p.text for p in passages),
            StringTable.pack(metadata_json(p) for p in passages),
            StringTable.pack(p.document for p in passages),
            np.array([p.position for p in passages], dtype=np.int32),
            np.frombuffer(b"".join(map(passage_digest, passages)), np.uint8).reshape(-1, 32),
            np.frombuffer(b"".join(text_digest(p.text) for p in passages), "<u8"),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def metadata_of(self, row: int) -> dict[str, Any]:
        """Return the metadata of a passage; raises `CorruptArtifact` if it is not a JSON object."""
        with content_of(self.metadata.where):
            metadata: dict[str, Any] = json.loads(self.metadata[row])
            if not isinstance(metadata, dict):
                raise TypeError(f"metadata of passage {row} is not an object")
        return metadata

    def __getitem__(self, row: int) -> Passage:
        return self.read(row, self.metadata_of(row))

    def read(self, row: int, metadata: dict[str, Any] | None = None, text: str = "") -> Passage:
        """Return a passage with the given metadata; parsing the row's own doubles the time."""
        identifier, text, title = self.ids[row], text or self.texts[row], self.titles[row]
        document, position = self.documents[row], int(self.positions[row])
        return Passage(identifier, text, title, metadata or {}, document, position)

    def save(self, writer: ArtifactWriter, prefix: str) -> None:
        """Write all columns, with texts in compressed blocks."""
        self.save_plain(writer, prefix, [name for name in _TEXT_COLUMNS if name != _TEXTS])
        write_strings(writer.path(f"{prefix}.{_TEXTS}"), self.texts)

    def save_plain(
        self, writer: ArrayWriter, prefix: str, texts: Sequence[str] = _TEXT_COLUMNS
    ) -> None:
        """Write all columns, including texts, as arrays that can be joined."""
        for name in texts:
            writer.strings(f"{prefix}.{name}", getattr(self, name))
        for name in _ARRAYS:
            writer.array(f"{prefix}.{name}", getattr(self, name))

    @classmethod
    def open(cls, artifact: ArrayFolder, prefix: str) -> PassageTable:
        """Memory-map the columns that `save` wrote."""
        columns: dict[str, Any] = {
            name: artifact.strings(f"{prefix}.{name}") for name in _TEXT_COLUMNS if name != _TEXTS
        }
        columns[_TEXTS] = BlockStrings.open(artifact.array, artifact.folder / f"{prefix}.{_TEXTS}")
        columns |= {name: artifact.array(f"{prefix}.{name}") for name in _ARRAYS}
        return cls(**columns)


@dataclass(frozen=True)
class Segment:
    """The P passages that one change added, and all data that depend on one passage only.

    Attributes:
        passages: `[P]` passages.
        sentences: `[S, 2]`, `narrow`, spans of the sentences of each passage, in characters of its
            full text; the title is part of the first one.
        entities: `[F, 2]`, `narrow`, spans of the entities that the extractor found.
        windows: `[W, d]` stored unit vectors of windows, at least one per passage.
        sentence_vectors: `[S, d]` stored unit vectors of sentences.
        search: finds nearest windows with FAISS; None if numpy compares all windows.
    """

    passages: PassageTable
    sentences: Ragged
    entities: Ragged
    windows: Ragged
    sentence_vectors: Codes
    search: VectorSearch | None = None

    def save(self, writer: ArtifactWriter, segment: int) -> None:
        """Write as segment number `segment`, without an index of its windows."""
        prefix = segment_prefix(segment)
        self.passages.save(writer, f"{prefix}passages")
        for name, spans in (("sentences", self.sentences), ("found", self.entities)):
            Ragged(spans.bounds, narrow(spans.values)).save(writer, f"{prefix}{name}")
        writer.array(f"{prefix}windows.bounds", self.windows.bounds)
        write_vectors(writer.path(f"{prefix}{WINDOWS}"), self.windows.values)
        write_vectors(writer.path(f"{prefix}{SENTENCES}"), self.sentence_vectors)

    @classmethod
    def open(cls, artifact: ArrayFolder, segment: int) -> Segment:
        """Memory-map what `save` wrote; raises `CorruptArtifact` if vectors are missing."""
        prefix = segment_prefix(segment)
        sentences = Ragged.open(artifact, f"{prefix}sentences")
        bounds = artifact.array(f"{prefix}windows.bounds")
        path, of_sentences = (artifact.path(f"{prefix}{name}") for name in (WINDOWS, SENTENCES))
        windows, vectors = map_vectors(path), map_vectors(of_sentences)
        for file, shape, expected in (
            (path, windows.shape, (int(bounds[-1]), windows.shape[1])),
            (of_sentences, vectors.shape, (len(sentences.values), windows.shape[1])),
        ):
            if shape != expected:
                raise damaged(file, f"vectors of shape {shape}, expected {expected}")
        search = None
        if f"{prefix}{SEARCH}" in artifact:
            candidates, recall = artifact.array(f"{prefix}{MEASURED}").tolist()
            measured = Measured(int(candidates), recall)
            search = VectorSearch(artifact.path(f"{prefix}{SEARCH}"), windows, measured)
        elif len(windows) > nearest.SMALL:
            search = VectorSearch(path, windows)
        return cls(
            PassageTable.open(artifact, f"{prefix}passages"),
            sentences,
            Ragged.open(artifact, f"{prefix}found"),
            Ragged(bounds, windows),
            vectors,
            search,
        )


WINDOWS, SENTENCES, SEARCH = "windows.faiss", "sentences.faiss", "search.faiss"
"""FAISS files of a segment: its vectors, and an index of its windows if there are many."""
MEASURED = "search.measured"
"""The array with the `Measured` of that index."""


def text_digest(text: str) -> bytes:
    """Return the first eight bytes of the sha256 of a text."""
    return hashlib.sha256(text.encode()).digest()[:8]


def segment_prefix(segment: int) -> str:
    """Return the prefix of a segment's file names."""
    return f"s{segment}."


def table_name(segment: int) -> str:
    """Return the name of the metadata table of a segment."""
    return f"metadata.{segment}"


class StoredCorpus:
    """All segments of a version (at least one), read as one table of R rows."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = list(segments)
        self.starts = offsets([len(segment.passages) for segment in segments])
        self._starts: list[int] = self.starts.tolist()
        self.windows = Stack([s.windows.values for s in segments])
        self.sentence_vectors = Stack([s.sentence_vectors for s in segments])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def locate(self, row: int) -> tuple[Segment, int]:
        """Return the segment of a row, and the row's number in it."""
        i = bisect_right(self._starts, row) - 1
        return self.segments[i], row - self._starts[i]

    def __getitem__(self, row: int) -> Passage:
        segment, inside = self.locate(row)
        return segment.passages[inside]

    def id(self, row: int) -> str:
        """Return the id of a passage."""
        segment, inside = self.locate(row)
        return segment.passages.ids[inside]

    def read(self, row: int) -> Passage:
        """Return a passage without its metadata; see `PassageTable.read`."""
        segment, inside = self.locate(row)
        return segment.passages.read(inside)

    def raw_text(self, row: int) -> bytes:
        """Return the text of a passage as UTF-8 bytes."""
        segment, inside = self.locate(row)
        return segment.passages.texts.raw(inside)

    def text_digest(self, row: int) -> int:
        """Return the digest of a passage's text; see `PassageTable`."""
        segment, inside = self.locate(row)
        return int(segment.passages.text_digests[inside])

    def title(self, row: int) -> str:
        """Return the title of a passage."""
        segment, inside = self.locate(row)
        return segment.passages.titles[inside]

    def raw_id(self, row: int) -> bytes:
        """Return the id of a passage as UTF-8 bytes."""
        segment, inside = self.locate(row)
        return segment.passages.ids.raw(inside)

    def same_document(self, rows: Rows, others: Rows) -> Mask:
        """Return whether rows are chunks of the same document as others; shapes broadcast."""
        bounds = self._documents.offsets
        lengths, of_others = (bounds[each + 1] - bounds[each] for each in (rows, others))
        same: Mask = (lengths == of_others) & (lengths > 0)
        if same.any():
            pairs = np.broadcast_arrays(rows, others)
            first, second = (self._documents.take(each[same]) for each in pairs)
            same[same] = np.logical_and.reduceat(first.data == second.data, first.offsets[:-1])
        return same

    @cached_property
    def firsts(self) -> Mask:
        """Whether each row is the first chunk of its document, or not a chunk, `[R]`."""
        return np.concatenate([s.passages.positions == 0 for s in self.segments])

    @cached_property
    def _documents(self) -> StringTable:
        tables = [segment.passages.documents for segment in self.segments]
        return tables[0] if len(tables) == 1 else StringTable.joined(tables)

    @cached_property
    def sentence_bounds(self) -> npt.NDArray[np.int64]:
        """Offsets `[R + 1]`: the sentences of row r have the numbers from `[r]` to `[r + 1]`."""
        return joined_offsets([segment.sentences.bounds for segment in self.segments])

    @cached_property
    def window_bounds(self) -> npt.NDArray[np.int64]:
        """Offsets `[R + 1]`: the windows of row r have the numbers from `[r]` to `[r + 1]`."""
        return joined_offsets([segment.windows.bounds for segment in self.segments])

    def sentence_spans(self, row: int) -> list[tuple[int, int]]:
        """Return the spans of the sentences of a passage in its full text."""
        segment, inside = self.locate(row)
        return [(start, end) for start, end in segment.sentences.row(inside).tolist()]

    def sentence(self, row: int, index: int, passage: Passage | None = None) -> str:
        """Return the text of a sentence; `passage` is the row's passage, if already read."""
        segment, inside = self.locate(row)
        start, end = segment.sentences.row(inside)[index].tolist()
        return sentence_text(passage or self.read(row), start, end)

    def similarity(self, queries: Vectors | Queries) -> npt.NDArray[np.float32]:
        """Return cosines `[R, q]` of the best window of each row with queries `[q, d]`."""
        return largest_of(self.windows.dots(queries), np.diff(self.window_bounds))

    def similarity_at(self, rows: Rows, queries: Vectors | Queries) -> npt.NDArray[np.float32]:
        """Return cosines `[m, q]` of the best window of some rows with queries `[q, d]`."""
        if len(self.windows) == len(self):  # one window per row, so bounds are not read
            return self.windows.dots_at(rows, queries)
        return _best_at(self.windows, self.window_bounds, rows, queries)

    def sentence_similarity_at(
        self, rows: Rows, queries: Vectors | Queries
    ) -> npt.NDArray[np.float32]:
        """Return cosines `[m, q]` of the best sentence of some rows with queries `[q, d]`."""
        return _best_at(self.sentence_vectors, self.sentence_bounds, rows, queries)


def sentence_text(passage: Passage, start: int, end: int) -> str:
    """Return a sentence by its span in the full text, with whitespace as single spaces.

    A title at the start of the sentence is on a separate line.
    """
    text, title_end = passage.full_text, len(passage.title)
    lines = (text[:title_end], text[title_end:end]) if start < title_end else (text[start:end],)
    return "\n".join(words for line in lines if (words := " ".join(line.split())))


def join_segments(corpus: StoredCorpus, first: int, alive: npt.NDArray[np.bool_]) -> Segment:
    """Join the `alive` `[R]` passages of all segments from number `first` on, in the same order."""
    segments, starts = corpus.segments[first:], corpus.starts[first:].tolist()
    rows = [np.flatnonzero(alive[start:end]) for start, end in pairwise(starts)]

    def strings(column: str) -> StringTable:
        tables = (getattr(s.passages, column).take(k) for s, k in zip(segments, rows, strict=True))
        return StringTable.joined(list(tables))

    def array(column: str) -> npt.NDArray[Any]:
        arrays = (getattr(s.passages, column)[k] for s, k in zip(segments, rows, strict=True))
        return np.concatenate(list(arrays))

    def ragged(tables: Iterable[Ragged]) -> Ragged:
        pairs = list(zip(tables, rows, strict=True))
        places, lengths = zip(*(members(table.bounds, k) for table, k in pairs), strict=True)
        values = [table.values[at] for (table, _), at in zip(pairs, places, strict=True)]
        return Ragged(offsets(np.concatenate(lengths)), np.concatenate(values))

    passages: dict[str, Any] = {column: strings(column) for column in _TEXT_COLUMNS}
    passages |= {column: array(column) for column in _ARRAYS}
    return Segment(
        PassageTable(**passages),
        ragged(segment.sentences for segment in segments),
        ragged(segment.entities for segment in segments),
        ragged(segment.windows for segment in segments),
        ragged(Ragged(s.sentences.bounds, s.sentence_vectors) for s in segments).values,
    )


def _best_at(
    vectors: Stack, bounds: npt.NDArray[np.int64], rows: Rows, queries: Vectors | Queries
) -> npt.NDArray[np.float32]:
    positions, lengths = members(bounds, rows)
    return largest_of(vectors.dots_at(positions, queries), lengths)
