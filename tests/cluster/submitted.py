"""A job with small tasks and, if asked for, a fault: spark-submit submitted.py JOB SOURCE OUT.

The jobs of `jobs/` have tasks of millions of entries: of a small input each stage has one. This
script calls the same builds with tasks of a hundred.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from pathlib import Path
from typing import Any

from graphagg.errors import GraphAggError
from graphagg.spark import SparkOptions
from graphagg.spark.session import create_session
from tests.cluster.faults import strike
from tests.cluster.inputs import SKETCH, VECTORS
from tests.spark.test_passages import Fakes

reported = itertools.count(1)


def say(stage: str, done: int, total: int) -> None:
    """Print a finished stage; after the last one that is asked for, wait to be killed."""
    print(f"stage {stage}", flush=True)
    if next(reported) == given.stages:
        threading.Event().wait()


def communities(spark: Any, given: argparse.Namespace) -> Any:
    """A community index."""
    from graphagg.communities import CommunityIndex

    return CommunityIndex.build(
        given.source, given.out, config=SKETCH, progress=say, force=given.force,
        engine=SparkOptions(spark, items_per_task=given.entries),
    )  # fmt: skip


def embed(spark: Any, given: argparse.Namespace) -> Any:
    """An embedding in pieces."""
    from graphagg.embedding import NodeEmbedding

    return NodeEmbedding.build(
        given.source, given.out, config=VECTORS, engine=SparkOptions(spark), progress=say,
        force=given.force,
    )  # fmt: skip


def passages(spark: Any, given: argparse.Namespace) -> Any:
    """A passage index by fake models, 13 passages per task."""
    from graphagg.rag import PassageIndex
    from graphagg.rag.spark import build

    build.ENTRIES_PER_TASK = 2 * given.entries
    models = Fakes().load()
    return PassageIndex.build(
        given.source, given.out, encoder=models.encoder, extractor=models.extractor,
        engine=SparkOptions(spark, items_per_task=13), progress=say, force=given.force,
    )  # fmt: skip


JOBS = {"communities": communities, "embed": embed, "passages": passages}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("job", choices=JOBS)
parser.add_argument("source")
parser.add_argument("out")
parser.add_argument("--entries", type=int, default=100, help="that a task holds")
parser.add_argument("--stages", type=int, help="after which the driver waits to be killed")
parser.add_argument("--fault")
parser.add_argument("--at", help="see `strike`")
parser.add_argument("--folder", type=Path)
parser.add_argument("--cluster", type=Path)
parser.add_argument("--force", action="store_true")

if __name__ == "__main__":
    given = parser.parse_args()
    if given.fault:
        strike(given.at, given.fault, given.folder, given.cluster)
    try:
        spark = create_session(f"graphagg {given.job}")
        JOBS[given.job](spark, given).close()
        spark.stop()
    except GraphAggError as error:
        sys.stderr.write(f"{type(error).__name__} error: {error}\n")
        sys.exit(error.exit_code)
