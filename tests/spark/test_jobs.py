"""Jobs that were killed go on, and the same job again is over before it reads anything."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.indexing.spark import stages
from graphagg.errors import ArtifactBusy, JobFailed, ParametersDiffer
from graphagg.spark import SparkOptions
from graphagg.spark.job import SparkJob, finished
from graphagg.spark.session import SMALL_DRIVER, named_errors, with_settings
from graphagg.spark.tasks import run_tasks
from graphagg.store.work import work_folder
from graphagg.store.writing import SUMMARY
from tests.spark.test_communities import hub_pairs, write_text
from tests.spark.workers import Killed, killing
from tests.unit.commands import invoke

pytestmark = pytest.mark.spark
SMALL = CommunityConfig("directed-in", permutations=16, bands=4, rows=2)


def build(spark: Any, edges: str, out: Any, progress: Any) -> CommunityIndex:
    """Build an index by small tasks."""
    engine = SparkOptions(spark, items_per_task=200)
    return CommunityIndex.build(edges, out, engine=engine, config=SMALL, progress=progress)


def test_a_killed_community_job_goes_on(spark: Any, tmp_path: Path) -> None:
    """After each of its stages; every stage runs once, and the bytes are those of one process."""
    edges, out = write_text(tmp_path / "edges.txt", hub_pairs(5)), tmp_path / "out"
    names, ran = stages(SMALL), []

    for place, after in enumerate(names, start=1):
        with pytest.raises(Killed):
            build(spark, edges, out, killing(ran, after))
        assert not (out / "manifest.json").exists()
        assert finished(work_folder(out), names) == list(names[:place])
    with pytest.raises(ParametersDiffer, match=r"unfinished job with config.*`force=True`"):
        CommunityIndex.build(edges, out, engine=SparkOptions(spark), config=CommunityConfig())
    build(spark, edges, out, killing(ran)).close()
    assert ran == list(names)
    assert not work_folder(out).exists()
    CommunityIndex.build(edges, tmp_path / "local", config=SMALL).close()
    read = [(d / "manifest.json").read_bytes() for d in (out, tmp_path / "local")]
    assert read[0] == read[1]
    with build(spark, edges, out, killing(ran)) as again:
        assert ran == list(names), "the same again is no work"
        assert again.read_report is not None and again.read_report.edges_read == len(hub_pairs(5))


def test_settings_of_a_job_end_with_it(spark: Any) -> None:
    """The session may be the caller's: what was set is set again, what was not is not."""
    sample, joins = (
        "spark.sql.execution.rangeExchange.sampleSizePerPartition",
        "spark.sql.autoBroadcastJoinThreshold",
    )
    spark.conf.set(joins, "4096")
    try:
        with pytest.raises(Killed), with_settings(spark, SMALL_DRIVER):
            assert (spark.conf.get(sample), spark.conf.get(joins)) == ("20", "-1")
            raise Killed
        assert (spark.conf.get(sample), spark.conf.get(joins)) == ("100", "4096")
    finally:
        spark.conf.unset(joins)


def test_jobs_are_named_and_the_names_end_with_them(spark: Any, tmp_path: Path) -> None:
    context, keys = spark.sparkContext, ("spark.jobGroup.id", "spark.job.description")
    shown = []

    def note(stage: str, done: int, total: int) -> None:
        shown.append(context.getLocalProperty("spark.job.description"))
        raise Killed

    edges = write_text(tmp_path / "edges.txt", hub_pairs(6))
    with pytest.raises(Killed):
        build(spark, edges, tmp_path / "out", note)
    assert shown == ["communities: edges, 1 of 6"]
    assert context.statusTracker().getJobIdsForGroup("graphagg communities")
    assert [context.getLocalProperty(key) for key in keys] == [None, None]


def test_a_job_that_finished_nothing_blocks_nothing(spark: Any, tmp_path: Path) -> None:
    first, second = (SparkJob(spark, tmp_path / "x.work", lambda *_: None) for _ in range(2))
    first.claim({"source": ["wrong", 1]})
    first.release()
    second.claim({"source": ["right", 1]})
    second.note("edges", dict)
    second.release()
    with pytest.raises(ParametersDiffer):
        first.claim({"source": ["wrong", 1]})
    second.remove()


def test_two_jobs_over_one_folder(spark: Any, tmp_path: Path) -> None:
    first, second = (SparkJob(spark, tmp_path / "x.work", lambda *_: None) for _ in range(2))
    first.claim({"source": ["a", 1]})
    for force in (False, True):
        with pytest.raises(ArtifactBusy, match="another process"):
            second.claim({"source": ["a", 1]}, force=force)
    first.release()
    second.claim({"source": ["a", 1]})
    second.remove()
    assert not (tmp_path / "x.work").exists()


@pytest.mark.parametrize("force", [False, True])
def test_tasks_of_a_killed_driver_write_no_more(spark: Any, tmp_path: Path, force: bool) -> None:
    """They may run on while the job is submitted again, whose blocks may be cut otherwise."""
    job = {"source": ["a", 1]}
    first, second = (SparkJob(spark, tmp_path / "x.work", lambda *_: None) for _ in range(2))
    first.claim(job)
    stale = pickle.loads(pickle.dumps(first.blocks))
    stale.save("cut", 0, rows=np.arange(3))
    first.release()
    second.claim(job, force=force)
    if not force:
        assert second.blocks.load("cut", 0, "rows").tolist() == [0, 1, 2], "finished blocks stay"
    pickle.loads(pickle.dumps(second.blocks)).save("cut", 0, rows=np.arange(5))
    with pytest.raises(JobFailed, match="submitted again"):
        stale.save("cut", 0, rows=np.arange(9))
    assert second.blocks.load("cut", 0, "rows").tolist() == [0, 1, 2, 3, 4]
    assert not list(second.blocks.storage.folder.glob("*.part"))
    second.remove()


def test_a_task_that_fails_is_a_failed_job(spark: Any) -> None:
    def task(number: int) -> dict[str, int]:
        raise ZeroDivisionError(f"task {number}")

    with pytest.raises(JobFailed, match="ZeroDivisionError: task 0"), named_errors():
        run_tasks(spark, 1, task)


def test_a_job_says_what_it_did(spark: Any, tmp_path: Path) -> None:
    """A summary and a table of what was left out; another graph takes the place only if told to."""
    edges, out = tmp_path / "edges.csv", tmp_path / "out"
    edges.write_text("source,target\n1,2\n2,3\n3,1\n3,3\n2,1\nx y,4\n5\n")

    def run(*more: object) -> dict[str, Any]:
        words = ("--edges", edges, "--out", out)
        invoke("job", "communities", *words, "--ids", "integer", "--skip-bad-rows", *more)
        summary: dict[str, Any] = json.loads((out / SUMMARY).read_text())
        return summary

    summary = run()
    left_out = {"self_loops": 1, "duplicates": 1, "bad_rows": 2}
    assert summary["rows"] == {"read": 5, "left_out": left_out}
    assert summary["counts"]["edges"] == 3 and summary["unchanged"] is False
    assert [each["stage"] for each in summary["stages"]][:2] == ["edges", "vertices"]
    assert all(each["seconds"] >= 0 for each in summary["stages"])
    assert summary["peak_memory_mib"] > 0 and summary["task_peak_memory_mib"] > 0
    assert summary["parameters"]["config"]["bands"] and summary["versions"]["spark"]
    assert run()["unchanged"] is True, "the same again is no work"
    edges.write_text("source,target\n1,9\n")
    assert run()["counts"]["edges"] == 1, "another input replaces the index"
