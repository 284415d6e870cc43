"""Jobs that answer a table of questions by an index: one row per answer, as Parquet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from graphagg.cli.builds.build import RUN, JobOptions
from graphagg.cli.builds.log import follow, say, start_logging
from graphagg.cli.builds.run import write_summary
from graphagg.cli.folders import K
from graphagg.cli.output.console import show
from graphagg.cli.request import RequestOptions, RequestWords
from graphagg.communities.config import Method
from graphagg.errors import InvalidParameter
from graphagg.spark import sources
from graphagg.spark.session import described, named_errors, session, with_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Run = Annotated[JobOptions, RUN]
IndexFolder = Annotated[
    str, Parameter(help="Folder of the index, seen by every executor, or its address.")
]
_FORMATS = "Parquet, CSV with a header, JSON lines, or table:NAME."


def query_communities(
    *,
    index: IndexFolder,
    seeds: Annotated[str, Parameter(help=f"Table of seeds: {_FORMATS}")],
    column: str = "seeds",
    k: K = 50,
    method: Method = "fused",
    run: Run,
) -> None:
    """Find the community of each row of seeds.

    Example: graphagg job query_communities --index comm --seeds seeds.parquet --out
    members.parquet

    Args:
        column: column that holds a seed, or an array of seeds.
        k: members besides the seeds.
        method: how members are found and ranked.
    """
    from graphagg.communities import CommunityIndex

    _answer(
        "query_communities", CommunityIndex, index, seeds, column, run,
        lambda index, frame: index.query_on_spark(frame, column, k, method=method),
        k=k, method=method,
    )  # fmt: skip


def neighbors(
    *,
    index: IndexFolder,
    vertices: Annotated[str, Parameter(help=f"Table of vertices: {_FORMATS}")],
    column: str = "vertex",
    k: K = 10,
    run: Run,
) -> None:
    """Find the nearest neighbors of each vertex by an embedding.

    Example: graphagg job neighbors --index emb --vertices users.parquet --out near.parquet

    Args:
        column: column that holds the vertices.
        k: neighbors per vertex.
    """
    from graphagg.embedding import NodeEmbedding

    _answer(
        "neighbors", NodeEmbedding, index, vertices, column, run,
        lambda index, frame: index.neighbors_on_spark(frame, column, k),
        k=k,
    )  # fmt: skip


def retrieve(
    *,
    index: IndexFolder,
    questions: Annotated[str, Parameter(help=f"Table of questions: {_FORMATS}")],
    column: str = "question",
    k: K = 5,
    words: RequestWords = RequestOptions(),
    run: Run,
) -> None:
    """Retrieve passages for each question.

    Example: graphagg job retrieve --index idx --questions questions.csv --out hits.parquet

    Args:
        column: column that holds the questions.
        k: passages per question.
    """
    from graphagg.rag import PassageIndex

    request = words.request()
    _answer(
        "retrieve", PassageIndex, index, questions, column, run,
        lambda index, frame: index.retrieve_on_spark(frame, column, k, request),
        k=k, **vars(words),
    )  # fmt: skip


def _answer(
    job: str,
    index_class: Any,
    location: str,
    questions: str,
    column: str,
    run: JobOptions,
    answer: Callable[[Any, DataFrame], Any],
    **parameters: object,
) -> None:
    """Answer a table of questions with Spark, and write the answers."""
    start_logging(job, run.log_level)
    target = sources.hadoop_path(run.out)
    if _skips(questions, column, run):
        say("skipped: %s exists", run.out)
        return
    title = f"graphagg {job}"
    with index_class.open(location) as index, session(title, run.master, run.remote) as spark:
        follow(spark, run.log_level)
        sources.check_stores(spark, questions, run.out)
        with (
            with_settings(spark, sources.settings_for(questions, run.out)),
            described(spark, title, f"{job}: answers to {questions}"),
            named_errors(),
        ):
            replaces = run.force or run.if_exists == "replace"
            mode = "overwrite" if replaces else "errorifexists"
            frame = sources.read_table(spark, questions)
            answer(index, frame).write.mode(mode).parquet(target)
            answers = spark.read.parquet(target)
            counts = answers.selectExpr("count(rank)", "count(reason)", "min(reason)")
            rows, without, reason = counts.collect()[0]
            if run.rejects is not None:
                left_out = answers.where("reason IS NOT NULL")
                left_out.write.mode("overwrite").parquet(sources.hadoop_path(run.rejects))
    more = f"; questions without one: {without:,} (column reason)" if without else ""
    result = {"out": run.out, "answers": rows, "without_answer": without}
    show(result, f"{run.out}: {rows:,} answers{more}", run.json)
    say("done: %d answers; questions without one: %d", rows, without)
    given = {"index": location, "column": column, **parameters}
    write_summary(
        job, run, input=questions, answers=rows, without_answer=without,
        parameters={name: str(value) for name, value in given.items()},
    )  # fmt: skip
    if without and not rows:
        raise InvalidParameter(
            f"{questions}: none of its {without:,} questions has an answer ({reason}); check "
            f"the column (--column) and its type. The reasons are in {run.out}"
        )


def _skips(questions: str, column: str, run: JobOptions) -> bool:
    """Check columns and target before a session starts; returns whether to skip the job."""
    names = sources.columns_at(questions)
    if names is not None and column not in names:
        raise InvalidParameter(
            f"{questions}: columns are {names}, none is {column!r}; name one of them (--column)"
        )
    path = sources.seen_path(run.out)
    return path is not None and path.exists() and run.skips(is_own=False)
