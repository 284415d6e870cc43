"""The passages of a build, written as they arrive and read again block by block."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.errors import DuplicateId, EmptyCorpus
from graphagg.progress import Progress
from graphagg.rag.documents.passages import Passage, iterable
from graphagg.rag.indexing.merging import order_of
from graphagg.rag.models.chunking import ChunkConfig, Source, clash, split
from graphagg.rag.tables.segments import PassageTable, segment_prefix
from graphagg.store import ArtifactWriter, blocks
from graphagg.store.ranges import GrowingFile, GrowingStrings
from graphagg.store.reading import ArrayFolder
from graphagg.store.strings import StringTable

_BATCH = 1_000  # passages that are written together
_RUN = 200_000  # ids that are sorted together
_PREFIX = f"{segment_prefix(0)}passages"
_STRINGS = ("ids", "titles", "metadata", "documents")
_NAMES = "taken"
_DOCUMENT, _CHUNK, _PASSAGE = 0, 1, 2  # kinds of names; a document has one if it was split


class _InputFailed(Exception):
    """Reading the passages failed, see `__cause__`; the disk of the index is not at fault."""


@contextmanager
def reading() -> Iterator[None]:
    """Context manager: re-raise the error of reading the passages."""
    try:
        yield
    except _InputFailed as failed:
        assert failed.__cause__ is not None, "it is raised from one"
        raise failed.__cause__ from None


class PassageFiles(Sequence[Passage]):
    """The passages of a new version, in its folder; temporary files are in `scratch`."""

    def __init__(self, writer: ArtifactWriter, scratch: Path) -> None:
        self._writer, self._scratch = writer, scratch
        self._strings = {
            name: GrowingStrings(writer.folder, f"{_PREFIX}.{name}") for name in _STRINGS
        }
        self._texts = blocks.BlockWriter(writer, f"{_PREFIX}.texts")
        arrays = {"positions": (np.int32, ()), "digests": (np.uint8, (32,)),
                  "text_digests": (np.uint64, ())}  # fmt: skip
        self._arrays = {
            name: GrowingFile(writer.path(f"{_PREFIX}.{name}.npy"), dtype, width=width)
            for name, (dtype, width) in arrays.items()
        }
        # Every name that is taken: the ids of passages, and of documents that were split.
        self._names = GrowingStrings(scratch, _NAMES)
        self._kinds, self._rows, self._documents = bytearray(), array("i"), array("i")
        self._sizes = array("i")
        self._table: PassageTable | None = None

    def write(
        self, documents: Iterable[Source], chunking: ChunkConfig | None, progress: Progress
    ) -> None:
        """Check documents, split them and write their passages.

        Raises:
            EmptyCorpus: there is none.
            InvalidPassage: a document is unsound, or its metadata is no JSON.
            DuplicateId: two passages share an id.
        """
        batch: list[tuple[int, list[Passage]]] = []
        for i, given in enumerate(_guarded(documents)):
            batch.append((i, split(given, chunking, f"passage {i}")))
            if len(batch) == _BATCH:
                self._append(batch)
                batch = []
                progress("reading", len(self), 0)  # the total is not known
        self._append(batch)
        if not len(self):
            raise EmptyCorpus("the corpus holds no passages; give at least one")
        progress("reading", len(self), len(self))
        for file in (*self._strings.values(), self._names):
            file.close()
        for growing in self._arrays.values():
            growing.close()
        self._texts.close()
        self._table = PassageTable.open(ArrayFolder(self._writer.folder), _PREFIX)
        self._write_order()

    def _append(self, batch: Sequence[tuple[int, list[Passage]]]) -> None:
        names: list[str] = []
        for document, passages in batch:
            is_split = len(passages) > 1
            kinds = [_DOCUMENT] if is_split else []
            names += [passages[0].document] if is_split else []
            kinds += [_CHUNK if is_split else _PASSAGE] * len(passages)
            names += [passage.id for passage in passages]
            rows = range(len(self), len(self) + len(passages))
            self._rows.extend([rows[0], *rows] if is_split else rows)
            self._kinds.extend(kinds)
            self._documents.extend([document] * len(kinds))
            self._sizes.extend(len(passage.text) for passage in passages)
        self._names.append(StringTable.pack(names))
        table = PassageTable.of([passage for _, passages in batch for passage in passages])
        for name, file in self._strings.items():
            file.append(getattr(table, name))
        for name, growing in self._arrays.items():
            growing.append(getattr(table, name))
        self._texts.append(table.texts)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def table(self) -> PassageTable:
        """The passages as they were written."""
        assert self._table is not None, "they are written first"
        return self._table

    @overload
    def __getitem__(self, i: int) -> Passage: ...
    @overload
    def __getitem__(self, i: slice) -> list[Passage]: ...
    def __getitem__(self, i: int | slice) -> Passage | list[Passage]:
        if isinstance(i, slice):
            return [self.table[row] for row in range(*i.indices(len(self)))]
        return self.table[i]

    def digest(self) -> str:
        """`corpus_digest` of them."""
        return hashlib.sha256(self.table.digests.data).hexdigest()

    def blocks(self, passages: int, characters: int) -> list[range]:
        """Cut the rows into blocks of a maximal size; a block has at least one row."""
        bounds, size = [0], 0
        for row, length in enumerate(self._sizes):
            if row - bounds[-1] == passages or (size and size + length > characters):
                bounds.append(row)
                size = 0
            size += length
        return [range(*pair) for pair in pairwise([*bounds, len(self)])]

    def _write_order(self) -> None:
        """Write the order of ids, and reject duplicates."""
        names = ArrayFolder(self._scratch).strings(_NAMES)
        order = np.fromiter(order_of(names, _RUN), np.int64, len(names))
        self._check_names(names, order)
        kinds = np.frombuffer(bytes(self._kinds), np.uint8)
        by_id = np.array(self._rows, np.int32)[order[kinds[order] != _DOCUMENT]]
        write_id_order(self._writer, by_id, len(self))

    def _check_names(self, names: StringTable, order: Array) -> None:
        """Raise `DuplicateId` for the first name that is taken."""
        raws = ((i, names.raw(i)) for i in order)
        pairs = pairwise(raws)
        twice = [(int(b), int(a)) for (a, name), (b, other) in pairs if name == other]
        if not twice:
            return
        second, first = min(twice)
        name, where = names[second], f"passage {self._documents[second]}"
        for one in (first, second):
            if self._kinds[one] == _CHUNK:
                document = self.table.documents[self._rows[one]]
                raise DuplicateId(clash(name, document, name, where))
        raise DuplicateId(f"{where}: id {name!r} was used before; ids must be unique in a corpus")


def write_id_order(writer: ArtifactWriter, by_id: Array, rows: int) -> Mask:
    """Write which rows are alive (also returned), and the order of their ids."""
    alive, ranks = np.zeros(rows, np.bool_), np.full(rows, -1, np.int32)
    alive[by_id] = True
    ranks[by_id] = np.arange(len(by_id))
    for name, values in (("alive", alive), ("rank", ranks), ("by_id", by_id)):
        writer.array(f"rows.{name}", values)
    return alive


def write_text_order(writer: ArtifactWriter, digests: Array, alive: Array) -> None:
    """Write the live rows by the digests `[R]` uint64 of their texts; equal ones ascend."""
    rows = np.flatnonzero(alive).astype(np.int32)
    writer.array("rows.by_text", rows[np.argsort(digests[rows], kind="stable")])


def _guarded(documents: Iterable[Source]) -> Iterator[Source]:
    """The documents; an `OSError` while reading them becomes `_InputFailed`."""
    stream = iter(iterable(documents))
    while True:
        try:
            given = next(stream)
        except StopIteration:
            return
        except OSError as error:
            raise _InputFailed from error
        yield given
