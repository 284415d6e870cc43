"""`metrics.csv`: a row an epoch, also across interruptions."""

from __future__ import annotations

import csv
from pathlib import Path

COLUMNS = ("epoch", "loss", "lr", "val")


class EpochLog:
    """Writes a row after each epoch.

    Lightning's own CSV log starts anew when a run is resumed; this one keeps the rows of the epochs
    that the checkpoint holds.

    Args:
        path: The file.
        done: Epochs that are kept of it.
    """

    def __init__(self, path: Path, done: int = 0) -> None:
        self._path = path
        kept = [row for row in read_epochs(path) if int(row["epoch"]) <= done]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(kept)

    def write(self, epoch: int, loss: float, rate: float, val: float) -> None:
        """Add the row of `epoch`, counted from 1."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow((epoch, loss, rate, val))


def read_epochs(path: Path) -> list[dict[str, str]]:
    """The rows; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
