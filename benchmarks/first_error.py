"""From `spark-submit` to the error of an input that is wrong, beside a script that only prints.

    python -m benchmarks.first_error            medians of 5 rounds
    python -m benchmarks.first_error --rounds 1

Wall seconds, and CPU seconds of all processes (JVM and Python) by a control group, as in
`benchmarks.scaling`. A script that only prints takes what Spark's launcher, its JVM and a
bare Python take; what a row has beyond it is of graphagg. Needs Java 17 and Linux.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report
from benchmarks.scaling.processes import meter
from tests.cluster.standalone import ROOT

GOAL = 2.0
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a missing path": ("communities", ("--edges", "nothere.csv", "--out", "index")),
    "a wrong column": (
        "communities", ("--edges", "edges.csv", "--source", "caler", "--out", "index"),
    ),
    "a wrong column, embed": (
        "embed", ("--edges", "edges.parquet", "--target", "calee", "--out", "index"),
    ),
    "an existing output": (
        "query_communities", ("--index", "comm", "--seeds", "seeds.csv", "--out", "taken"),
    ),
    "an output that is no index": ("communities", ("--edges", "edges.csv", "--out", "taken")),
}  # fmt: skip
BARE = "a script that prints"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch, meter() as used:
        folder = Path(scratch)
        prepare(folder)
        figures: dict[str, list[tuple[float, float, str]]] = {}
        for _ in range(rounds):
            for name, (job, options) in {BARE: ("", ()), **CASES}.items():
                script = ROOT / "jobs" / f"{job}.py" if job else folder / "bare.py"
                before, began = used.cpu(), time.monotonic()
                message = error_of(script, options, folder)
                spent = used.cpu() - before, time.monotonic() - began
                figures.setdefault(name, []).append((*spent, message))
    report, bare = Report(Path("build/bench")), medians(figures[BARE])
    report.heading("From spark-submit to an error")
    rows = []
    for name, runs in figures.items():
        cpu, wall = medians(runs)
        more = "" if name == BARE else f"{cpu - bare[0]:.1f} / {wall - bare[1]:.1f}"
        rows.append([name, f"{cpu:.1f}", f"{wall:.1f}", more, runs[-1][-1]])
    report.table(["", "CPU s", "wall s", "beyond the bare script: CPU / wall", "ends with"], rows)
    report.line(f"Medians of {rounds} rounds; the goal is {GOAL:g} s beyond the bare script.")
    print(report.save())


def prepare(folder: Path) -> None:
    """Write the inputs, an index and an output that is taken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graphagg.communities import CommunityIndex

    (folder / "bare.py").write_text("import sys\nsys.exit('error: bare')\n", encoding="utf-8")
    (folder / "edges.csv").write_text("caller,callee\n1,2\n2,3\n3,1\n", encoding="utf-8")
    (folder / "seeds.csv").write_text("seeds\n1\n", encoding="utf-8")
    pq.write_table(pa.table({"caller": [1, 2], "callee": [2, 3]}), folder / "edges.parquet")
    CommunityIndex.build([(1, 2), (2, 3), (3, 1)], folder / "comm").close()
    (folder / "taken").mkdir()
    (folder / "taken" / "part-0.parquet").write_bytes(b"answers of yesterday")


def error_of(script: Path, options: tuple[str, ...], folder: Path) -> str:
    """Submit a script that must fail; the message that it ends with."""
    import pyspark

    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": paths}
    ended = subprocess.run(
        [submit, "--master", "local[1]", script, *options],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode, (script, ended.stdout, ended.stderr)
    lines = [line for line in (ended.stderr + ended.stdout).splitlines() if "error: " in line]
    assert lines, (script, ended.stdout, ended.stderr)
    return lines[-1].partition("error: ")[2]


def medians(runs: list[tuple[float, float, str]]) -> tuple[float, float]:
    """CPU and wall of the run in the middle of each."""
    return statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)


if __name__ == "__main__":
    main()
