"""`metrics.csv`: a row per epoch, also across interruptions."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from graphagg.nn.files import write_whole

COLUMNS = ("epoch", "loss", "lr", "val")
Row = tuple[int, float, float, float]


class EpochLog:
    """Appends a row after each epoch; `rows` are those of the checkpoint of a resumed run."""

    def __init__(self, path: Path, rows: Sequence[Row] = ()) -> None:
        self._path = path
        text = io.StringIO()
        csv.writer(text).writerows([COLUMNS, *rows])
        write_whole(path, lambda partial: partial.write_text(text.getvalue(), newline=""))

    def write(self, row: Row) -> None:
        """Add the row of an epoch, counted from 1."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)
