"""Documents of a folder or a store as blocks of passages, which the driver writes.

The driver converts files as `rag index` does, in processes with limits, and splits the documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.execution.arrays import MemoryArrays
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.reading.folder import read_documents
from graphagg.rag.documents.reading.settings import FolderReport, LeftOut, ReadConfig
from graphagg.rag.models.chunking import ChunkConfig, split
from graphagg.rag.tables.segments import PassageTable
from graphagg.spark.job import SparkJob
from graphagg.store.addresses import Location

PASSAGES = "passages"


@dataclass(frozen=True)
class DocumentFolder:
    """Documents for a build on Spark, and what the reader reports.

    Attributes:
        path: folder or file that the driver sees, or an address of a store.
        reading: which files are read.
        report: receives the files that are left out.
    """

    path: Location
    reading: ReadConfig = field(default_factory=ReadConfig)
    report: FolderReport = field(default_factory=FolderReport)


def write_documents(
    job: SparkJob, folder: DocumentFolder, chunking: ChunkConfig | None, per_block: int
) -> tuple[list[Stats], FolderReport]:
    """Write the passages of all documents in blocks; see `read_documents` for errors.

    Returns the arrays of each block, as `write_passages`, and the report.
    """
    stage = TaskArrays(job.blocks, PASSAGES)

    def write() -> dict[str, Any]:
        report = FolderReport()
        documents = read_documents(folder.path, folder.reading, report)

        def rows() -> Iterator[tuple[Passage, bool]]:
            for document in documents:
                pieces = split(document, chunking, document.id)
                yield from ((passage, len(pieces) > 1) for passage in pieces)

        all_rows, blocks = rows(), list[Stats]()
        while some := list(islice(all_rows, per_block)):
            passages, was_split = zip(*some, strict=True)
            stats = save_block(stage, len(blocks), list(passages), np.array(was_split))
            blocks.append({"block": len(blocks)} | stats)
        return {"blocks": blocks, "report": asdict(report)}

    written, report = job.stage(PASSAGES, write), FolderReport()
    add_report(report, written["report"])
    return written["blocks"], report


def add_report(report: FolderReport, more: dict[str, Any]) -> None:
    """Add the JSON of another report."""
    for name in ("read", "documents", "quotations", "notices"):
        setattr(report, name, getattr(report, name) + more[name])
    for name in ("left_out", "refused", "guessed"):
        getattr(report, name).extend(LeftOut(**each) for each in more[name])
    report.notes.extend(more["notes"])


def save_block(stage: TaskArrays, block: int, passages: list[Passage], was_split: Array) -> Stats:
    """Write a block of passages; `was_split` `[n]` marks chunks of documents."""
    writer = MemoryArrays()
    PassageTable.of(passages).save_plain(writer, "s0.passages")
    return stage.save(block, writer.arrays | {"split": was_split}, rows=len(passages))
