"""Jobs that answer a table of questions by an index: one row per answer, as Parquet."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

from graphagg.cli.builds.build import Job, JobOptions
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


class Answering(Job):
    """Questions to an index; its fields are the options of a job.

    Attributes:
        questions: the field that names the table of questions.
    """

    questions: ClassVar[str]

    @abstractmethod
    def answers(self, index: Any, frame: DataFrame) -> DataFrame:
        """Answers to a table of questions, one row per answer."""


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
        members: DataFrame = index.query_on_spark(
            frame, self.column, self.k, method=self.method,
            skip_unknown=self.skip_unknown, strict=self.strict,
        )  # fmt: skip
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
        neighbors: DataFrame = index.neighbors_on_spark(
            frame, self.column, self.k, skip_unknown=self.skip_unknown, strict=self.strict
        )
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

    def function(job: Any, run: AnswerOptions) -> None:
        _run(job, run)

    function.__annotations__ |= {"job": kind}
    function.__doc__ = (kind.__doc__ or "").partition("\n")[0]
    return command(function, table=kind.name, positional=False)


def _run(job: Answering, run: AnswerOptions) -> None:
    """Answer the questions with Spark and write the answers."""
    start_logging(job.name, run.log_level)
    questions, target = getattr(job, job.questions), hadoop_path(run.out)
    _check(questions, job.column, run)  # type: ignore[attr-defined]
    index, title = job.index_class.open(job.index), f"graphagg {job.name}"  # type: ignore[attr-defined]
    with index, session(title, run.master, run.remote) as spark:
        follow(spark, run.log_level)
        check_stores(spark, questions, run.out)
        with (
            with_settings(spark, settings_for(questions, run.out)),
            described(spark, title, f"{job.name}: answers to {questions}"),
            named_errors(),
            _written(run),
        ):
            frame = read_table(spark, questions)
            job.answers(index, frame).write.mode(_mode(run)).parquet(target)
            counts = spark.read.parquet(target).selectExpr("count(rank)", "count(reason)")
            rows, without = counts.collect()[0]
    why = f"; questions without one: {without:,} (column reason)" if without else ""
    result = {"out": run.out, "answers": rows, "without_answer": without}
    show(result, f"{run.out}: {rows:,} answers{why}", run.json)
    say("done: %d answers; questions without one: %d", rows, without)


def _check(questions: str, column: str, run: AnswerOptions) -> None:
    """Check columns and target before a session starts."""
    names = columns_at(questions)
    if names is not None and column not in names:
        raise InvalidParameter(
            f"{questions}: columns are {names}, none is {column!r}; name one of them (--column)"
        )
    path = seen_path(run.out)
    if path is not None and path.exists() and _mode(run) == "errorifexists":
        raise _exists(run.out)


def _mode(run: AnswerOptions) -> str:
    """Overwrite with `--force`, and the empty folder that a failed job leaves."""
    path = seen_path(run.out)
    is_empty = path is not None and path.is_dir()
    if path is not None and is_empty:
        is_empty = all(each.name.startswith((".", "_temporary")) for each in path.iterdir())
    return "overwrite" if run.force or is_empty else "errorifexists"


def _exists(folder: str) -> WriteFailed:
    return WriteFailed(f"{folder} exists; give another folder, or --force to replace it")


@contextmanager
def _written(run: AnswerOptions) -> Iterator[None]:
    """Context manager: remove the new folder if the answers could not be written."""
    from pyspark.errors import AnalysisException

    path = seen_path(run.out)
    is_new = path is not None and not path.exists()
    try:
        yield
    except BaseException as error:
        if path is not None and is_new:
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, AnalysisException) and "PATH_ALREADY_EXISTS" in str(error):
            raise _exists(run.out) from None
        raise
