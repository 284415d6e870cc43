"""A fault on the way ends in the right index, or in a named error with the old index intact.

Simulated is how a fault comes about, not what it does: processes are killed by SIGKILL, shuffle
files are deleted, a heap is too small for a line, a file system of 1 MiB is full.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphagg.communities import CommunityIndex
from graphagg.store import open_artifact
from tests.cluster import submitted
from tests.cluster.cases import REFUSED, stages
from tests.cluster.faults import GO, STRUCK
from tests.cluster.inputs import (
    SKETCH,
    assert_same_communities,
    assert_same_embedding,
    assert_same_passages,
    skewed_pairs,
    write_pairs,
    write_passages,
)
from tests.cluster.standalone import ROOT, SHORT_LIVED, Cluster, Done
from tests.spark.test_passages import passages

pytestmark = pytest.mark.cluster
ROWS = "graphagg.graph.spark.rows:sort_keys:_save_block"
SEGMENT = "graphagg.spark.job:run_tasks:annotate"
MENTIONS = "graphagg.spark.job:run_tasks:find_mentions"


def small(job: str, source: Path, out: Path, *more: object) -> list[str]:
    """A job with small tasks."""
    return [str(submitted.__file__), job, str(source), str(out), *map(str, more)]


@pytest.fixture
def fault(cluster: Cluster, notes: Path) -> Callable[[str, str], tuple[object, ...]]:
    """Options that give a stage of a job a fault."""

    def options(fault: str, at: str) -> tuple[object, ...]:
        return ("--fault", fault, "--at", at, "--folder", notes, "--cluster", cluster.folder)

    return options


def old_communities(out: Path) -> dict[str, bytes]:
    """An index that was there before, and its files."""
    CommunityIndex.build([(1, 2), (2, 3), (3, 1)], out, config=SKETCH).close()
    return content(out)


def content(out: Path) -> dict[str, bytes]:
    """The current version of an index, every checksum compared."""
    with open_artifact(out, verify=True) as artifact:
        names = [out / "manifest.json", *(artifact.path(n) for n in artifact.manifest.files)]
        return {path.name: path.read_bytes() for path in names}


def assert_done(done: Done) -> None:
    """It ended well, broadcast nothing, and Spark's page has a name for each of its jobs."""
    assert done.code == 0, done.out[-3000:] or done.err[-3000:]
    assert done.log.plans() and done.log.broadcasts() == []
    assert done.log.started() and done.log.unnamed() == []


def assert_failed(done: Done, *errors: str) -> None:
    """It ended with exit code 1 and one of the named errors."""
    assert done.code == 1, done.out[-3000:] or done.err[-3000:]
    assert any(f"{name} error: " in done.out for name in errors), done.out[-3000:]


def test_a_worker_is_killed_in_the_middle_of_a_stage(
    cluster: Cluster, tmp_path: Path, notes: Path, fault: Callable[..., tuple[object, ...]]
) -> None:
    """The worker goes with a task that was running, one that was done, and its shuffle files."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(3)), tmp_path / "out"
    running = cluster.submit(small("communities", edges, out, *fault("hold", ROWS)))
    running.until((notes / STRUCK).exists, "the stage of the rows")
    cluster.kill_worker(cluster.worker_of(int((notes / STRUCK).read_text())))
    done = running.wait()
    assert_done(done)
    assert "ExecutorLostFailure" in done.log.failures()
    assert_same_communities(edges, out)


SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "1s",
}


def test_a_slow_task_runs_a_second_time(
    cluster: Cluster, tmp_path: Path, fault: Callable[..., tuple[object, ...]]
) -> None:
    """Speculative execution: the first one never ends; nobody lets it go on."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(2)), tmp_path / "out"
    done = cluster.run(small("communities", edges, out, *fault("hold", ROWS)), SPECULATION)
    assert_done(done)
    assert any(e["Task Info"]["Speculative"] for e in done.log.events("SparkListenerTaskStart"))
    assert_same_communities(edges, out)


def test_a_worker_is_killed_in_the_middle_of_a_job(cluster: Cluster, tmp_path: Path) -> None:
    """The job as it is shipped; half of the entries are a hub's."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(4)), tmp_path / "out"
    options = ["--dim", "8", "--pieces", "3", "--max-piece-edges", "4000"]
    job = [str(ROOT / "jobs" / "embed.py"), "--edges", str(edges), "--out", str(out), *options]
    running = cluster.submit(job)
    running.until((out.with_name("out.work") / "partition.json").exists, "the partition")
    cluster.kill_worker(1)
    done = running.wait()
    assert_done(done)
    assert len(list(done.log.events("SparkListenerExecutorRemoved"))) > 0
    assert_same_embedding(edges, out)


def test_a_python_worker_is_killed_for_its_memory(
    cluster: Cluster, tmp_path: Path, notes: Path, fault: Callable[..., tuple[object, ...]]
) -> None:
    """As the kernel does it, by SIGKILL: Spark gives the task another worker.

    All of one passage is one entity, ten thousand times, which other passages have too.
    """
    crowd = {"id": "crowd", "title": "Ada", "text": " and ".join(["Ada"] * 10_000) + "."}
    records = [*passages(60), crowd]
    source, out = write_passages(tmp_path / "p.jsonl", records), tmp_path / "out"
    done = cluster.run(small("passages", source, out, *fault("die", SEGMENT)))
    assert_done(done)
    assert (notes / STRUCK).exists() and sum(done.log.failures().values()) == 1
    assert_same_passages(source, out)


def test_an_executor_runs_out_of_memory(cluster: Cluster, tmp_path: Path) -> None:
    """A line of 24 MB in a heap of 96: every executor that reads it ends."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(5)), tmp_path / "out"
    with edges.open("a", encoding="utf-8") as file:
        file.write("# " + 24_000_000 * "x" + "\n")
    old = old_communities(out)
    job = small("communities", edges, out)
    narrow = {
        "spark.executor.memory": "96m",
        "spark.executor.extraJavaOptions": f"{SHORT_LIVED} -XX:MaxDirectMemorySize=256m",
        "spark.testing.reservedMemory": str(16 << 20),
        "spark.task.maxFailures": "2",
    }
    done = cluster.run(job, narrow)
    assert_failed(done, "JobFailed")
    # The driver hears of the executor's end, or before it of the error that ended it.
    assert {"ExecutorLostFailure", "ExceptionFailure"} & done.log.failures().keys()
    assert content(out) == old
    done = cluster.run(job)
    assert_done(done)
    assert_same_communities(edges, out)


def test_lost_shuffle_files(
    cluster: Cluster, tmp_path: Path, notes: Path, fault: Callable[..., tuple[object, ...]]
) -> None:
    """Deleted after the first task of a stage has read its part: they are written again."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(6)), tmp_path / "out"
    done = cluster.run(small("communities", edges, out, *fault("lose-shuffle", ROWS)))
    assert_done(done)
    assert done.log.failures().get("FetchFailed", 0) > 0
    assert max(done.log.attempts().values()) > 1, "a stage was run again"
    assert_same_communities(edges, out)


def test_the_driver_is_killed_and_the_job_submitted_again(cluster: Cluster, tmp_path: Path) -> None:
    """Phases that were finished are not run again."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(7)), tmp_path / "out"
    job, work = small("embed", edges, out), out.with_name("out.work")
    running = cluster.submit(job)
    running.until((work / "leaves.json").exists, "the end of the stage leaves")
    running.kill()
    before = {path.stem for path in work.glob("*.json")}
    assert before and not (out / "manifest.json").exists()
    cluster.ensure()
    done = cluster.run(job)
    assert_done(done)
    assert stages(done.out) and not before & set(stages(done.out))
    assert not work.exists()
    assert_same_embedding(edges, out)


def test_the_driver_is_killed_while_tasks_run(
    cluster: Cluster, tmp_path: Path, notes: Path, fault: Callable[..., tuple[object, ...]]
) -> None:
    """Killed while names are found: what was annotated before is not annotated again."""
    records = passages(60, seed=1)
    source, out = write_passages(tmp_path / "p.jsonl", records), tmp_path / "out"
    running = cluster.submit(small("passages", source, out, *fault("hold", MENTIONS)))
    running.until((notes / STRUCK).exists, "the stage of the mentions")
    running.kill()
    before = set(stages(running.printed()))
    assert "segment" in before
    cluster.ensure()
    done = cluster.run(small("passages", source, out))
    assert_done(done)
    assert stages(done.out) and not before & set(stages(done.out))
    assert_same_passages(source, out)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m", "graphagg", str(folder)]
    try:
        subprocess.run(options, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"only root may mount a small file system here ({error})")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(cluster: Cluster, tmp_path: Path, small_disk: Path) -> None:
    """Index and work folder lie on it; with more room the same command goes on."""
    pairs = skewed_pairs(8, n=9000, edges=30_000)
    edges, out = write_pairs(tmp_path / "edges.txt", pairs), small_disk / "out"
    old = old_communities(out)
    job = [str(submitted.__file__), "communities", str(edges), str(out), "--entries", "20000"]
    assert_failed(cluster.run(job), "WriteFailed", "JobFailed")
    assert content(out) == old
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    cluster.ensure()
    done = cluster.run(job)
    assert_done(done)
    assert content(out) != old
    assert_same_communities(edges, out)


def test_two_jobs_write_one_output(
    cluster: Cluster, tmp_path: Path, notes: Path, fault: Callable[..., tuple[object, ...]]
) -> None:
    """The second is refused while the first one runs, and changes nothing for it."""
    edges, out = write_pairs(tmp_path / "edges.txt", skewed_pairs(9)), tmp_path / "out"
    first = cluster.submit(small("communities", edges, out, *fault("hold", ROWS)))
    first.until((notes / STRUCK).exists, "the stage of the rows")
    second = cluster.run(small("communities", edges, out, "--force"), REFUSED)
    assert_failed(second, "ArtifactBusy")
    (notes / GO).touch()
    done = first.wait()
    assert_done(done)
    assert_same_communities(edges, out)
