"""The passages of a build: written while they are read, then read back block by block."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.errors import DuplicateId, EmptyCorpus
from graphagg.progress import Progress
from graphagg.rag.documents.passages import Passage, iterable
from graphagg.rag.models.chunking import ChunkConfig, Source, clash, split
from graphagg.rag.tables.segments import PassageTable, segment_prefix
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingFile
from graphagg.store.reading import ArrayFolder
from graphagg.store.strings import BlockWriter, GrowingStrings, StringTable
from graphagg.store.writing import ArrayWriter

_BATCH = 1_000  # number of passages that are written at once
_PREFIX = f"{segment_prefix(0)}passages"
_STRINGS = ("ids", "titles", "metadata", "documents")


class _InputFailed(Exception):
    """Reading the passages failed (see `__cause__`), not writing the index."""


@contextmanager
def reading() -> Iterator[None]:
    """Context manager: re-raise the original error if reading the passages failed."""
    try:
        yield
    except _InputFailed as failed:
        assert failed.__cause__ is not None, "it is raised with a cause"
        raise failed.__cause__ from None


class PassageFiles(Sequence[Passage]):
    """The passages of a new version, in its folder."""

    def __init__(self, writer: ArtifactWriter) -> None:
        self._writer = writer
        folder = writer.folder
        self._strings = {n: GrowingStrings(folder, f"{_PREFIX}.{n}") for n in _STRINGS}
        self._texts = BlockWriter(folder / f"{_PREFIX}.texts")
        arrays = {"positions": (np.int32, ()), "digests": (np.uint8, (32,)),
                  "text_digests": (np.uint64, ())}  # fmt: skip
        self._arrays = {
            name: GrowingFile(writer.path(f"{_PREFIX}.{name}.npy"), dtype, width=width)
            for name, (dtype, width) in arrays.items()
        }
        self._split = bytearray()  # for each passage, whether it is a chunk
        self._sizes = array("i")
        self._table: PassageTable | None = None

    def write(
        self, documents: Iterable[Source], chunking: ChunkConfig | None, progress: Progress
    ) -> None:
        """Check documents, split them and write their passages.

        Raises:
            EmptyCorpus: there are no documents.
            InvalidPassage: a document is invalid, or its metadata is not JSON.
            DuplicateId: two passages share an id.
        """
        batch: list[Passage] = []
        for i, document in enumerate(_guarded(documents)):
            passages = split(document, chunking, f"passage {i}")
            batch += passages
            self._split += bytes([len(passages) > 1]) * len(passages)
            if len(batch) >= _BATCH:
                self._append(batch)
                batch = []
                progress("reading", len(self), 0)  # the total is not known
        self._append(batch)
        if not len(self):
            raise EmptyCorpus("the corpus holds no passages; give at least one")
        progress("reading", len(self), len(self))
        for strings in self._strings.values():
            strings.close()
        for growing in self._arrays.values():
            growing.close()
        self._texts.close()
        self._table = PassageTable.open(ArrayFolder(self._writer.folder), _PREFIX)
        table, is_chunk = self._table, np.frombuffer(self._split, np.bool_)
        by_id = checked_order(table.ids, table.documents, table.positions, is_chunk)
        write_id_order(self._writer, by_id, len(self))

    def _append(self, batch: Sequence[Passage]) -> None:
        self._sizes.extend(len(passage.text) for passage in batch)
        table = PassageTable.of(batch)
        for name, strings in self._strings.items():
            strings.append(getattr(table, name))
        for name, growing in self._arrays.items():
            growing.append(getattr(table, name))
        self._texts.append(table.texts)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def table(self) -> PassageTable:
        """The table of the written passages."""
        assert self._table is not None, "call `write` first"
        return self._table

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self.table[row] for row in range(*i.indices(len(self)))]
        return self.table[i]

    def digest(self) -> str:
        """Return the `corpus_digest` of the passages."""
        return hashlib.sha256(self.table.digests.data).hexdigest()

    def blocks(self, passages: int, characters: int) -> list[range]:
        """Cut the rows into blocks of a maximum size; a block has at least one row."""
        bounds, size = [0], 0
        for row, length in enumerate(self._sizes):
            if row - bounds[-1] == passages or (size and size + length > characters):
                bounds.append(row)
                size = 0
            size += length
        return [range(*pair) for pair in pairwise([*bounds, len(self)])]


def checked_order(
    ids: StringTable, documents: StringTable, positions: Array, is_chunk: Mask
) -> Array:
    """Return the rows `[R]` in the order of their ids; raises `DuplicateId`.

    `is_chunk` marks the chunks of documents that this library split; the ids of these documents
    must be unique too.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    begins, rows = ~is_chunk | (positions == 0), np.arange(len(ids))
    split = np.flatnonzero(is_chunk & begins)
    source = np.insert(rows, split, len(ids) + np.arange(len(split)))
    is_passage, row = source < len(ids), np.insert(rows, split, split)
    names = StringTable.joined([ids, documents.take(split)]).take(source) if len(split) else ids
    buffers = [None, pa.py_buffer(names.offsets), pa.py_buffer(names.data)]
    strings = pa.Array.from_buffers(pa.large_binary(), len(names), buffers)
    positions_of_strings = pc.array_sort_indices(strings)  # stable
    ordered = strings.take(positions_of_strings)
    order = np.from_dlpack(positions_of_strings).astype(np.int64)  # `to_numpy` loads pandas
    repeats = np.from_dlpack(pc.indices_nonzero(pc.equal(ordered[1:], ordered[:-1])))
    if not len(repeats):
        by_id: Array = row[order[is_passage[order]]].astype(np.int32)
        return by_id
    at = int(repeats[order[repeats + 1].argmin()])
    first, second = order[at : at + 2].tolist()
    name, where = names[second], f"passage {np.count_nonzero(begins[: row[second] + 1]) - 1}"
    for one in (first, second):
        if is_passage[one] and is_chunk[row[one]]:
            raise DuplicateId(clash(name, documents[int(row[one])], name, where))
    raise DuplicateId(f"{where}: id {name!r} was used before; ids must be unique in a corpus")


def write_id_order(writer: ArrayWriter, by_id: Array, rows: int) -> Mask:
    """Write the mask of live rows, which is also returned, and the order of their ids."""
    alive, ranks = np.zeros(rows, np.bool_), np.full(rows, -1, np.int32)
    alive[by_id] = True
    ranks[by_id] = np.arange(len(by_id))
    for name, values in (("alive", alive), ("rank", ranks), ("by_id", by_id)):
        writer.array(f"rows.{name}", values)
    return alive


def write_text_order(writer: ArrayWriter, digests: Array, alive: Array) -> None:
    """Write the live rows, sorted by the digests `[R]` uint64 of their texts, then by number."""
    rows = np.flatnonzero(alive).astype(np.int32)
    writer.array("rows.by_text", rows[np.argsort(digests[rows], kind="stable")])


def _guarded(documents: Iterable[Source]) -> Iterator[Source]:
    """Yield the documents; an `OSError` while reading them becomes `_InputFailed`."""
    stream = iter(iterable(documents))
    while True:
        try:
            document = next(stream)
        except StopIteration:
            return
        except OSError as error:
            raise _InputFailed from error
        yield document
