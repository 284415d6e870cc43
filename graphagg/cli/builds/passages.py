"""The build of a passage index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from graphagg.cli.builds.build import Build, Built, RunOptions
from graphagg.errors import EmptyCorpus, InvalidParameter
from graphagg.progress import Progress
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.models.named import NamedModels
from graphagg.rag.models.vector_cache import CacheConfig

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from graphagg.rag import Passage

_SPLITTING = "How documents are split"


def chunk_config(
    chunk_words: Annotated[
        int | None,
        typer.Option(help="Split documents at sentences, into passages of at most so many words."),
    ] = None,
    overlap_sentences: Annotated[
        int | None,
        typer.Option(
            help="Sentences that a passage shares with the one before.",
            show_default=str(ChunkConfig.overlap_sentences),
        ),
    ] = None,
) -> ChunkConfig | None:
    """How documents are split; None: each is one passage.

    Raises:
        InvalidParameter: a value is out of range, or sentences are to be shared but not split.
    """
    if chunk_words is None:
        if overlap_sentences is not None:
            raise InvalidParameter("--overlap-sentences needs --chunk-words; add it")
        return None
    least = min(ChunkConfig.min_words, chunk_words // 6)  # in proportion, where chunks are small
    shared = ChunkConfig.overlap_sentences if overlap_sentences is None else overlap_sentences
    return ChunkConfig(chunk_words, shared, least)


Chunking = Annotated[ChunkConfig | None, chunk_config, _SPLITTING]


@dataclass(frozen=True)
class PassagesBuild(Build):
    """Index a corpus; an index that is there stays until the new one is complete.

    Attributes:
        passages: JSONL (.gz), Parquet, or a folder of .txt and .md; Spark: on any path.
        processes: processes that find entities. None: by the size of the corpus.
        passages_a_task: passages that a Spark task annotates and encodes. None: 2,000.
    """

    name: ClassVar[str] = "trigraph"
    table: ClassVar[str] = "trigraph"
    kind: ClassVar[str] = "passages"
    local_only: ClassVar[tuple[str, ...]] = (
        "chunk_words", "overlap_sentences", "processes", "cache", "no_cache",
    )  # fmt: skip

    passages: str = field(metadata={"argument": True})
    models: Annotated[NamedModels, "Models"] = field(default_factory=NamedModels)
    chunking: Chunking = None
    vectors: Annotated[CacheConfig, "How it runs"] = field(default_factory=CacheConfig)
    processes: int | None = field(default=None, metadata={"panel": "How it runs"})
    passages_a_task: int | None = field(default=None, metadata={"panel": "How it runs", "min": 1})

    @property
    def source(self) -> str:
        """The passages."""
        return self.passages

    def stages(self) -> tuple[str, ...]:
        """The stages of the Spark engine, in their order."""
        from graphagg.rag.spark.stages import STAGES

        return STAGES

    def job(self) -> dict[str, Any]:
        """Identity of the job: its input and models, which are loaded for it."""
        from graphagg.rag.spark.build import job_of
        from graphagg.rag.spark.stages import loaded

        return job_of(self.passages, loaded(self.models))

    def in_process(self, run: RunOptions, progress: Progress) -> Built:
        """Build in this process."""
        from graphagg.rag import PassageIndex

        corpus = read_corpus(Path(self.passages), self.chunking)
        models = self.models.load(self.processes)
        with PassageIndex.build(
            corpus,
            run.out,
            encoder=models.encoder,
            extractor=models.extractor,
            cache=self.vectors.open(),
            progress=progress,
            force=run.force,
        ) as index:
            return Built.of(index.manifest)

    def by_spark(self, spark: SparkSession, run: RunOptions, progress: Progress) -> Built:
        """Build by Spark, or go on with an unfinished job."""
        from graphagg.rag.spark.build import PASSAGES_A_TASK, build_with_spark

        if (self.chunking, self.processes) != (None, None):
            raise InvalidParameter(
                "--chunk-words, --overlap-sentences and --processes are of --engine local; split "
                "documents beforehand, and let Spark run as many processes as it has cores"
            )
        with build_with_spark(
            spark,
            self.passages,
            run.out,
            models=self.models,
            passages_a_task=self.passages_a_task or PASSAGES_A_TASK,
            progress=progress,
            force=run.force,
        ) as index:
            return Built.of(index.manifest)


def read_corpus(path: Path, chunking: ChunkConfig | None) -> list[Passage]:
    """Read passages, or documents to split into them, and check them as a whole."""
    from graphagg.rag import chunk_documents, read_passages
    from graphagg.rag.documents.passages import check_corpus

    passages: Iterable[Passage] = read_passages(path)
    if chunking is not None:
        passages = chunk_documents(passages, chunking)
    try:
        return check_corpus(passages)
    except EmptyCorpus:
        raise EmptyCorpus(
            f"{path}: no passage in it, wanted one at least; check the path"
        ) from None
