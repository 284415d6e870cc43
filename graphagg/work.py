"""The folder of an unfinished job: its phases, each a Parquet folder, and the blocks of its tasks.

A job that is started again over it goes on after the last finished phase. The folder is removed
when the index is published.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import ParametersDiffer
from graphagg.progress import Progress
from graphagg.spark import Blocks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Work:
    """What an unfinished job has done.

    Args:
        spark: the session.
        folder: on a file system that executors and driver share.
        progress: called after each phase.
    """

    def __init__(self, spark: SparkSession, folder: Path, progress: Progress) -> None:
        self.spark = spark
        self.folder = folder.absolute()
        self.blocks = Blocks(self.folder / "blocks")
        self._progress = progress

    def __getstate__(self) -> dict[str, Any]:
        """What goes with a task: where things lie, without the session."""
        return {"folder": self.folder, "blocks": self.blocks}

    def claim(self, job: dict[str, Any]) -> None:
        """Begin the job, or go on with it.

        Raises:
            ParametersDiffer: the folder holds an unfinished job with other parameters.
        """
        note = self.folder / "job.json"
        if note.exists():
            found = json.loads(note.read_text(encoding="utf-8"))
            for name in sorted({*found, *job}):
                if found.get(name) != job.get(name):
                    raise ParametersDiffer(
                        f"{self.folder}: an unfinished job with {name} {found.get(name)!r}, "
                        f"wanted {job.get(name)!r}; finish it with its own parameters, or start "
                        "anew with --force, which removes it"
                    )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(note, job)

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The rows of a phase: read if it was finished before, else computed and written."""
        path = self.folder / "phases" / name
        if not (path / "_SUCCESS").exists():
            make().write.mode("overwrite").parquet(str(path))
            self._progress(name, 1, 1)
        return self.spark.read.parquet(str(path))

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small result: read if it was noted before, else computed and noted."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, make())
        return json.loads(path.read_text(encoding="utf-8"))

    def path(self, name: str) -> Path:
        """Where an array that many tasks write parts of lies."""
        return self.folder / f"{name}.npy"

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def fingerprint(source: str) -> list[Any]:
    """What tells an input from a changed one: its path, and size and time of each local file."""
    path = Path(source)
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    seen = [[str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    return [os.path.abspath(path) if files else source, seen]


def _write(path: Path, value: Any) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(value), encoding="utf-8")
    os.replace(partial, path)
