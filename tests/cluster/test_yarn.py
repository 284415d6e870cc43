"""A job on YARN (two NodeManagers), input and index on HDFS (two DataNodes).

Python reaches HDFS by WebHDFS, which needs no native library. Spark's own client of WebHDFS lacks
classes in the jars that PySpark comes with, so that the work folder is on a disk here.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from graphagg.communities import CommunityIndex
from graphagg.store import manifest_at
from graphagg.store.remote import address
from graphagg.store.remote.files import Store
from tests.cluster.inputs import SKETCH, skewed_pairs, write_pairs
from tests.cluster.jars import MINICLUSTER
from tests.cluster.processes import MARK, kill, marked, start, until
from tests.cluster.standalone import ROOT, SHORT_LIVED, Cluster

pytestmark = pytest.mark.cluster


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


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_communities(yarn: Yarn, tmp_path: Path, mode: str) -> None:
    edges = write_pairs(tmp_path / "edges.txt", skewed_pairs(1))
    Store(address(f"webhdfs://{yarn.web}/in")).upload(edges, edges.name)
    out, python = f"webhdfs://{yarn.web}/{mode}", yarn._environment(tmp_path)["PYSPARK_PYTHON"]
    own = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": python, "GRAPHAGG_CACHE": str(tmp_path / "c")}
    settings = {
        "spark.submit.deployMode": mode,
        "spark.driver.memory": "512m",
        "spark.yarn.am.memory": "512m",
        "spark.executor.instances": "2",
        "spark.yarn.jars": f"local:{yarn._environment(tmp_path)['SPARK_HOME']}/jars/*",
        **{f"spark.yarn.appMasterEnv.{key}": value for key, value in own.items()},
        **{f"spark.executorEnv.{key}": value for key, value in own.items()},
    }
    job = [str(ROOT / "jobs" / "communities.py"), "--edges", f"hdfs:///in/{edges.name}"]
    job += ["--out", out, "--work", str(tmp_path / "work"), "--permutations", "32"]
    job += ["--bands", "16", "--rows", "2"]
    done = yarn.submit(job, settings, own).wait()
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]
    with CommunityIndex.build(edges, tmp_path / "alone", config=SKETCH) as alone:
        assert manifest_at(out).to_json() == alone.manifest.to_json()
