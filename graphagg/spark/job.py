"""Jobs that resume: the folder of an unfinished job holds its phases and the blocks of its tasks.

Started again, a job continues after its last finished phase. The folder is removed when the index
is published (`graphagg.spark.build`).

The folder lies beside the index, or where `--work` says. On a path it is on a file system that
driver and executors share. At an address of a store (`graphagg.spark.store_work`) nothing is
shared: what tasks exchange are objects, executors use their own disks, and the driver brings the
files of the new version together on its disk before it publishes them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from graphagg.errors import GraphAggError, JobFailed
from graphagg.progress import Progress
from graphagg.spark.blocks import AnyBlocks, Blocks
from graphagg.spark.failures import named_errors
from graphagg.spark.files import Files, SharedFiles
from graphagg.spark.session import with_settings
from graphagg.spark.sources import settings_for
from graphagg.spark.store_work import StoreWork
from graphagg.spark.tasks import Stats, run_tasks
from graphagg.store import Publication
from graphagg.store.addresses import Address
from graphagg.store.work import WorkFolder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_PROBES = 4  # tasks that look for a folder; some executor runs each


class AnyWork(Protocol):
    """The folder of an unfinished job.

    Attributes:
        spark: the session; tasks, to which this is sent, have none.
        blocks: arrays that tasks write a block at a time.
        files: arrays that tasks write range by range.
    """

    spark: SparkSession

    @property
    def blocks(self) -> AnyBlocks:
        """Arrays that tasks write a block at a time."""

    @property
    def files(self) -> Files:
        """Arrays that tasks write range by range."""

    def version(self, publication: Publication) -> Files:
        """The arrays of a new version, which `gather` brings to the publication's folder."""

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """Begin the job or continue it."""

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The rows of a phase: read if it finished before, else computed and written."""

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small result: read if it was noted before, else computed and noted."""

    def stage(self, name: str, make: Callable[[], Any]) -> Any:
        """A note that is reported as a stage, when it is new."""

    def release(self) -> None:
        """Let another process continue the job."""

    def remove(self) -> None:
        """Remove the folder."""


class Work(WorkFolder):
    """The folder of an unfinished job, on a file system that executors and driver share.

    Args:
        spark: the session.
        folder: where it is.
        progress: called after each phase.
    """

    def __init__(self, spark: SparkSession, folder: Path, progress: Progress) -> None:
        super().__init__(folder, progress)
        self.spark = spark
        self.blocks = Blocks(self.folder / "blocks")
        self.files = SharedFiles(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the paths without the session, which cannot be sent."""
        return {"folder": self.folder, "blocks": self.blocks, "files": self.files}

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """As `WorkFolder.claim`; tasks of earlier runs may write no more."""
        super().claim(job, force=force, resume=resume)
        self.blocks.begin()

    def version(self, publication: Publication) -> Files:
        """The arrays of a new version: in its folder; in this one, if the index is on a store."""
        if not isinstance(publication.location, Address):
            return SharedFiles(publication.writer.folder.absolute())
        folder = self.folder / "version"
        folder.mkdir(exist_ok=True)
        return SharedFiles(folder)

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The rows of a phase: read if it finished before, else computed and written."""
        path = self.folder / "phases" / name
        shared = f"file://{path}"  # a bare path is on Spark's default file system, such as HDFS
        if not (path / "_SUCCESS").exists():
            make().write.mode("overwrite").parquet(shared)
            self._progress(name, 1, 1)
        return self.spark.read.parquet(shared)


def finished(folder: Path | Address, stages: Sequence[str]) -> list[str]:
    """Which of `stages` the job in a work folder has finished."""
    if isinstance(folder, Address):
        return StoreWork.finished(folder, stages)
    return [
        name
        for name in stages
        if (folder / "phases" / name / "_SUCCESS").exists() or (folder / f"{name}.json").exists()
    ]


@contextmanager
def claimed(
    spark: SparkSession,
    place: Path | Address,
    job: dict[str, Any],
    progress: Progress,
    force: bool,
    resume: bool = True,
    sources: Sequence[str] = (),
) -> Iterator[AnyWork]:
    """Context manager: the job of an index; bad input removes its folder, a failure keeps it.

    Args:
        spark: the session.
        place: of the job, as `graphagg.spark.build.work_of` gives it.
        job: what tells it from another.
        progress: called after each stage.
        force: begin from nothing, also over an unfinished job of other parameters.
        resume: go on with an unfinished job; False where its input may be another one.
        sources: paths of the input, whose stores Hadoop has to reach, too.

    Raises:
        ArtifactBusy, ParametersDiffer: as `Work.claim`.
        JobFailed: Spark gave up.
        StoreError: about the store.
    """
    settings = settings_for(*sources, place)
    work: AnyWork = (
        StoreWork(spark, place, progress)
        if isinstance(place, Address)
        else Work(spark, place, progress)
    )
    work.claim(job, force=force, resume=resume)
    try:
        with with_settings(spark, settings), named_errors():
            if isinstance(work, Work):
                _check_shared(spark, work.folder)
            yield work
    except GraphAggError as error:
        if error.exit_code != 1:
            work.remove()
        raise
    finally:
        work.release()


def _check_shared(spark: SparkSession, folder: Path) -> None:
    """Raise `JobFailed` where executors do not see the folder of a job."""
    if str(spark.conf.get("spark.master", "local")).startswith("local"):
        return
    token = secrets.token_hex(8)
    probe = folder / f".probe-{token}"
    probe.write_text(token, encoding="utf-8")

    def sees(_: int) -> Stats:
        return {"sees": int(probe.exists())}

    try:
        if all(found["sees"] for found in run_tasks(spark, _PROBES, sees)):
            return
    finally:
        probe.unlink(missing_ok=True)
    raise JobFailed(
        f"{folder}: an executor does not see this folder of the driver; give a folder that all "
        "machines share, or an address of a store, such as --out s3://bucket/idx or --work "
        "s3://bucket/work"
    )
