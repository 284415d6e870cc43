"""The passage index by Spark, written and opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphagg.progress import Progress, silent
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.index import PassageIndex
from graphagg.rag.models.chunking import DEFAULT_CHUNKING, ChunkConfig
from graphagg.rag.spark.records import PassageInput
from graphagg.rag.spark.stages import ModelLoader, NamedModels
from graphagg.rag.spark.write import ENTRIES_A_TASK, PASSAGES_A_TASK, write_with_spark
from graphagg.spark.build import SparkBuild
from graphagg.store.addresses import Location

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_COLUMNS = RowConfig()


def build_with_spark(
    spark: SparkSession,
    passages: DataFrame | str | Sequence[str],
    directory: Location,
    *,
    work: Location | None = None,
    columns: RowConfig = _COLUMNS,
    chunking: ChunkConfig | None = DEFAULT_CHUNKING,
    models: ModelLoader | None = None,
    with_linearrag: bool = False,
    passages_a_task: int = PASSAGES_A_TASK,
    entries_a_task: int = ENTRIES_A_TASK,
    progress: Progress = silent,
    force: bool = False,
) -> PassageIndex:
    """Index a corpus by Spark and open the index.

    Args:
        spark: the session; its settings are afterward what they were.
        passages: a DataFrame; a table, as `table:NAME`; or JSONL, Parquet (also in folders such as
            `year=2024`) or a folder of texts: paths and patterns, on any path that Spark reads;
            see `graphagg.rag.spark.records.read_records`.
        directory: where the index goes: on a file system that executors and driver share, or at an
            address of a store, such as `s3://bucket/idx`: then they share nothing else.
        work: where an unfinished job lies, a shared folder or an address; None: beside the index.
        columns: which columns of a table are what, where they have other names.
        chunking: how long texts are split, by the tasks; None keeps all whole.
        models: how every process loads the models; None: the default ones.
        with_linearrag: as for `PassageIndex.build`.
        passages_a_task: passages that a task annotates and encodes.
        entries_a_task: mentions or postings that a task holds in memory.
        progress: called after each stage.
        force: build again also where nothing changed, or over an unfinished job.

    Raises:
        EmptyCorpus, InvalidPassage, DuplicateId, UnreadableFile: about the passages.
        ParametersDiffer: an unfinished job there has other parameters.
        JobFailed: Spark gave up; the same call goes on after the last finished stage, but of a
            DataFrame begins anew.
        ArtifactBusy, ArtifactError, WriteFailed, StoreError: about the directory or its store.
        MissingExtra: an optional dependency or a default model is not installed.
    """
    here = write_with_spark(
        SparkBuild.of(spark, directory, work, progress, force),
        PassageInput.of(passages, columns),
        models or NamedModels(),
        chunking=chunking,
        with_faithful=with_linearrag,
        passages_a_task=passages_a_task,
        entries_a_task=entries_a_task,
    )
    return PassageIndex.open(directory, encoder=here.encoder, extractor=here.extractor)
