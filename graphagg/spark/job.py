"""Jobs that resume: the folder of an unfinished job holds its phases and the blocks of its tasks.

Started again, a job continues after its last finished phase. The folder is removed when the index
is published; from then on a note in the index says which job built it, and the same job ends
before it reads anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg import __version__
from graphagg.errors import ArtifactError, GraphAggError
from graphagg.progress import Progress
from graphagg.spark.blocks import Blocks
from graphagg.spark.failures import named_errors
from graphagg.store import JOB_NOTE, open_artifact
from graphagg.store.locations import local_folder
from graphagg.store.work import WorkFolder, work_folder, write_json

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Work(WorkFolder):
    """The folder of an unfinished job.

    Args:
        spark: the session.
        folder: on a file system that executors and driver share.
        progress: called after each phase.
    """

    def __init__(self, spark: SparkSession, folder: Path, progress: Progress) -> None:
        super().__init__(folder, progress)
        self.spark = spark
        self.blocks = Blocks(self.folder / "blocks")

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the paths without the session, which cannot be sent."""
        return {"folder": self.folder, "blocks": self.blocks}

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """As `WorkFolder.claim`; tasks of earlier runs may write no more."""
        super().claim(job, force=force, resume=resume)
        self.blocks.begin()

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The rows of a phase: read if it finished before, else computed and written."""
        path = self.folder / "phases" / name
        if not (path / "_SUCCESS").exists():
            make().write.mode("overwrite").parquet(str(path))
            self._progress(name, 1, 1)
        return self.spark.read.parquet(str(path))


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
    resume: bool = True,
) -> Iterator[Work]:
    """Context manager: the job of an index; bad input removes its folder, a failure keeps it.

    Args:
        spark: the session.
        directory: of the index.
        job: what tells it from another.
        progress: called after each stage.
        force: begin from nothing, also over an unfinished job of other parameters.
        resume: go on with an unfinished job; False where its input may be another one.

    Raises:
        ArtifactBusy, ParametersDiffer: as `Work.claim`.
        JobFailed: Spark gave up.
    """
    work = Work(spark, work_folder(directory), progress)
    work.claim(job, force=force, resume=resume)
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
