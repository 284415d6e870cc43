"""How CPU, wall, shuffle, memory and disk of the Spark jobs grow, on a standalone cluster.

    python -m benchmarks.scaling                      every cell that is not done yet, the tables
    python -m benchmarks.scaling --budget-minutes 30  stop after so many CPU minutes
    python -m benchmarks.scaling --job embed          some of the cells (--scale, --workers too)
    python -m benchmarks.scaling --table              the tables of what is done
    python -m benchmarks.scaling --quick              a trial: inputs of a twentieth
    python -m benchmarks.scaling --plot FOLDER        scaling.png of what is done

A cell is a job on 1, 3 or 10 times its smallest input with one or two workers of one core. Cells
are kept under build/bench/scaling, so that a run can be stopped and goes on where it was. Needs
Linux and Java 17.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.report import Report
from benchmarks.scaling.fit import load
from benchmarks.scaling.plot import draw
from benchmarks.scaling.processes import become_reaper
from benchmarks.scaling.study import (
    EMPTY,
    JOBS,
    SCALES,
    WORKERS,
    all_cells,
    known_inverted,
    measure_inverted,
    run_all,
)
from benchmarks.scaling.tables import write

FOLDER = Path("build/bench/scaling")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", action="append", choices=[EMPTY, *JOBS])
    parser.add_argument("--scale", action="append", type=int, choices=SCALES)
    parser.add_argument("--workers", action="append", type=int, choices=WORKERS)
    parser.add_argument("--budget-minutes", type=float, default=120.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    folder, divisor = (chosen.out / "quick", 20) if chosen.quick else (chosen.out, 1)
    if not (chosen.table or chosen.plot):
        cells = [
            cell
            for cell in all_cells(divisor)
            if (not chosen.job or cell.job in chosen.job)
            and (not chosen.scale or cell.job == EMPTY or cell.scale in chosen.scale)
            and (not chosen.workers or cell.workers in chosen.workers)
        ]
        become_reaper()
        run_all(folder, cells, chosen.budget_minutes)
        measure_inverted(folder)
    results = load(folder)
    if chosen.plot:
        print(draw(results, chosen.plot))
        return
    report = Report(folder)
    write(report, results, known_inverted(folder))
    print(report.save())


if __name__ == "__main__":
    main()
