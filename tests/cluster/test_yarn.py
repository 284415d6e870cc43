"""Jobs on YARN (two NodeManagers), input, index and work folder on HDFS (two DataNodes).

Python reaches HDFS by WebHDFS, which needs no native library.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyarrow.parquet import read_table

from graphagg.communities import CommunityIndex
from graphagg.embedding import NodeEmbedding
from graphagg.rag import PassageIndex, read_passages
from graphagg.store.remote import address
from graphagg.store.remote.files import Store
from graphagg.store.remote.pushing import push
from tests.cluster.cases import CASES, REFUSED, stages
from tests.cluster.inputs import SKETCH_OPTIONS
from tests.cluster.jars import MINICLUSTER
from tests.cluster.processes import MARK, kill, marked, start, until
from tests.cluster.standalone import ROOT, SHORT_LIVED, Cluster, Running

pytestmark = pytest.mark.cluster
JOBS, SUBMITTED = ROOT / "jobs", ROOT / "tests" / "cluster" / "submitted.py"
DEMO = ROOT / "graphagg" / "rag" / "demo"


@dataclass
class Yarn(Cluster):
    """A minicluster to which jobs are submitted."""

    web: str = ""

    def settings(self) -> dict[str, str]:
        """Without the driver's address: in mode `cluster` it is where YARN puts it."""
        known = super().settings()
        return {key: value for key, value in known.items() if not key.startswith("spark.driver.")}

    def _environment(self, local: Path) -> dict[str, str]:
        known = {"HADOOP_CONF_DIR": str(self.folder), "HADOOP_USER_NAME": "root"}
        return super()._environment(local) | known


@pytest.fixture(scope="module")
def yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    if not MINICLUSTER.paths() or shutil.which("javac") is None:
        pytest.skip("no minicluster, or no JDK; `make cluster-tools` brings the jars")
    folder = tmp_path_factory.mktemp("yarn")
    token = secrets.token_hex(8)
    path = os.pathsep.join(map(str, MINICLUSTER.paths()))
    source = str(ROOT / "tests" / "cluster" / "Minicluster.java")
    command = [
        "java",
        *SHORT_LIVED.split(),
        "-Xmx700m",
        f"-Dtest.build.data={folder}",
        "-cp",
        path,
        source,
        str(folder),
    ]
    environment = os.environ | {MARK: token, "PYTHONDONTWRITEBYTECODE": "1"}
    for left in ("HADOOP_HOME", "HADOOP_CONF_DIR"):
        environment.pop(left, None)
    process = start(command, environment, folder / "minicluster.out")
    try:
        until(lambda: (folder / "ready").exists() or process.poll() is not None, "the minicluster")
        assert process.poll() is None, (folder / "minicluster.err").read_text()[-3000:]
        web = urlsplit((folder / "ready").read_text()).netloc
        yield Yarn(folder, token=token, url="yarn", web=web)
    finally:
        kill(process)
        for left in marked(token):
            left.kill()


def submit(
    yarn: Yarn, folder: Path, script: Path, *arguments: object, mode: str, **more: str
) -> Running:
    """Submit a job whose driver runs here (`client`) or in a container (`cluster`)."""
    environment = yarn._environment(folder)
    own = {
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": environment["PYSPARK_PYTHON"],
        "GRAPHAGG_CACHE": str(folder / "cache"),
    }
    # The jars of PySpark lack what Hadoop's client of WebHDFS needs; those of Hadoop have it.
    client = next(str(path) for path in MINICLUSTER.paths() if "minicluster" in path.name)
    settings = {
        "spark.submit.deployMode": mode,
        "spark.driver.memory": "512m",
        "spark.yarn.am.memory": "512m",
        "spark.executor.instances": "2",
        "spark.driver.extraClassPath": client,
        "spark.executor.extraClassPath": client,
        "spark.yarn.jars": f"local:{environment['SPARK_HOME']}/jars/*",
        **{f"spark.yarn.appMasterEnv.{key}": value for key, value in own.items()},
        **{f"spark.executorEnv.{key}": value for key, value in own.items()},
        **more,
    }
    return yarn.submit([str(script), *map(str, arguments)], settings, own)


def run(yarn: Yarn, folder: Path, script: Path, *arguments: object, mode: str) -> None:
    """The same, to its end."""
    done = submit(yarn, folder, script, *arguments, mode=mode).wait()
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]


def put(yarn: Yarn, path: Path) -> str:
    """Bring a file to HDFS; its address."""
    Store(address(f"webhdfs://{yarn.web}/in")).write(path.name, path)
    return f"hdfs:///in/{path.name}"


def rows(place: Any) -> list[dict[str, Any]]:
    """What a job wrote as Parquet."""
    store = Store(place)
    names = [name for name in store.listed() if name.endswith(".parquet")]
    return [row for name in names for row in read_table(BytesIO(store.read(name))).to_pylist()]


def test_passages(yarn: Yarn, tmp_path: Path) -> None:
    """Python reaches HDFS by WebHDFS, which is no shared disk; the driver runs in a container."""
    source, place = CASES["passages"].write(tmp_path, 1), address(f"webhdfs://{yarn.web}/passages")
    run(yarn, tmp_path, SUBMITTED, "passages", put(yarn, source), place, mode="cluster")
    CASES["passages"].check(source, place)
    assert not Store(place.parent).listed("passages.work"), "the work folder is gone"


def test_the_scripts_of_jobs(yarn: Yarn, tmp_path: Path) -> None:
    """An index of communities, an embedding, and a table of answers from each."""
    edges, at = CASES["embed"].write(tmp_path, 2), f"webhdfs://{yarn.web}/scripts"
    mode = "cluster"
    given = ("--edges", put(yarn, edges))
    index, vectors = f"{at}/comm", f"{at}/emb"
    run(yarn, tmp_path, JOBS / "communities.py", *given, "--out", index, *SKETCH_OPTIONS, mode=mode)
    CASES["communities"].check(edges, address(index))
    options = ("--dim", 8, "--pieces", 3, "--max-piece-edges", 4000)
    run(yarn, tmp_path, JOBS / "embed.py", *given, "--out", vectors, *options, mode=mode)
    CASES["embed"].check(edges, address(vectors))
    (tmp_path / "asked.csv").write_text("seeds,vertex\n7,7\n3,3\n")
    asked = put(yarn, tmp_path / "asked.csv")
    for name, place, table in (
        ("query_communities", index, "--seeds"),
        ("neighbors", vectors, "--vertices"),
    ):
        words = ("--index", place, table, asked, "-k", 4, "--out", f"{at}/{name}")
        run(yarn, tmp_path, JOBS / f"{name}.py", *words, mode=mode)
    with CommunityIndex.open(edges.with_name("communities")) as one:
        found = [
            (int(row["seeds"]), row["member"]) for row in rows(address(f"{at}/query_communities"))
        ]
        assert sorted(found) == sorted((v, m.id) for v in (3, 7) for m in one.query([v], 4).members)
    with NodeEmbedding.open(address(vectors)) as other:
        found = [(int(row["vertex"]), row["neighbor"]) for row in rows(address(f"{at}/neighbors"))]
        wanted = sorted((v, near.id) for v in (3, 7) for near in other.neighbors(v, 4))
        assert sorted(found) == wanted


def test_passages_for_a_table_of_questions(yarn: Yarn, tmp_path: Path) -> None:
    """By the models that the index names, which each executor loads."""
    place = address(f"webhdfs://{yarn.web}/retrieve/idx")
    with PassageIndex.build(read_passages(DEMO / "passages.jsonl"), tmp_path / "idx") as index:
        push(tmp_path / "idx", place)
        lines = (DEMO / "questions.jsonl").read_text(encoding="utf-8").splitlines()[:3]
        asked = [json.loads(line)["question"] for line in lines]
        wanted = [hit.passage.id for hits in index.retrieve_batch(asked, 3) for hit in hits]
    (tmp_path / "asked.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    out = f"webhdfs://{yarn.web}/retrieve/out"
    words = ("--index", place, "--questions", put(yarn, tmp_path / "asked.jsonl"), "-k", 3)
    run(yarn, tmp_path, JOBS / "retrieve.py", *words, "--out", out, mode="client")
    ranked = sorted(rows(address(out)), key=lambda row: (asked.index(row["question"]), row["rank"]))
    assert [row["passage"] for row in ranked] == wanted


@pytest.mark.parametrize("job", CASES)
def test_a_killed_driver_and_the_same_command_again(yarn: Yarn, tmp_path: Path, job: str) -> None:
    """While the first one runs, another job is refused."""
    source = CASES[job].write(tmp_path, 3)
    place = address(f"webhdfs://{yarn.web}/killed-{job}")
    words = (job, put(yarn, source), place)
    running = submit(yarn, tmp_path, SUBMITTED, *words, "--stages", 2, mode="client")
    running.until(lambda: len(stages(running.printed())) == 2, "two stages")
    if job == "communities":
        second = submit(yarn, tmp_path, SUBMITTED, *words, "--force", mode="client", **REFUSED)
        assert second.wait().code == 1 and "ArtifactBusy" in second.printed()
    running.kill()
    before = stages(running.printed())
    done = submit(yarn, tmp_path, SUBMITTED, *words, mode="client").wait()
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]
    assert stages(done.out) and not set(before) & set(stages(done.out))
    CASES[job].check(source, place)
