"""Files over all rows besides the tables: the orders of ids and texts, and metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from graphagg.execution.runner import Stats
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.indexing.passage_files import checked_order, write_id_order, write_text_order
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.spark.documents import PASSAGES
from graphagg.rag.tables.segments import table_name
from graphagg.spark.job import SparkJob
from graphagg.store import ArtifactWriter
from graphagg.store.strings import StringTable


def write_order(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the order of ids, in one task; raises `DuplicateId`."""
    stage, files, numbers = arrays.stage(PASSAGES), arrays.version, [s["block"] for s in passages]

    def write(_: int) -> None:
        ids, documents = (
            StringTable.joined([stage.strings(i, f"s0.passages.{name}") for i in numbers])
            for name in ("ids", "documents")
        )
        positions, is_chunk = (
            np.concatenate([stage.array(i, name) for i in numbers])
            for name in ("s0.passages.positions", "split")
        )
        by_id = checked_order(ids, documents, positions, is_chunk)
        with files.written() as folder:
            write_id_order(ArtifactWriter(folder), by_id, len(by_id))

    job.run(1, write)


def write_tables(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the order of texts, and metadata."""
    stage, files = arrays.stage(PASSAGES), arrays.version

    def write(_: int) -> None:
        digests = files.map("s0.passages.text_digests")
        lines = (
            line for s in passages for line in stage.strings(s["block"], "s0.passages.metadata")
        )
        with files.written() as folder:
            writer = ArtifactWriter(folder)
            write_text_order(writer, digests, np.ones(len(digests), np.bool_))
            MetadataTable.build(map(json.loads, lines)).save(writer, table_name(0))

    job.run(1, write)
