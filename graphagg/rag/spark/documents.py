"""Documents of a folder, a store or a table as passages: tasks convert files as `rag index` does.

The driver lists names and sizes. A task converts consecutive files, one of them at a time in a
process with limits, splits the documents, and writes blocks of passages and its report. Documents
that depend on other files wait for a second pass: mails that quote others come last, without
quotations of mails that were read (`graphagg.rag.documents.reading.threads`), and then chats
(`graphagg.rag.documents.reading.conversations`). Links are keys of names and need none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import DuplicateId, EmptyCorpus, JobFailed, MissingExtra, UnreadableFile
from graphagg.execution.arrays import MemoryArrays
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.reading import files as on_disk
from graphagg.rag.documents.reading import kinds
from graphagg.rag.documents.reading.content import Message, Quotation, Unread
from graphagg.rag.documents.reading.conversations import Chat, Conversations
from graphagg.rag.documents.reading.document import Document, Link, Mark, suffix_of
from graphagg.rag.documents.reading.files import FoundFile, ReadFile
from graphagg.rag.documents.reading.folder import FolderReader
from graphagg.rag.documents.reading.settings import FolderReport, LeftOut, ReadConfig
from graphagg.rag.documents.reading.sources import mirrored
from graphagg.rag.documents.reading.threads import Mail, MailThreads
from graphagg.rag.models.chunking import ChunkConfig, split
from graphagg.rag.tables.segments import PassageTable
from graphagg.spark.job import SparkJob
from graphagg.spark.storage import store_of
from graphagg.spark.tasks import write_blocks
from graphagg.store.addresses import Address, Location, parse_location
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

PASSAGES = "passages"
CONTENT = ("path", "content")
"""Columns of a table whose rows are files."""
_MODIFIED = ("modificationTime", "modified")
_FILES = "files"
_BYTES, _COUNT = 16 << 20, 200  # of the files of a task; a larger file is alone
_BLOCKS = 1 << 12  # blocks of a task at most
Read = Callable[..., ReadFile]
"""Reads a file; see `read_local`."""


@dataclass(frozen=True)
class DocumentFolder:
    """Documents that Spark reads, and what the reader reports.

    Attributes:
        path: folder or file that driver and executors see, or an address of a store.
        reading: which files are read.
        report: receives the files that are left out.
    """

    path: Location
    reading: ReadConfig = field(default_factory=ReadConfig)
    report: FolderReport = field(default_factory=FolderReport)


def list_files(folder: DocumentFolder, report: FolderReport) -> tuple[list[FoundFile], bool]:
    """List the files to read, and whether they are in a folder; raises `MissingExtra`."""
    place, config = parse_location(folder.path), folder.reading
    leave = FolderReader(config, report, folder.path).leave
    root = place if isinstance(place, Path) else mirrored(place, config, leave, names_only=True)
    files = [FoundFile(root.name, Path(os.path.realpath(root)))]
    if root.is_dir():
        files = on_disk.find_files(root, config, leave)
    elif not root.exists():
        raise UnreadableFile(f"{root}: no such file or folder; check the path")
    check_libraries({suffix_of(file.name.removesuffix(".gz")) for file in files})
    return files, root.is_dir()


def check_libraries(suffixes: set[str]) -> None:
    """Raise `MissingExtra` if a converter of this package lacks its library here."""
    for suffix in sorted(suffixes & kinds.CONVERTERS.keys()):
        try:
            next(iter(kinds.CONVERTERS[suffix](b"", kinds.ConversionLimits(1))), None)
        except Exception as error:  # nothing is no file of any kind
            if isinstance(error, MissingExtra):
                raise


def _of_store(place: Address) -> Read:
    def read(file: FoundFile, most: int, first: int | None = None) -> ReadFile:
        store = store_of(place)
        if (info := store.info(file.name)) is None:
            raise Unread("changed", "it went away while it was read")
        if first is None:
            on_disk.check_size(info.bytes, most)
        size = min(first or info.bytes, info.bytes)
        return ReadFile(store.read(file.name, 0, size) if size else b"", info.modified)

    return read


def _of_rows(rows: dict[str, ReadFile]) -> Read:
    def read(file: FoundFile, most: int, first: int | None = None) -> ReadFile:
        content, modified = rows[file.name]
        if first is None:
            on_disk.check_size(len(content), most)
        return ReadFile(content[:first], modified)

    return read


class _TaskReader(FolderReader):
    """Notes mails and chats for the second pass, and yields mails that quote nothing."""

    waiting: list[Any]

    def added(self, read: Document | Mail | Chat) -> Iterator[Document]:
        if not isinstance(read, Document):
            self.waiting.append([isinstance(read, Chat), vars(read.document), read[1]])
        if not isinstance(read, Chat):
            yield from super().added(read)


def _document(fields: dict[str, Any]) -> Document:
    fields["marks"] = tuple(Mark(at, tuple(path), page) for at, path, page in fields["marks"])
    fields["links"] = tuple(Link(*link) for link in fields["links"])
    return Document(**fields)


@dataclass(frozen=True)
class DocumentStage:
    """The stages that make passages of files."""

    job: SparkJob
    folder: DocumentFolder
    chunking: ChunkConfig | None
    per_block: int

    def write(self, table: DataFrame | None) -> tuple[list[Stats], FolderReport]:
        """Write the passages of all files, or of the rows of a table, in blocks, by ascending path.

        Returns the arrays of each block, as `write_passages`, and the report. Raises `EmptyCorpus`.
        """
        job, report = self.job, FolderReport()
        tasks = self._convert_files(report) if table is None else self._convert_rows(table)
        for stats in tasks:
            add_report(report, self._noted(stats["block"], "report"))
        senders = [stats["block"] for stats in tasks if stats["waiting"]]
        if senders:
            number = 1 + max(stats["block"] for stats in tasks)
            (last,) = job.run(1, lambda _: self._join_threads(senders, number), "threads")
            add_report(report, asdict(FolderReport()) | last)
            tasks = [*tasks, last | {"block": number}]
        numbers = [s["block"] * _BLOCKS + i for s in tasks for i in range(s["blocks"])]
        if not numbers:
            raise EmptyCorpus(
                f"{self.folder.path}: nothing in it can be read: {report}; readable formats: "
                f"{kinds.READ}"
            )
        stats_of = TaskArrays(job.blocks, PASSAGES).known
        return job.stage(
            PASSAGES, lambda: [{"block": i} | (stats_of(i) or {}) for i in numbers]
        ), report

    def _convert_files(self, report: FolderReport) -> list[Stats]:
        job, folder, arrays = self.job, self.folder, self.job.arrays
        place = parse_location(folder.path)

        def listed() -> dict[str, Any]:
            left = FolderReport()
            files, is_folder = list_files(folder, left)
            names, paths = (StringTable.pack(str(file[i]) for file in files) for i in range(2))
            arrays.write_whole({"names": names, "paths": paths})
            starts = _groups([file.path.stat().st_size for file in files])
            return {"starts": starts, "is_folder": is_folder, "report": asdict(left)}

        noted = job.note("listed", listed)
        add_report(report, noted["report"])
        starts = noted["starts"]

        def convert(i: int) -> Stats:
            if (stats := job.blocks.noted(_FILES, i)) is not None:  # of an earlier run
                return dict(stats)
            names, paths = arrays.strings("names"), arrays.strings("paths")
            rows, read = range(starts[i], starts[i + 1]), on_disk.read_local
            if isinstance(place, Address):
                read = _of_store(place if noted["is_folder"] else place.parent)
            return self._convert(i, [FoundFile(names[j], Path(paths[j])) for j in rows], read)

        return job.run(len(starts) - 1, convert, "records")

    def _convert_rows(self, table: DataFrame) -> list[Stats]:
        time = next((name for name in _MODIFIED if name in table.columns), "NULL")
        columns = (
            "path", "CAST(content AS BINARY) AS content",
            f"CAST(CAST({time} AS TIMESTAMP) AS DOUBLE) AS modified",
        )  # fmt: skip
        rows = self.job.phase(_FILES, lambda: table.selectExpr(*columns))  # it is read once
        sizes = rows.selectExpr("count(*)", "coalesce(sum(length(content)), 0)")
        count, size = self.job.note("listed", lambda: list(sizes.collect()[0]))
        tasks = max(1, count // _COUNT, size // _BYTES)
        ordered = rows.repartitionByRange(tasks, "path").sortWithinPartitions("path")

        def convert(partition: int, table: pa.Table) -> Stats:
            rows = zip(*table.to_pydict().values(), strict=True)
            files = {path: ReadFile(content or b"", at or 0.0) for path, content, at in rows}
            if len(files) < table.num_rows or None in files:
                raise DuplicateId(
                    f"{self.folder.path}: a path is null or stands in two rows, wanted each once; "
                    "drop such rows"
                )
            return self._convert(partition, map(FoundFile, files, repeat(Path())), _of_rows(files))

        done: list[Stats] = self.job.stage("records", lambda: write_blocks(ordered, convert))
        return done

    def _convert(self, task: int, files: Iterable[FoundFile], read: Read) -> Stats:
        """Convert files and write their passages."""
        report = FolderReport()
        reader = _TaskReader(self.folder.reading, report, self.folder.path, read, 1)
        reader.waiting = []
        try:
            begun = reader.begin(files)
            documents = [each for pair in begun for each in reader.documents(*pair)]
        finally:
            reader.close()
        if report.notes:
            raise JobFailed(f"an executor lacks what the driver has: {report.notes[0]}")
        parts = {"report": asdict(report), "waiting": [reader.waiting, reader.conversations.names]}
        texts = ((name, json.dumps(value).encode()) for name, value in parts.items())
        content = {name: np.frombuffer(text, np.uint8) for name, text in texts}
        self.job.blocks.save(_FILES, task, **content)
        stats = {"blocks": self._save(task, documents), "waiting": sum(map(len, parts["waiting"]))}
        self.job.blocks.note(_FILES, task, stats)
        return stats

    def _join_threads(self, senders: Sequence[int], task: int) -> Stats:
        """Write mails that quote others, without quotations of mails that were read, and chats."""
        threads, chats = MailThreads(), Conversations()
        for sender in senders:
            waiting, names = self._noted(sender, "waiting")
            chats.names.update(names)
            for is_chat, fields, parts in waiting:
                document = _document(fields)
                if is_chat:
                    chats.add(Chat(document, tuple(Message(*each) for each in parts)))
                else:  # the passages of a mail without quotations are written
                    list(threads.add(Mail(document, tuple(Quotation(*each) for each in parts))))
        mails, talks = list(threads.documents()), list(chats.documents())
        counts = {"quotations": threads.left_out, "documents": len(talks), "notices": chats.notices}
        return counts | {"blocks": self._save(task, mails + talks)}

    def _save(self, task: int, documents: Sequence[Document]) -> int:
        """Split documents and write their passages in blocks; returns how many."""
        stage = TaskArrays(self.job.blocks, PASSAGES)
        pieces = [split(document, self.chunking, document.id) for document in documents]
        passages = [passage for each in pieces for passage in each]
        was_split = np.repeat([len(each) > 1 for each in pieces], list(map(len, pieces)))
        size = max(self.per_block, -(-len(passages) // _BLOCKS))
        starts = range(0, len(passages), size)
        for i, start in enumerate(starts):
            rows = slice(start, start + size)
            save_block(stage, task * _BLOCKS + i, passages[rows], was_split[rows])
        return len(starts)

    def _noted(self, task: int, name: str) -> Any:
        return json.loads(self.job.blocks.load(_FILES, task, name).tobytes())


def add_report(report: FolderReport, more: dict[str, Any]) -> None:
    """Add the JSON of another report."""
    for name in ("read", "documents", "quotations", "notices"):
        setattr(report, name, getattr(report, name) + more[name])
    for name in ("left_out", "refused", "guessed"):
        getattr(report, name).extend(LeftOut(**each) for each in more[name])


def save_block(stage: TaskArrays, block: int, passages: list[Passage], was_split: Array) -> Stats:
    """Write a block of passages; `was_split` `[n]` marks chunks of documents."""
    writer = MemoryArrays()
    PassageTable.of(passages).save_plain(writer, "s0.passages")
    return stage.save(block, writer.arrays | {"split": was_split}, rows=len(passages))


def _groups(sizes: Sequence[int]) -> list[int]:
    """First files of tasks of some files or bytes, and the number of files."""
    starts, size = [0], 0
    for i, each in enumerate(sizes):
        if i > starts[-1] and (size + each > _BYTES or i - starts[-1] >= _COUNT):
            starts.append(i)
            size = 0
        size += each
    return [*starts, len(sizes)] if sizes else [0]
