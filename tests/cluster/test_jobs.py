"""Every job of `jobs/` on a master and two workers: equal to one process, and no broadcasts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphagg.rag import PassageIndex, SentenceTransformerEncoder, read_passages
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.evaluation.questions import read_questions
from graphagg.store import open_artifact
from tests.cluster.inputs import (
    SKETCH,
    SKETCH_OPTIONS,
    assert_same_communities,
    skewed_pairs,
    write_pairs,
)
from tests.cluster.standalone import ROOT, Cluster, Done

pytestmark = pytest.mark.cluster
DEMO = ROOT / "graphagg" / "rag" / "demo"
LARGEST_RESULT = 2 << 20
"""Bytes; `spark.driver.maxResultSize` is 32 MiB."""


def job(name: str, *arguments: object) -> list[str]:
    return [str(ROOT / "jobs" / f"{name}.py"), *map(str, arguments)]


def assert_done(done: Done) -> None:
    """It ended well, on both workers; every Spark job has a name, and no data met in the driver."""
    assert done.code == 0, done.out[-3000:] or done.err[-3000:]
    settings = done.log.settings()
    assert settings["spark.driver.maxResultSize"] == "32m"
    assert settings["spark.driver.memory"] == "1g"
    assert settings["spark.sql.autoBroadcastJoinThreshold"] == "-1"
    assert len(done.log.executors()) == 2, "both workers had tasks"
    assert done.log.started() and done.log.unnamed() == []
    assert done.log.plans()
    assert done.log.broadcasts() == []
    assert 0 < done.log.largest_result() < LARGEST_RESULT


@pytest.mark.parametrize("kind", ["undirected", "two-mode"])
def test_communities(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    pairs = [(f"ä{a}", f"s {b}") if kind == "two-mode" else (a, b) for a, b in skewed_pairs(1)]
    edges, out = write_pairs(tmp_path / "edges.txt", pairs), tmp_path / "out"
    options = ("--kind", kind, *SKETCH_OPTIONS)
    done = cluster.run(job("communities", "--edges", edges, "--out", out, *options))
    assert_done(done)
    assert_same_communities(edges, out, replace(SKETCH, kind=kind, closed=None))


COME_AND_GO = {
    "spark.scheduler.minRegisteredResourcesRatio": "0",  # there are none at first
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.dynamicAllocation.executorIdleTimeout": "1s",
    "spark.dynamicAllocation.cachedExecutorIdleTimeout": "1s",
}


def test_executors_come_and_go(cluster: Cluster, tmp_path: Path) -> None:
    """Dynamic allocation."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(1)), tmp_path / "out"
    options = (*SKETCH_OPTIONS, "--entries-per-task", 500)
    done = cluster.run(job("communities", "--edges", edges, "--out", out, *options), COME_AND_GO)
    assert done.code == 0, done.out[-3000:] or done.err[-3000:]
    assert_same_communities(edges, out)


def test_passages_with_the_default_models(cluster: Cluster, tmp_path: Path) -> None:
    """Everything but vectors has the same bytes; vectors differ by rounding, rankings do not."""
    source, out, alone = DEMO / "passages.jsonl", tmp_path / "out", tmp_path / "alone"
    encoder = SentenceTransformerEncoder()
    PassageIndex.build(read_passages(source), alone, encoder=encoder).close()
    options = ("--passages-per-task", 15)
    done = cluster.run(job("passages", "--passages", source, "--out", out, *options))
    assert_done(done)
    with open_artifact(out, verify=True) as one, open_artifact(alone) as other:
        assert one.manifest.counts == other.manifest.counts
        assert one.manifest.inputs == other.manifest.inputs
        assert one.manifest.models == other.manifest.models
        assert one.manifest.files.keys() == other.manifest.files.keys()
        for name, entry in one.manifest.files.items():
            if entry.dtype == "<f4":
                pair = [each.array(name.removesuffix(".npy")) for each in (one, other)]
                np.testing.assert_allclose(*pair, atol=1e-5)
            else:
                assert entry == other.manifest.files[name], name
    questions = [question.text for question in read_questions(DEMO / "questions.jsonl")]
    with (
        PassageIndex.open(out, encoder=encoder) as one,
        PassageIndex.open(alone, encoder=encoder) as other,
    ):
        for mode in MODES:
            assert ranking(one, questions, mode) == ranking(other, questions, mode)


def ranking(index: PassageIndex, questions: list[str], mode: Mode) -> list[list[str]]:
    found = index.retrieve_batch(questions, k=5, mode=mode)
    return [[hit.passage.id for hit in hits] for hits in found]
