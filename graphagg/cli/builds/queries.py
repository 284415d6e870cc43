"""Jobs that answer a table of questions by an index: one row per answer, as Parquet."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from cyclopts import Parameter

from graphagg.cli.builds.build import Job, JobOptions
from graphagg.cli.builds.log import follow, say, start_logging
from graphagg.cli.builds.run import write_summary
from graphagg.cli.folders import K
from graphagg.cli.output.console import Meter, show
from graphagg.cli.request import RequestOptions
from graphagg.communities.config import Method
from graphagg.errors import InvalidParameter
from graphagg.rag.question.request import Request
from graphagg.spark import sources
from graphagg.spark.session import described, named_errors, session, with_settings

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

    options = AnswerOptions
    questions: ClassVar[str]
    index: str
    column: str

    @abstractmethod
    def answers(self, index: Any, frame: DataFrame) -> DataFrame:
        """Answers to a table of questions, one row per answer."""

    def start(self, run: AnswerOptions) -> None:
        """Answer the questions with Spark and write the answers."""
        start_logging(self.name, run.log_level)
        questions, target = getattr(self, self.questions), sources.hadoop_path(run.out)
        if self._check(questions, run):
            say("skipped: %s exists", run.out)
            return
        meter = Meter()
        title = f"graphagg {self.name}"
        with (
            self.index_class.open(self.index) as index,
            session(title, run.master, run.remote) as spark,
        ):
            follow(spark, run.log_level)
            sources.check_stores(spark, questions, run.out)
            with (
                with_settings(spark, sources.settings_for(questions, run.out)),
                described(spark, title, f"{self.name}: answers to {questions}"),
                named_errors(),
            ):
                frame = sources.read_table(spark, questions)
                replaces = run.force or run.if_exists == "replace"
                mode = "overwrite" if replaces else "errorifexists"
                self.answers(index, frame).write.mode(mode).parquet(target)
                answers = spark.read.parquet(target)
                counts = answers.selectExpr("count(rank)", "count(reason)", "min(reason)")
                rows, without, why_not = counts.collect()[0]
                if run.rejects is not None:
                    left_out = answers.where("reason IS NOT NULL")
                    left_out.write.mode("overwrite").parquet(sources.hadoop_path(run.rejects))
        why = f"; questions without one: {without:,} (column reason)" if without else ""
        result = {"out": run.out, "answers": rows, "without_answer": without}
        show(result, f"{run.out}: {rows:,} answers{why}", run.json)
        say("done: %d answers; questions without one: %d", rows, without)
        parameters = {name: str(value) for name, value in vars(self).items()}
        write_summary(
            self.name, run, meter, input=questions, parameters=parameters, answers=rows,
            without_answer=without,
        )  # fmt: skip
        if without and not rows:
            raise InvalidParameter(
                f"{questions}: none of its {without:,} questions has an answer ({why_not}); check "
                f"the column (--column) and its type. The reasons are in {run.out}"
            )

    def _check(self, questions: str, run: AnswerOptions) -> bool:
        """Check columns and target before a session starts; returns whether to skip the job."""
        names = sources.columns_at(questions)
        if names is not None and self.column not in names:
            raise InvalidParameter(
                f"{questions}: columns are {names}, none is {self.column!r}; name one of them "
                "(--column)"
            )
        path = sources.seen_path(run.out)
        return path is not None and path.exists() and run.skips(run.out, is_own=False)


@dataclass(frozen=True)
class CommunityQueries(Answering):
    """Find the community of each row of seeds.

    Attributes:
        index: folder of the community index, seen by every executor, or its address.
        seeds: table of seeds: Parquet, CSV with a header, JSON lines, or table:NAME.
        column: column that holds a seed, or an array of seeds.
        k: members besides the seeds.
        method: how members are found and ranked.
    """

    name: ClassVar[str] = "query_communities"
    questions: ClassVar[str] = "seeds"
    package: ClassVar[str] = "communities.CommunityIndex"

    index: str
    seeds: str
    column: str = "seeds"
    k: K = 50
    method: Method = "fused"

    def answers(self, index: Any, frame: DataFrame) -> Any:
        """Members of each community."""
        return index.query_on_spark(frame, self.column, self.k, method=self.method)


@dataclass(frozen=True)
class NeighborQueries(Answering):
    """Find the nearest neighbors of each vertex by an embedding.

    Attributes:
        index: folder of the embedding, seen by every executor, or its address.
        vertices: table of vertices: Parquet, CSV with a header, JSON lines, or table:NAME.
        column: column that holds the vertices.
        k: neighbors per vertex.
    """

    name: ClassVar[str] = "neighbors"
    questions: ClassVar[str] = "vertices"
    package: ClassVar[str] = "embedding.NodeEmbedding"

    index: str
    vertices: str
    column: str = "vertex"
    k: K = 10

    def answers(self, index: Any, frame: DataFrame) -> Any:
        """Neighbors of each vertex."""
        return index.neighbors_on_spark(frame, self.column, self.k)


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

    index: str
    questions_from: Annotated[str, Parameter("--questions")]
    column: str = "question"
    k: K = 5
    request: RequestOptions = field(default_factory=Request)

    def answers(self, index: Any, frame: DataFrame) -> Any:
        """Passages for each question."""
        return index.retrieve_on_spark(frame, self.column, self.k, self.request)
