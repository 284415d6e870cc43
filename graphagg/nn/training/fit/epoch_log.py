"""`metrics.csv`: a row per epoch, also across interruptions."""

from __future__ import annotations

import csv
from pathlib import Path

from graphagg.errors import UnreadableFile
from graphagg.nn.files import write_whole

COLUMNS = ("epoch", "loss", "lr", "val")


class EpochLog:
    """Writes a row after each epoch; a resumed run keeps the rows that its checkpoint holds.

    Args:
        path: the file.
        done: rows up to this epoch are kept.
    """

    def __init__(self, path: Path, done: int = 0) -> None:
        self._path = path
        kept = [row for row in read_epochs(path) if int(row["epoch"]) <= done]

        def rows(partial: Path) -> None:
            with partial.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(kept)

        write_whole(path, rows)

    def write(self, epoch: int, loss: float, lr: float, val: float) -> None:
        """Add the row of `epoch`, counted from 1."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow((epoch, loss, lr, val))


def read_epochs(path: Path) -> list[dict[str, str]]:
    """The rows; none where there is no file.

    Raises:
        UnreadableFile: it is not what `EpochLog` writes.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _broken(path, str(error)) from None
    for number, row in enumerate(rows, start=2):
        if tuple(row) != COLUMNS or None in row.values() or not row["epoch"].isdecimal():
            raise _broken(path, f"line {number} is {','.join(map(str, row.values()))}")
    return rows


def _broken(path: Path, why: str) -> UnreadableFile:
    return UnreadableFile(
        f"{path} is no log of epochs ({why}); remove it to go on without the rows before"
    )
