"""Growth of CPU, wall, shuffle, memory and disk of the Spark jobs, on a standalone cluster.

    python -m benchmarks.scaling                      all missing cells, then the tables
    python -m benchmarks.scaling --budget-minutes 30  stop after 30 CPU minutes
    python -m benchmarks.scaling --job embed          some of the cells (--scale, --workers too)
    python -m benchmarks.scaling --table              only the tables of finished cells
    python -m benchmarks.scaling --quick              a trial with inputs of a twentieth of the size

A cell is a job on a multiple of its smallest input, with one or two workers of one core. Results of
cells are saved in build/bench/scaling, so an interrupted run can resume. This needs Java 17, and
Linux with permission to create a control group (as root, or a delegated one).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.measure import in_process
from benchmarks.report import Report, parser_of
from benchmarks.scaling.cells import EMPTY, JOBS, SCALES, WORKERS, Cell, all_cells, load
from benchmarks.scaling.inputs import write_edges, write_encoder, write_passages
from benchmarks.scaling.processes import GroupMeter, Watch, meter
from benchmarks.scaling.tables import write
from tests.cluster.events import EventLog
from tests.cluster.standalone import ROOT, SHORT_LIVED, Cluster, standalone

FOLDER = Path("build/bench/scaling")
JOINED = 1_000_000  # edges per task of a join
SHUFFLE_PARTITIONS = 4  # minimum
EXECUTOR_MEMORY, WORKER_MEMORY = "1g", "3g"
_LONGEST = 3 * 3600.0


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--job", action="append", choices=[EMPTY, *JOBS])
    parser.add_argument("--scale", action="append", type=int, choices=SCALES)
    parser.add_argument("--workers", action="append", type=int, choices=WORKERS)
    parser.add_argument("--budget-minutes", type=float, default=120.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    folder, divisor = (chosen.out / "quick", 20) if chosen.quick else (chosen.out, 1)
    if not chosen.table:
        cells = [
            cell
            for cell in all_cells(divisor)
            if (not chosen.job or cell.job in chosen.job)
            and (not chosen.scale or cell.job == EMPTY or cell.scale in chosen.scale)
            and (not chosen.workers or cell.workers in chosen.workers)
        ]
        run_all(folder, cells, chosen.budget_minutes)
    results = load(folder)
    report = Report(folder)
    write(report, results)
    print(report.save())


def run_all(folder: Path, cells: Iterable[Cell], minutes: float) -> None:
    """Run the missing cells until `minutes` of CPU are used; report failed cells."""
    missing = [cell for cell in cells if not (folder / cell.file).exists()]
    with meter() as used:
        for workers, group in groupby(missing, key=lambda cell: cell.workers):
            shutil.rmtree(folder / "cluster", ignore_errors=True)
            with standalone((folder / "cluster").absolute(), workers, WORKER_MEMORY) as running:
                for cell in group:
                    if used.cpu() < 60 * minutes:
                        try:
                            print(run_cell(cell, folder, running, used), file=sys.stderr)
                        except (subprocess.SubprocessError, RuntimeError) as error:
                            print(f"{cell}: {type(error).__name__}: {error}", file=sys.stderr)
        spent = used.cpu() / 60
    shutil.rmtree(folder / "cluster", ignore_errors=True)
    left = sum(not (folder / cell.file).exists() for cell in missing)
    print(f"{spent:.1f} CPU minutes used, {left} cells left", file=sys.stderr, flush=True)


def run_cell(cell: Cell, folder: Path, running: Cluster, used: GroupMeter) -> dict[str, Any]:
    """Submit a cell's job to a cluster and save its cost."""
    scratch = (folder / "scratch").absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    job, settings = arguments(cell, folder, scratch), settings_of(cell)
    workers = [process.pid for process in running.workers.values()]
    before, began = used.cpu(), time.monotonic()
    submitted = running.submit(job, settings)
    try:
        with Watch(workers, scratch) as watch:
            code = submitted.process.wait(_LONGEST)
    finally:
        submitted.kill()
    wall = time.monotonic() - began
    running.ensure()  # executors have stopped, so all their CPU is counted
    if code:
        kept = shutil.copy(submitted.output.with_suffix(".err"), folder / f"failed_{cell.job}.log")
        raise RuntimeError(f"exit code {code}; see {kept}")
    figures = asdict(cell) | {
        "cpu": round(used.cpu() - before, 2),
        "wall": round(wall, 2),
        "executor_pss": watch.executor,
        "work_peak": watch.disk,
        "index": sum(p.stat().st_size for p in (scratch / "out").rglob("*") if p.is_file()),
        **of_events(submitted.log),
    }
    partial = (folder / cell.file).with_suffix(".partial")
    partial.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / cell.file)
    shutil.rmtree(scratch)
    return figures


def of_events(log: EventLog) -> dict[str, int]:
    """Read the number of tasks and the bytes of shuffles and spills from Spark's event log."""
    ended = log.events("SparkListenerTaskEnd")
    metrics = [event["Task Metrics"] for event in ended if event.get("Task Metrics")]
    return {
        "tasks": len(metrics),
        "shuffle_written": log.shuffled(),
        "spilled": sum(each["Disk Bytes Spilled"] for each in metrics),
    }


def settings_of(cell: Cell) -> dict[str, str]:
    return {
        "spark.driver.extraJavaOptions": SHORT_LIVED,  # the driver computes nothing
        "spark.executor.extraJavaOptions": "-XX:+UseSerialGC",  # one core
        "spark.cores.max": str(cell.workers),
        "spark.executor.memory": EXECUTOR_MEMORY,
        "spark.sql.shuffle.partitions": str(max(SHUFFLE_PARTITIONS, cell.amount // JOINED)),
        "spark.sql.files.maxPartitionBytes": "8m",
    }


def arguments(cell: Cell, folder: Path, scratch: Path) -> list[str]:
    """Return the script and its options; generate missing inputs."""
    if cell.job == EMPTY:
        return [str(Path(__file__).with_name("empty_job.py"))]
    job, inputs = JOBS[cell.job], (folder / "inputs").absolute()
    inputs.mkdir(parents=True, exist_ok=True)
    if job.unit == "edges":
        source = inputs / f"edges-{cell.amount}.parquet"
        generate(source, write_edges, count=cell.amount)
        given = ["--edges", str(source)]
    else:
        source, encoder = inputs / f"passages-{cell.amount}.jsonl", inputs / "encoder"
        generate(source, write_passages, count=cell.amount)
        generate(encoder, write_encoder)
        given = ["--passages", str(source), "--encoder", str(encoder), "--extractor", "rule:en"]
    script = str(ROOT / "jobs" / f"{cell.job}.py")
    return [script, *given, "--out", str(scratch / "out"), *job.options]


def generate(path: Path, write: Callable[..., None], **options: int) -> None:
    """Write a missing input in a separate process, so that this process stays small."""
    if not path.exists():
        partial = path.with_name(f"partial-{path.name}")
        in_process(write, path=partial, **options)
        partial.replace(path)


if __name__ == "__main__":
    main()
