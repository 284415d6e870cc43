"""Jobs that answer a table of questions by an index: one row per answer, as Parquet."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from graphagg.cli.builds.build import JobOptions
from graphagg.cli.builds.log import follow, say, start_logging
from graphagg.cli.folders import PLACE, K
from graphagg.cli.options import command
from graphagg.cli.output.console import show
from graphagg.cli.request import RequestOptions
from graphagg.communities.config import Method
from graphagg.errors import InvalidParameter, WriteFailed
from graphagg.rag.question.request import Request
from graphagg.spark.session import described, named_errors, session, with_settings
from graphagg.spark.sources import (
    check_stores,
    columns_at,
    hadoop_path,
    read_table,
    seen_path,
    settings_for,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(JobOptions):
    """Options of where answers go, and how the job runs.

    Attributes:
        out: folder of Parquet that the answers go to, on any path that Spark writes.
    """

    out: str


class Answering(ABC):
    """Questions to an index; its fields are the options of a job.

    Attributes:
        name: of the job, and the table of a TOML file that `--config` reads.
        questions: the field that names the table of questions.
        package: module and class of the index.
    """

    name: ClassVar[str]
    questions: ClassVar[str]
    package: ClassVar[str]

    @property
    def index_class(self) -> Any:
        """The class of the index."""
        module, _, name = self.package.partition(".")
        return getattr(import_module(f"graphagg.{module}"), name)

    @abstractmethod
    def answers(self, index: Any, frame: DataFrame) -> DataFrame:
        """The answers to a table of questions."""


@dataclass(frozen=True)
class CommunityQueries(Answering):
    """Find the community of each row of seeds.

    Attributes:
        index: folder of the community index, seen by every executor, or its address.
        seeds: table of seeds: Parquet, CSV with a header, JSON lines, or table:NAME.
        column: column that holds a seed, or an array of seeds.
        k: members besides the seeds.
        method: how members are found and ranked.
        skip_unknown: leave out rows of unknown seeds, which are rows with a reason.
        strict: fail where seeds are unknown.
    """

    name: ClassVar[str] = "query_communities"
    questions: ClassVar[str] = "seeds"
    package: ClassVar[str] = "communities.CommunityIndex"

    index: PathLike[str] = field(metadata=PLACE)
    seeds: str
    column: str = "seeds"
    k: int = field(default=50, metadata=K | {"min": 1})
    method: Method = "fused"
    skip_unknown: bool = False
    strict: bool = False

    def answers(self, index: Any, frame: DataFrame) -> DataFrame:
        """Members of each community."""
        unknown = {"skip_unknown": self.skip_unknown, "strict": self.strict}
        members: DataFrame = index.query_on_spark(
            frame, self.column, self.k, method=self.method, **unknown
        )
        return members


@dataclass(frozen=True)
class NeighborQueries(Answering):
    """Find the nearest neighbors of each vertex by an embedding.

    Attributes:
        index: folder of the embedding, seen by every executor, or its address.
        vertices: table of vertices: Parquet, CSV with a header, JSON lines, or table:NAME.
        column: column that holds the vertices.
        k: neighbors per vertex.
        skip_unknown: leave out vertices that have no vector, which are rows with a reason.
        strict: fail where a vertex has no vector.
    """

    name: ClassVar[str] = "neighbors"
    questions: ClassVar[str] = "vertices"
    package: ClassVar[str] = "embedding.NodeEmbedding"

    index: PathLike[str] = field(metadata=PLACE)
    vertices: str
    column: str = "vertex"
    k: int = field(default=10, metadata=K | {"min": 1})
    skip_unknown: bool = False
    strict: bool = False

    def answers(self, index: Any, frame: DataFrame) -> DataFrame:
        """Neighbors of each vertex."""
        unknown = {"skip_unknown": self.skip_unknown, "strict": self.strict}
        neighbors: DataFrame = index.neighbors_on_spark(frame, self.column, self.k, **unknown)
        return neighbors


@dataclass(frozen=True)
class Retrieval(Answering):
    """Retrieve passages for each question.

    Attributes:
        index: folder of the passage index, seen by every executor, or its address.
        questions_from: table of questions: Parquet, CSV with a header, JSON lines, or table:NAME.
        column: column that holds the questions.
        k: passages per question.
        request: how passages are found.
    """

    name: ClassVar[str] = "retrieve"
    questions: ClassVar[str] = "questions_from"
    package: ClassVar[str] = "rag.PassageIndex"

    index: PathLike[str] = field(metadata=PLACE)
    questions_from: str = field(metadata={"flags": "--questions"})
    column: str = "question"
    k: int = field(default=5, metadata=K | {"min": 1})
    request: RequestOptions = field(default_factory=Request)

    def answers(self, index: Any, frame: DataFrame) -> DataFrame:
        """Passages for each question."""
        passages: DataFrame = index.retrieve_on_spark(frame, self.column, self.k, self.request)
        return passages


def answering_command(kind: type[Answering]) -> Callable[..., None]:
    """The job as a function for typer."""

    def function(asked: Any, run: AnswerOptions) -> None:
        run_answering(asked, run)

    function.__annotations__ |= {"asked": kind}
    function.__doc__ = (kind.__doc__ or "").partition("\n")[0]
    return command(function, table=kind.name, positional=False)


def run_answering(asked: Answering, run: AnswerOptions) -> None:
    """Answer the questions by Spark and write the answers."""
    start_logging(asked.name, run.log_level)
    questions, target = getattr(asked, asked.questions), hadoop_path(run.out)
    _check(questions, asked.column, run)  # type: ignore[attr-defined]
    index = asked.index_class.open(asked.index)  # type: ignore[attr-defined]
    with index, session(f"graphagg {asked.name}", run.master, run.remote) as spark:
        follow(spark, run.log_level)
        check_stores(spark, questions, run.out)
        settings, group = settings_for(questions, run.out), f"graphagg {asked.name}"
        with (
            with_settings(spark, settings),
            described(spark, group, f"{asked.name}: answers to {questions}"),
            named_errors(),
            _written(run),
        ):
            frame = read_table(spark, questions)
            asked.answers(index, frame).write.mode(_mode(run)).parquet(target)
            counts = spark.read.parquet(target).selectExpr("count(rank)", "count(reason)")
            rows, without = counts.collect()[0]
    why = f"; questions without one: {without:,} (column reason)" if without else ""
    result = {"out": run.out, "answers": rows, "without_answer": without}
    show(result, f"{run.out}: {rows:,} answers{why}", run.json)
    say("done: %d answers; questions without one: %d", rows, without)


def _check(questions: str, column: str, run: AnswerOptions) -> None:
    """Raise what can be known before a session starts."""
    names = columns_at(questions)
    if names is not None and column not in names:
        raise InvalidParameter(
            f"{questions}: columns are {names}, none is {column!r}; name the one to ask (--column)"
        )
    if not run.force and _mode(run) == "errorifexists" and _exists(run.out):
        raise _taken(run.out)


def _exists(folder: str) -> bool:
    path = seen_path(folder)
    return path is not None and path.exists()


def _mode(run: AnswerOptions) -> str:
    """Write over what is there if asked to, and over what a failed job left: an empty folder."""
    path = seen_path(run.out)
    left = path is not None and path.is_dir() and not any(map(_is_data, path.iterdir()))
    return "overwrite" if run.force or left else "errorifexists"


def _is_data(path: Path) -> bool:
    return not path.name.startswith((".", "_temporary"))


def _taken(folder: str) -> WriteFailed:
    return WriteFailed(
        f"{folder}: there is something already; give another folder, or --force to replace it"
    )


@contextmanager
def _written(run: AnswerOptions) -> Iterator[None]:
    """Context manager: leave no empty folder where answers could not be written."""
    from pyspark.errors import AnalysisException

    path, existed = seen_path(run.out), _exists(run.out)
    try:
        yield
    except BaseException as error:
        if path is not None and not existed:
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, AnalysisException) and "PATH_ALREADY_EXISTS" in str(error):
            raise _taken(run.out) from None
        raise
