"""The cells of the study: a job, a size of its input and a number of workers, each a JSON file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil

from benchmarks.scaling.events import SETTINGS, Events, read_events
from benchmarks.scaling.fit import InvertedFile
from benchmarks.scaling.processes import Mark, Meter, Watch, meter, reap_orphans
from tests.cluster.standalone import SHORT_LIVED, Cluster, standalone

ROOT = Path(__file__).parents[2]
SCALES = (1, 3, 10)
WORKERS = (1, 2)
EMPTY, EMPTY_RUNS, MODELS = "empty", 3, "trigraph-models"
INVERTED, INVERTED_VECTORS = "inverted.json", 50_000
SHUFFLE_PARTITIONS = 4  # at 1x: what a task of a join holds stays the same
EXECUTOR_MEMORY, WORKER_MEMORY = "1g", "3g"
_SETTLE = 30.0  # seconds that executors may take to end
_LONGEST = 3 * 3600.0


@dataclass(frozen=True)
class Job:
    """What is measured.

    Attributes:
        unit: what its input is counted in.
        base: how many at 1x.
        options: of the script, but for input and output.
        scales: sizes that are run.
        models: whether the small encoder is given.
    """

    script: str
    unit: str
    base: int
    options: tuple[str, ...]
    scales: tuple[int, ...] = SCALES
    models: bool = False


JOBS = {
    "communities": Job("communities", "edges", 4_500_000, ()),
    "embed": Job(
        "embed", "edges", 45_000, ("--max-piece-edges", "30000", "--partitioner", "streaming")
    ),
    "trigraph": Job("trigraph", "passages", 3_000, ("--passages-per-task", "500"), models=True),
    MODELS: Job(  # what the default models cost a passage
        "trigraph", "passages", 500, ("--passages-per-task", "250"), scales=(1, 3)
    ),
}


@dataclass(frozen=True)
class Cell:
    """A job on so many times its smallest input, `amount` edges or passages.

    Of the empty job, `scale` counts the runs.
    """

    job: str
    scale: int
    workers: int
    amount: int

    @property
    def file(self) -> str:
        """Name of its result."""
        return f"{self.job}_{self.scale}x_{self.workers}w.json"


def all_cells(divisor: int = 1) -> list[Cell]:
    """Every cell, two workers first, small inputs before large ones; divided for a trial."""
    cells = []
    for workers in reversed(WORKERS):
        cells += [Cell(EMPTY, run, workers, 0) for run in range(EMPTY_RUNS)]
        cells += [
            Cell(name, scale, workers, job.base * scale // divisor)
            for scale in SCALES
            for name, job in JOBS.items()
            if scale in job.scales and (name != MODELS or workers == 1)
        ]
    return cells


def run_all(folder: Path, cells: Iterable[Cell], minutes: float) -> None:
    """Run what is not there yet, until so many CPU minutes are used; a cell that fails is told."""
    missing = [cell for cell in cells if not (folder / cell.file).exists()]
    with meter() as used:
        for workers, group in groupby(missing, key=lambda cell: cell.workers):
            shutil.rmtree(folder / "cluster", ignore_errors=True)
            with standalone((folder / "cluster").absolute(), workers, WORKER_MEMORY) as running:
                for cell in group:
                    if used.cpu() < 60 * minutes:
                        _run_told(cell, folder, running, used)
        spent = used.cpu() / 60
    shutil.rmtree(folder / "cluster", ignore_errors=True)
    left = sum(not (folder / cell.file).exists() for cell in missing)
    print(f"{spent:.1f} CPU minutes used, {left} cells left", file=sys.stderr, flush=True)


def _run_told(cell: Cell, folder: Path, running: Cluster, used: Meter) -> None:
    try:
        found = run_cell(cell, folder, running, used)
    except (subprocess.SubprocessError, RuntimeError) as error:
        print(f"{cell}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return
    shown = {key: found[key] for key in ("cpu", "wall", "shuffle_written", "executor_pss")}
    print(cell, shown, file=sys.stderr, flush=True)


def run_cell(cell: Cell, folder: Path, running: Cluster, used: Meter) -> dict[str, Any]:
    """Submit a cell's job to a cluster and keep what it took."""
    scratch = (folder / "scratch").absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    job, settings = _arguments(cell, folder, scratch), SETTINGS | _settings(cell)
    watched = {"index": scratch / "out", "work": scratch / "out.work", "spark": running.folder}
    workers = [process.pid for process in running.workers.values()]
    before, began, wall_clock = used.cpu(), time.monotonic(), time.time()
    submitted = running.submit(job, settings)
    try:
        with Watch(workers, submitted.process.pid, watched, lambda: used.cpu() - before) as watch:
            code = submitted.process.wait(_LONGEST)
    finally:
        submitted.kill()
    wall = time.monotonic() - began
    _settle(running)
    cpu = used.cpu() - before
    if code:
        kept = shutil.copy(submitted.output.with_suffix(".err"), folder / f"failed_{cell.job}.log")
        raise RuntimeError(f"exit code {code}; see {kept}")
    events = read_events(submitted.log)
    found = {**asdict(cell), "cpu": round(cpu, 2), "wall": round(wall, 2), "meter": used.name}
    found |= _memory_and_disk(watch, scratch) | _of_events(events)
    found["phases"] = phases(watch.peaks.marks, events, wall_clock, wall, cpu)
    _keep(folder / cell.file, found)
    shutil.rmtree(scratch)
    return found


def _settings(cell: Cell) -> dict[str, str]:
    return {
        "spark.driver.extraJavaOptions": SHORT_LIVED,  # it computes nothing
        "spark.executor.extraJavaOptions": SHORT_LIVED,  # one core; large inputs would gain without
        "spark.cores.max": str(cell.workers),
        "spark.executor.memory": EXECUTOR_MEMORY,
        "spark.sql.shuffle.partitions": str(SHUFFLE_PARTITIONS * max(cell.scale, 1)),
        "spark.sql.files.maxPartitionBytes": "8m",
    }


def _arguments(cell: Cell, folder: Path, scratch: Path) -> list[str]:
    """The script and its options."""
    if cell.job == EMPTY:
        return [str(Path(__file__).with_name("empty_job.py"))]
    job = JOBS[cell.job]
    source = input_of(cell.job, cell.amount, folder / "inputs").absolute()
    given = ["--passages" if job.unit == "passages" else "--edges", str(source)]
    if job.models:
        encoder = (folder / "inputs" / "encoder").absolute()
        _made(encoder, "encoder")
        given += ["--encoder", str(encoder)]
        given += ["--extractor", "blank:en"]
    script = str(ROOT / "jobs" / f"{job.script}.py")
    return [script, *given, "--out", str(scratch / "out"), *job.options]


def input_of(job: str, amount: int, folder: Path) -> Path:
    """The generated input, made once, in a process of its own: ours stays small."""
    passages = JOBS[job].unit == "passages"
    path = folder / (f"passages-{amount}.jsonl" if passages else f"edges-{amount}.parquet")
    _made(path, "inputs", "passages" if passages else "graph", str(amount))
    return path


def _made(path: Path, module: str, *arguments: str) -> None:
    """Have a module of this package write a file or folder that is not there yet."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.absolute().with_name(f"partial-{path.name}")
    command = [sys.executable, "-m", f"benchmarks.scaling.{module}", *arguments, str(partial)]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    partial.replace(path)


def measure_inverted(folder: Path) -> InvertedFile:
    """CPU of an inverted file, run once in a process of its own."""
    path = folder / INVERTED
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.scaling.inverted_job", str(INVERTED_VECTORS)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        _keep(path, json.loads(done.stdout))
    found = known_inverted(folder)
    assert found is not None
    return found


def known_inverted(folder: Path) -> InvertedFile | None:
    """The same where it was run before, else None."""
    path = folder / INVERTED
    if not path.exists():
        return None
    return InvertedFile(**json.loads(path.read_text(encoding="utf-8")))


def _settle(running: Cluster) -> None:
    """Wait until executors have ended, so that all of their CPU is counted."""
    end = time.monotonic() + _SETTLE
    processes = [*running.workers.values(), *([running.master] if running.master else [])]
    daemons = {process.pid for process in processes}
    while time.monotonic() < end:
        reap_orphans(daemons)
        left = [
            p
            for p in psutil.Process().children(recursive=True)
            if p.pid not in daemons and not _ended(p)
        ]
        if not left:
            return
        time.sleep(0.1)
    raise RuntimeError(f"still running after {_SETTLE:g} s: {left}")


def _ended(process: psutil.Process) -> bool:
    """Also of what a daemon has started and never waits for."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _memory_and_disk(watch: Watch, scratch: Path) -> dict[str, int]:
    peaks = watch.peaks
    index = sum(p.stat().st_size for p in (scratch / "out").rglob("*") if p.is_file())
    return {
        "executor_pss": peaks.executor.pss,
        "executor_anonymous": peaks.executor.anonymous,
        "driver_pss": peaks.driver.pss,
        "index": index,
        "index_peak": peaks.disk["index"],
        "work_peak": peaks.disk["work"],
        "spark_peak": peaks.disk["spark"],
        "looks": peaks.looks,
    }


def _of_events(events: Events) -> dict[str, Any]:
    return {
        "stages": len(events.stages),
        "tasks": events.tasks,
        "shuffle_written": events.shuffle_written,
        "shuffle_read": events.shuffle_read,
        "spilled": events.spilled,
        "jvm_peak": events.jvm_peak,
        "largest_result": events.largest_result,
        "broadcasts": list(events.broadcasts),
    }


def phases(
    marks: list[Mark], events: Events, began: float, wall: float, cpu: float
) -> list[dict[str, Any]]:
    """What each phase took, from the end of the one before; phases seen at one look share a row."""
    ends: list[tuple[str, float, float]] = []
    for mark in marks:
        if ends and ends[-1][1] == mark.wall:
            ends[-1] = (f"{ends[-1][0]}+{mark.name}", mark.wall, mark.cpu)
        else:
            ends.append((mark.name, mark.wall, mark.cpu))
    ends.append(("rest", wall, cpu))
    return list(_differences(ends, events, began))


def _differences(
    ends: list[tuple[str, float, float]], events: Events, began: float
) -> Iterator[dict[str, Any]]:
    last_wall = last_cpu = 0.0
    for name, wall, cpu in ends:
        held = [s for s in events.stages.values() if last_wall < s.submitted - began <= wall]
        yield {
            "phase": name,
            "wall": round(wall - last_wall, 2),
            "cpu": round(cpu - last_cpu, 2),
            "stages": len(held),
            "tasks": sum(s.tasks for s in held),
            "run": round(sum(s.run for s in held), 2),
            "jvm_cpu": round(sum(s.jvm_cpu for s in held), 2),
            "shuffle_written": sum(s.shuffle_written for s in held),
        }
        last_wall, last_cpu = wall, cpu


def _keep(path: Path, found: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
