"""Communities and embeddings of large graphs in one process, by size.

    python -m benchmarks.graphs.large        run missing sizes, then print the tables
    python -m benchmarks.graphs.large --job embed --edges 1e6 --edges 1e7
    python -m benchmarks.graphs.large --file edges.npy --kind two-mode --name linux
    python -m benchmarks.graphs.large --table                    only the tables

Each size of each job is saved in a file under build/bench/large, so an interrupted run can resume;
an interrupted build of communities resumes too. Graphs are generated: a power law of degrees, ten
edges per vertex, three in four within groups of 500 (`benchmarks.scaling.inputs`). Linux only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.graphs.large.asking import METHODS
from benchmarks.measure import ONE_THREAD
from benchmarks.report import Report, parser_of
from benchmarks.scaling.inputs import write_edges

FOLDER = Path("build/bench/large")
JOBS = {
    "communities": (1e6, 1e7, 1e8),
    "embed": (1e6, 1e7),
    "communities-spark": (1e6, 1e7),
    "embed-spark": (1e6,),
    "datasketch": (1e6,),
    "rensa": (1e6,),
}
PROJECTED = 10**9


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--job", choices=JOBS, action="append")
    parser.add_argument("--edges", type=float, action="append", help="sizes; default: by job")
    parser.add_argument("--file", type=Path, help="your own graph instead of a generated one")
    parser.add_argument("--kind", default="undirected")
    parser.add_argument("--name", help="name of the graph of --file")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for job in [] if chosen.table else chosen.job or JOBS:
        if chosen.file:
            name = chosen.name or chosen.file.stem
            run(chosen.out, job, name, chosen.file, chosen.kind)
            continue
        for edges in chosen.edges or JOBS[job]:
            run(chosen.out, job, f"{edges:.0e}".replace("e+0", "e"), int(edges), chosen.kind)
    report = Report(chosen.out)
    for job in JOBS:
        write(report, job, results(chosen.out, job))
    print(report.save())


def run(folder: Path, job: str, name: str, source: Path | int, kind: str) -> None:
    """Measure a build, unless its result already exists."""
    result = folder / f"{job}.{name}.json"
    if result.exists():
        return
    path = source
    if isinstance(source, int):
        path = folder / f"edges.{name}.parquet"
        if not path.exists():
            part = path.with_suffix(".part")
            write_edges(part, source)
            os.replace(part, path)
    index = folder / f"{job}.{name}"
    command = [sys.executable, "-m", "benchmarks.graphs.large.cell", job, path, index, result, kind]
    print(f"{job} {name}", file=sys.stderr, flush=True)
    ended = subprocess.run(list(map(str, command)), env=os.environ | ONE_THREAD, check=False)
    if ended.returncode:
        print(f"{job} {name}: exit code {ended.returncode}", file=sys.stderr)
        return
    for left in (index, Path(f"{index}.warm"), Path(f"{index}.spark")):
        shutil.rmtree(left, ignore_errors=True)


def results(folder: Path, job: str) -> dict[str, dict[str, Any]]:
    """Return the measurements by name, smallest graph first."""
    found = {
        path.name.split(".")[1]: json.loads(path.read_text(encoding="utf-8"))
        for path in folder.glob(f"{job}.*.json")
    }
    return dict(sorted(found.items(), key=lambda item: item[1]["counts"]["edges"]))


def write(report: Report, job: str, found: dict[str, dict[str, Any]]) -> None:
    """Report a table of a job's sizes, and the slope over the generated graphs."""
    if not found:
        return
    report.heading(f"Large graphs: {job}")
    header = ["graph", "edges", "vertices", "CPU s", "us per edge", "wall s", "peak GiB",
              "bytes per edge"]  # fmt: skip
    asked = [*METHODS, "hubs"] if job == "communities" else []
    rows = []
    for name, each in found.items():
        edges = each["counts"]["edges"]
        queries = each.get("queries") or dict.fromkeys(asked, (np.nan, np.nan))
        rows.append(
            [
                name, f"{edges:,}", f"{each['counts']['vertices']:,}", round(each["cpu"], 1),
                f"{1e6 * each['cpu'] / edges:.2f}", round(each["wall"]),
                f"{each['peak'] / 2**30:.2f}", f"{each['bytes'] / edges:.0f}",
                *(f"{queries[a][0]:.2f} / {queries[a][1]:.2f}" for a in asked),
            ]
        )  # fmt: skip
    report.table([*header, *(f"{name}, ms p50 / p99" for name in asked)], rows)
    sizes = {name: each for name, each in found.items() if name[:1].isdigit()}
    if len(sizes) > 1:
        logs = np.log([[e["counts"]["edges"], e["cpu"], max(e["peak"], 1)] for e in sizes.values()])
        cpu, peak = (float(np.polyfit(logs[:, 0], logs[:, i], 1)[0]) for i in (1, 2))
        report.line(f"Slope over {', '.join(sizes)} edges: CPU {cpu:.2f}, peak {peak:.2f}.")
        if job.endswith("-spark"):
            largest = max(sizes.values(), key=lambda each: each["counts"]["edges"])
            times = PROJECTED / largest["counts"]["edges"]
            hours = largest["cpu"] * times ** max(cpu, 1.0) / 3600
            report.line(f"At this slope, or 1, {PROJECTED:.0e} edges take {hours:.1f} core hours.")


if __name__ == "__main__":
    main()
