"""Jobs that resume: the folder of an unfinished job holds its phases and the blocks of its tasks.

Started again, a job continues after its last finished phase. The folder is removed when the index
is published; from then on a note in the index says which job built it, and the same job ends
before it reads anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from graphagg import __version__
from graphagg.errors import ArtifactBusy, ArtifactError, GraphAggError, ParametersDiffer
from graphagg.progress import Progress
from graphagg.spark.blocks import Blocks, write_json
from graphagg.spark.failures import named_errors
from graphagg.store import JOB_NOTE, open_artifact
from graphagg.store.locations import local_folder
from graphagg.store.locks import hold

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LOCK = ".lock"


class Work:
    """The folder of an unfinished job.

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
        self._lock = -1

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the paths without the session, which cannot be sent."""
        return {"folder": self.folder, "blocks": self.blocks}

    def claim(self, job: dict[str, Any], *, force: bool = False) -> None:
        """Begin the job or continue it; with `force` begin from nothing.

        Raises:
            ArtifactBusy: another process runs a job there.
            ParametersDiffer: the folder holds an unfinished job with other parameters.
        """
        self._take_lock()
        note = self.folder / "job.json"
        if force:
            self._empty()
        if note.exists():
            unfinished = json.loads(note.read_text(encoding="utf-8"))
            for name in sorted({*unfinished, *job}):
                if unfinished.get(name) != job.get(name):
                    self.release()
                    raise ParametersDiffer(
                        f"{self.folder}: an unfinished job with {name} {unfinished.get(name)!r}, "
                        f"wanted {job.get(name)!r}; finish it with its own parameters, or start "
                        "again with --force, which removes it"
                    )
        else:
            write_json(note, job)
        self.blocks.begin()

    def _take_lock(self) -> None:
        if self._lock >= 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        busy = f"{self.folder}: another process runs this job; wait for it, or stop it"
        self._lock = hold(self.folder / _LOCK, ArtifactBusy(busy))

    def _empty(self) -> None:
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()

    def release(self) -> None:
        """Let another process continue the job."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The rows of a phase: read if it finished before, else computed and written."""
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
            write_json(path, make())
        return json.loads(path.read_text(encoding="utf-8"))

    def stage(self, name: str, make: Callable[[], Any]) -> Any:
        """A note that is reported to `progress` as a stage, when it is new."""
        known = (self.folder / f"{name}.json").exists()
        result = self.note(name, make)
        if not known:
            self._progress(name, 1, 1)
        return result

    def path(self, name: str) -> Path:
        """The file of an array that many tasks write ranges of."""
        return self.folder / f"{name}.npy"

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


def work_folder(directory: str | Path) -> Path:
    """The folder of the unfinished job of an index directory."""
    target = local_folder(directory).absolute()
    return target.with_name(f"{target.name}.work")


def finished(folder: Path, stages: Sequence[str]) -> list[str]:
    """Which of `stages` the job in a work folder has finished."""
    return [
        name
        for name in stages
        if (folder / "phases" / name / "_SUCCESS").exists() or (folder / f"{name}.json").exists()
    ]


@contextmanager
def claimed(
    spark: SparkSession,
    directory: str | Path,
    job: dict[str, Any],
    progress: Progress,
    force: bool,
) -> Iterator[Work]:
    """Context manager: the job of an index; bad input removes its folder, a failure keeps it.

    Raises:
        ArtifactBusy, ParametersDiffer: as `Work.claim`.
        JobFailed: Spark gave up.
    """
    work = Work(spark, work_folder(directory), progress)
    work.claim(job, force=force)
    try:
        with named_errors():
            yield work
    except GraphAggError as error:
        if error.exit_code != 1:
            work.remove()
        raise
    finally:
        work.release()


# --- which job built an index -------------------------------------------------------------------


def fingerprint(source: str) -> list[Any]:
    """What changes when an input changes: its path, and size and time of each local file."""
    path = local_path(source)
    if path is None:
        return [source, []]
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    seen = [[str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    return [os.path.abspath(path) if files else source, seen]


def local_path(source: str) -> Path | None:
    """The path of a source on a mounted file system; None for `hdfs://`, `s3a://` and the like."""
    scheme, host, path, *_ = urlsplit(source)
    if scheme == "file" and not host:
        return Path(unquote(path))
    return None if "://" in source else Path(source)


def remember(directory: str | Path, kind: str, job: dict[str, Any], report: Any = None) -> None:
    """Note which job built the current version, unless its input has no local files to compare."""
    if not _is_known_input(job):
        return
    with open_artifact(directory, kind=kind) as artifact:
        note = {"job": _digest(job), "data": artifact.manifest.data, "report": report}
    write_json(local_folder(directory) / JOB_NOTE, note)


def recall(directory: str | Path, kind: str, job: dict[str, Any]) -> dict[str, Any] | None:
    """The note of `remember`, if this job built the current version from the same files."""
    if not _is_known_input(job):
        return None
    try:
        note = json.loads((local_folder(directory) / JOB_NOTE).read_text(encoding="utf-8"))
        with open_artifact(directory, kind=kind) as artifact:
            same = note == note | {"job": _digest(job), "data": artifact.manifest.data}
    except (OSError, ValueError, TypeError, ArtifactError):
        return None
    return note if same else None


def _is_known_input(job: dict[str, Any]) -> bool:
    return bool(job["source"][1])


def _digest(job: dict[str, Any]) -> str:
    text = json.dumps([__version__, job], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
