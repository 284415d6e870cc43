"""HDFS on loopback: a name node and two data nodes in one Java process, with a disk behind them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.store_remote.tools import HADOOP, jars

_MAIN = "org.apache.hadoop.test.MiniDFSClusterManager"
_OF_SPARK = ("hadoop-client", "slf4j-", "log4j-", "jcl-", "commons-", "jackson-", "jakarta.")
_PATIENCE = 1200.0  # seconds after which something hangs, on a machine that others use too


def missing() -> str | None:
    """Why HDFS cannot be started; None: it can."""
    if shutil.which("java") is None:
        return "no Java"
    if not all(path.exists() for path in jars()):
        return "no jars of Hadoop; `make cluster-tools` brings them"
    if not any(path.name == f"hadoop-client-api-{HADOOP}.jar" for path in _of_spark()):
        return f"PySpark brings another Hadoop than {HADOOP}"
    return None


@contextmanager
def serving_hdfs(folder: Path) -> Iterator[str]:
    """Start HDFS over an empty folder; gives `HOST:PORT` of WebHDFS."""
    ports = _free_ports(2)
    command = [
        "java", "-Xmx600m", f"-Dtest.build.data={folder / 'data'}", f"-Dhadoop.log.dir={folder}",
        "-cp", os.pathsep.join(map(str, [*jars(), *_of_spark()])), _MAIN, "-datanodes", "2",
        "-nnport", str(ports[0]), "-httpport", str(ports[1]), "-format",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        address = f"127.0.0.1:{ports[1]}"
        _wait(process, address, folder / "log")
        yield address
    finally:
        process.kill()
        process.wait()


def _of_spark() -> list[Path]:
    spark = find_spec("pyspark")
    if spark is None or spark.origin is None:
        return []
    found = sorted((Path(spark.origin).parent / "jars").glob("*.jar"))
    return [path for path in found if path.name.startswith(_OF_SPARK)]


def _free_ports(many: int) -> list[int]:
    sockets = [socket.socket() for _ in range(many)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    asked = f"http://{address}/webhdfs/v1/ready?op=CREATE&noredirect=true&user.name=root"
    place = urllib.request.Request(asked, method="PUT")  # refused until a data node is there
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(place, timeout=60):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"HDFS did not start: {log.read_text(errors='replace')[-2000:]}")
