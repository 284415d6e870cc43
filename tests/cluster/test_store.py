"""Jobs on two workers that share no folder with the driver or each other, over a real S3 server.

Each worker has an empty folder of its own in place of the folder of all tests, so that neither the
driver's paths nor those of the other worker exist for it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graphagg.store.remote.files import Store
from tests.cluster.cases import CASES, REFUSED, stages
from tests.cluster.inputs import skewed_pairs, write_pairs
from tests.cluster.jars import jars
from tests.cluster.processes import marked
from tests.cluster.standalone import APART, ROOT, Cluster, Done, Running, standalone
from tests.store_remote.proxy import faulty
from tests.store_remote.server import BUCKET, Server, serving
from tests.store_remote.tools import versitygw

pytestmark = pytest.mark.cluster
SUBMITTED = str(ROOT / "tests" / "cluster" / "submitted.py")


@dataclass
class Apart:
    """A cluster without a shared folder, and the server that takes its place."""

    cluster: Cluster
    server: Server
    cache: Path

    def put(self, path: Path) -> str:
        """Bring an input to the store; its address."""
        Store(self.server.at("input")).write(path.name, path)
        return f"s3://{BUCKET}/input/{path.name}"

    def submit(self, *job: object, **settings: str) -> Running:
        """Submit `submitted.py`: a job with small tasks."""
        environment = self.server.environment
        conf = {f"spark.executorEnv.{key}": value for key, value in environment.items()}
        # Spark takes two executors of one host to see each other's shuffle files.
        conf |= {
            "spark.jars": ",".join(map(str, jars())),
            "spark.shuffle.readHostLocalDisk": "false",
        }
        conf |= settings
        given = environment | {"GRAPHAGG_CACHE": str(self.cache)}
        return self.cluster.submit([SUBMITTED, *map(str, job)], conf, given)

    def run(self, *job: object) -> Done:
        """The same, to its end."""
        done = self.submit(*job).wait()
        assert done.code == 0, done.out[-3000:] + done.err[-3000:]
        assert len(done.log.executors()) == 2, "both workers had tasks"
        assert done.log.broadcasts() == []
        return done


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Server]]:
    if not versitygw().exists() or not jars():
        pytest.skip("no S3 server, or no jars; `make cluster-tools` brings them")
    base = tmp_path_factory.getbasetemp()
    probe = [*APART, str(base), str(base / "probe"), "ls", str(base)]
    seen = subprocess.run(probe, capture_output=True, text=True, check=False)
    if seen.returncode:
        pytest.skip(f"mounts of a worker's own need rights: {seen.stderr.strip()}")
    assert seen.stdout.split() == ["probe"] and not (base / "probe").exists()
    folder = tmp_path_factory.mktemp("apart")
    with serving(folder) as server, standalone(folder / "cluster", hidden=base) as cluster:
        yield cluster, server
    assert not marked(cluster.token), "something that the cluster started is left"


@pytest.fixture
def apart(
    started: tuple[Cluster, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Apart]:
    cluster, server = started
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))
    cluster.ensure()
    first = len(cluster.running)
    yield Apart(cluster, server, tmp_path / "driver")
    for running in cluster.running[first:]:
        running.kill()


def out_of(apart: Apart, name: str) -> tuple[Any, str]:
    return apart.server.at(name), f"s3://{BUCKET}/{name}"


@pytest.mark.parametrize("job", CASES)
def test_a_killed_driver_and_a_killed_worker(apart: Apart, tmp_path: Path, job: str) -> None:
    """While it runs, another job is refused; the same command again repeats no finished stage."""
    source = CASES[job].write(tmp_path, 3)
    place, out = out_of(apart, f"killed-{job}")
    given = apart.put(source)
    running = apart.submit(job, given, out, "--stages", 2)
    running.until(lambda: len(stages(running.printed())) == 2, "two stages")
    if job == "communities":  # all of them lock the output alike
        second = apart.submit(job, given, out, "--force", **REFUSED).wait()
        assert second.code == 1 and "ArtifactBusy" in second.out
    running.kill()
    before = stages(running.printed())
    with pytest.raises(FileNotFoundError):
        Store(place).read("manifest.json")
    apart.cluster.ensure()
    running = apart.submit(job, given, out)
    running.until(lambda: stages(running.printed()), "a stage")
    apart.cluster.kill_worker(0)
    apart.cluster.start_worker(0)
    done = running.wait()
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]
    after = stages(done.out)
    assert after and not set(before) & set(after)
    CASES[job].check(source, place)


@pytest.mark.parametrize("job", CASES)
def test_a_store_that_fails_every_tenth_request(apart: Apart, tmp_path: Path, job: str) -> None:
    source = CASES[job].write(tmp_path, 6)
    place, out = out_of(apart, f"failing-{job}")
    given = apart.put(source)
    with faulty(apart.server) as (behind, faults):
        faults.refuse = lambda number, *_: ("SlowDown", 503) if number % 10 == 0 else None
        Apart(apart.cluster, behind, apart.cache).run(job, given, out)
        assert len(faults.seen) > 100
    CASES[job].check(source, place)
    assert not Store(place.parent).listed(f"failing-{job}.work"), "the work folder is gone"


def test_a_folder_that_no_executor_sees(apart: Apart, tmp_path: Path) -> None:
    edges = write_pairs(tmp_path / "edges.txt", skewed_pairs(7))
    done = apart.submit("communities", apart.put(edges), tmp_path / "out").wait()
    assert done.code == 1 and "an executor cannot see this folder" in done.out
    assert "stage" not in done.out and not (tmp_path / "out" / "manifest.json").exists()
