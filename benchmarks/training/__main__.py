"""`make bench-train`: GPS, GatedGCN, LCM, trees and PyG's GCN, GIN and SAGE in one training loop.

    python -m benchmarks.training                      all missing cells, then the table
    python -m benchmarks.training --budget-minutes 60  stop after 60 CPU minutes
    python -m benchmarks.training --set Cora --split 0 some of the cells
    python -m benchmarks.training --table              only the table of finished cells
    python -m benchmarks.training --known              start from docs/training-cells.json
    python -m benchmarks.training --table --save       write finished cells to that file
    python -m benchmarks.training --quick              three small cells, a few epochs each

Results of cells are saved in build/bench/training, so an interrupted run can resume.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from benchmarks.report import parser_of
from benchmarks.training import kept
from benchmarks.training.cells import SETS, all_cells, file_of, quick_cells, run_cell
from benchmarks.training.models import MODELS
from benchmarks.training.table import by_split, markdown

FOLDER = Path("build/bench/training")
KNOWN = Path("docs/training-cells.json")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--split", action="append", type=int)
    parser.add_argument("--quick", action="store_true")
    kept.add_options(parser, FOLDER)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.quick:
        for cell in quick_cells():
            print(run_cell(cell, chosen.out / "quick", epochs=5))
        return
    if chosen.known:
        kept.restore(chosen.out, KNOWN, file_of)
    if not chosen.table:
        cells = [
            cell
            for cell in all_cells()
            if (not chosen.set or cell.data in chosen.set)
            and (not chosen.model or cell.model in chosen.model)
            and (not chosen.split or cell.split in chosen.split)
        ]
        run = partial(run_cell, folder=chosen.out)
        kept.run_all(cells, run, chosen.budget_minutes)
    results = kept.read_all(chosen.out)
    print(markdown(by_split(results), SETS, MODELS))
    if chosen.save:
        kept.save(results, KNOWN)


if __name__ == "__main__":
    main()
