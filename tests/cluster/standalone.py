"""A standalone Spark cluster on loopback, and `spark-submit` to it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from tests.cluster.events import EventLog
from tests.cluster.processes import LIMIT, MARK, kill, marked, start, until

ROOT = Path(__file__).parents[2]
_PATH = tuple(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
SHORT_LIVED = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""Half of the CPU of a JVM that lives for seconds."""
SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.maxResultSize": "32m",
    "spark.driver.extraJavaOptions": SHORT_LIVED,
    "spark.executor.memory": "512m",
    "spark.executor.extraJavaOptions": SHORT_LIVED,
    "spark.cores.max": "2",  # the job begins when both workers have given theirs
    "spark.scheduler.minRegisteredResourcesRatio": "1",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "600s",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


APART = (
    "unshare", "--mount", "--propagation", "private", "bash", "-c",
    'mount -t tmpfs tmpfs "$1" && mkdir -p "$2/work" "$2/local" && shift 2 && exec "$@"', "worker",
)  # fmt: skip
"""Runs a command with an empty folder in place of the first that follows; the second is in it."""


@dataclass(frozen=True)
class Done:
    """A job that ended.

    Attributes:
        code: exit code.
        out: what it printed and its own log: spark-submit puts both streams of Python there.
        err: the log of Spark.
        log: its event log.
    """

    code: int
    out: str
    err: str
    log: EventLog


@dataclass
class Running:
    """A job that was submitted."""

    process: subprocess.Popen[bytes]
    output: Path
    log: EventLog

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; fail when the job ends before."""

        def held() -> bool:
            if condition():
                return True
            if self.process.poll() is not None:
                raise AssertionError(f"the job ended before {what}:\n{self.wait().err[-3000:]}")
            return False

        until(held, what)

    def printed(self) -> str:
        """What it printed until now."""
        return self.output.read_text("utf-8", "replace")

    def wait(self) -> Done:
        """Wait for the end."""
        try:
            code = self.process.wait(timeout=LIMIT)
        finally:
            kill(self.process)
        out, err = self.output, self.output.with_suffix(".err")
        return Done(code, out.read_text("utf-8"), err.read_text("utf-8"), self.log)

    def kill(self) -> None:
        """Kill the driver, JVM and Python."""
        kill(self.process)


@dataclass
class Cluster:
    """A master and workers of one core, each a JVM of its own; see `standalone`.

    With `hidden`, each worker has mounts of its own: that folder is for it an empty one in memory,
    in which only its own files are. So no path of the driver below it exists for an executor.
    """

    folder: Path
    hidden: Path | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    url: str = ""
    page: str = ""
    master: subprocess.Popen[bytes] | None = None
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)

    def start(self, workers: int, memory: str = "1g") -> None:
        """Start the master, then the workers, on ports that the system gives."""
        name = "org.apache.spark.deploy.master.Master"
        where = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        output = self.folder / "master.out"
        self.master = self._daemon(name, where, output, self.folder / "master")
        self.url = self._logged(self.master, output, r"Starting Spark master at (spark://\S+)")
        self.page = self._logged(self.master, output, r"MasterWebUI.*started at (http://\S+)")
        for number in range(workers):
            self.start_worker(number, memory)
        until(lambda: len(self.alive()) == workers, f"{workers} workers to register")

    def start_worker(self, number: int, memory: str = "1g") -> None:
        """Start worker `number`, with folders of its own."""
        name = "org.apache.spark.deploy.worker.Worker"
        host = f"127.0.0.{number + 1}"  # each its own, as Spark repeats no slow task on one host
        where = ["--host", host, "--port", "0", "--webui-port", "0"]
        output = self.folder / f"worker{number}.out"
        arguments = [*where, "-c", "1", "-m", memory, self.url]
        apart = [*APART, str(self.hidden), str(self.local(number))] if self.hidden else []
        self.workers[number] = self._daemon(name, arguments, output, self.local(number), apart)
        self._logged(self.workers[number], output, r"Successfully registered with master (\S+)")

    def local(self, number: int) -> Path:
        """Where a worker has its shuffle files and the folders of its executors."""
        return self.folder / f"worker{number}"

    def ensure(self) -> None:
        """Start the workers again that a test has killed, and wait for free cores."""
        for number, worker in list(self.workers.items()):
            if worker.poll() is not None:
                self.start_worker(number)
        count = len(self.workers)

        def free() -> bool:
            alive = self.alive()
            return len(alive) == count and not any(worker["coresused"] for worker in alive)

        until(free, "free workers")

    def alive(self) -> list[dict[str, Any]]:
        """The workers as the master knows them."""
        with urlopen(f"{self.page}/json/", timeout=LIMIT) as answer:
            workers = json.load(answer)["workers"]
        return [worker for worker in workers if worker["state"] == "ALIVE"]

    def kill_worker(self, number: int) -> None:
        """Kill a worker with its executors and their Python, as a machine that loses its power."""
        kill(self.workers[number])

    def worker_of(self, pid: int) -> int:
        """The worker below which a process runs."""
        leader = os.getsid(pid)
        return next(n for n, worker in self.workers.items() if worker.pid == leader)

    def submit(
        self,
        job: Sequence[str],
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Running:
        """`spark-submit` a job with a driver of 1 GiB, results of 32 MiB and no broadcasts."""
        number = len(self.running)
        events = self.folder / f"events{number}"
        events.mkdir()
        conf = self.settings() | {
            "spark.eventLog.dir": events.as_uri(),
            "spark.sql.warehouse.dir": str(self.folder / "warehouse"),
        }
        conf |= settings or {}
        command = [str(_home() / "bin" / "spark-submit"), "--master", self.url]
        command += ["--driver-memory", "1g"]
        for key, value in conf.items():
            command += ["--conf", f"{key}={value}"]
        output = self.folder / f"job{number}.out"
        given = self._environment(self.folder / "driver") | dict(environment or {})
        running = Running(start([*command, *job], given, output), output, EventLog(events))
        self.running.append(running)
        return running

    def settings(self) -> dict[str, str]:
        """What every job is submitted with."""
        return dict(SETTINGS)

    def run(self, job: Sequence[str], settings: Mapping[str, str] | None = None) -> Done:
        """Submit a job and wait for its end."""
        return self.submit(job, settings).wait()

    def stop(self) -> None:
        """Stop everything that was started, and whatever is left below it."""
        own = [running.process for running in self.running]
        own += [*self.workers.values(), *([self.master] if self.master else [])]
        for process in own:
            kill(process)
        for process in marked(self.token):
            process.kill()
        psutil.wait_procs(marked(self.token), timeout=30)

    def _daemon(
        self,
        name: str,
        arguments: Sequence[str],
        output: Path,
        local: Path,
        apart: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        command = [*apart, str(_home() / "bin" / "spark-class"), name, *arguments]
        return start(command, self._environment(local), output)

    def _environment(self, local: Path) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
        return kept | {
            MARK: self.token,
            "SPARK_HOME": str(_home()),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(local / "work"),
            "SPARK_LOCAL_DIRS": str(local / "local"),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": SHORT_LIVED,
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *_PATH]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _logged(self, process: subprocess.Popen[bytes], output: Path, pattern: str) -> str:
        log = output.with_suffix(".err")

        def found() -> re.Match[str] | None:
            text = log.read_text("utf-8", "replace")
            match = re.search(pattern, text)
            if match is None and process.poll() is not None:
                raise RuntimeError(f"{process.args} ended:\n{text[-3000:]}")
            return match

        until(found, f"{pattern} in {log}")
        match = found()
        assert match is not None
        return match[1]


@contextmanager
def standalone(
    folder: Path, workers: int = 2, memory: str = "1g", hidden: Path | None = None
) -> Iterator[Cluster]:
    """A cluster that is stopped on the way out, also when it did not start whole.

    Args:
        folder: for its files.
        workers: how many, of one core each.
        memory: of a worker.
        hidden: a folder that workers do not see; see `Cluster`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, hidden=hidden)
    try:
        cluster.start(workers, memory)
        yield cluster
    finally:
        cluster.stop()


def _home() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent
