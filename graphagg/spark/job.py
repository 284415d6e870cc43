"""Jobs that resume: the folder of an unfinished job holds its phases and the blocks of its tasks.

A restarted job continues after its last finished phase. The folder is removed when the index is
published (`graphagg.spark.build`).

The folder is beside the index, or at `work`. A local path must be on a file system that driver and
executors share. With the address of a store nothing is shared: tasks exchange objects, executors
use their own disks, and the driver downloads the files of the new version before it publishes them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import JobFailed
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks
from graphagg.execution.runner import Stats, TaskFunction
from graphagg.progress import Progress
from graphagg.spark.session import described
from graphagg.spark.storage import StoreStorage, storage_at
from graphagg.spark.store_arrays import StoreArrays
from graphagg.spark.tasks import run_tasks
from graphagg.store.addresses import Address
from graphagg.store.work import WorkFolder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_PROBES = 4  # tasks that check for a shared folder


class SparkJob(WorkFolder):
    """An unfinished job: runs tasks, saves results, and holds the arrays that tasks exchange.

    Its location is a folder shared by executors and driver, or an address of a store. It contains:

        job.json             identity of the job
        <name>.json          small results; for a phase, the name of its folder
        phases/<name>-<run>/ Parquet, which Spark writes and reads
        blocks/, arrays/     arrays that tasks exchange, see `Blocks` and `StoreArrays`
        version/             the arrays of the new version; on a store version-<run>

    `kind` and `stages` name the jobs in the Spark UI.
    """

    def __init__(
        self,
        spark: SparkSession,
        location: Path | Address,
        progress: Progress,
        kind: str = "graphagg",
        stages: Sequence[str] = (),
    ) -> None:
        super().__init__(storage_at(location), progress)
        self.spark, self.location, self.kind = spark, location, kind
        self._stages = tuple(stages)
        blocks = Blocks(self.storage / "blocks")
        if isinstance(self.storage, StoreStorage):
            address, run = self.storage.address / "arrays", self.storage.run
            self.arrays: FileArrays = StoreArrays(address, run, blocks)
        else:
            self.arrays = FileArrays(self.folder, blocks)

    @property
    def blocks(self) -> Blocks:
        """The blocks that tasks write."""
        return self.arrays.blocks

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the locations without the session, which cannot be pickled."""
        return {"storage": self.storage, "arrays": self.arrays}

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """Start or resume the job; earlier runs and their tasks can no longer write."""
        if isinstance(self.storage, StoreStorage):
            self.blocks.begin()  # before anything is removed
        super().claim(job, force=force, resume=resume)
        self.blocks.begin()

    def check_run(self) -> None:
        """Raise `JobFailed` if another run of the job has begun."""
        self.blocks.check_run()

    def remove(self) -> None:
        """Remove the folder, unless another run of the job has begun."""
        self.check_run()
        super().remove()

    def version(self) -> FileArrays:
        """Return the arrays of a new version; `gather` copies them to the publication's folder."""
        if isinstance(self.storage, StoreStorage):
            run = self.storage.run
            return StoreArrays(self.storage.address / f"version-{run}", run, self.blocks)
        folder = self.folder / "version"
        folder.mkdir(exist_ok=True)
        return FileArrays(folder, self.blocks)

    def run(self, count: int, task: TaskFunction, stage: str = "") -> list[Stats]:
        """Run each task as a task of Spark; see `graphagg.execution.runner.TaskRunner`."""

        def make() -> list[Stats]:
            return run_tasks(self.spark, count, task)

        results: list[Stats] = self.stage(stage, make) if stage else make()
        return results

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """Return the rows of a phase: read if it finished before, else computed and written."""

        def write() -> str:
            folder = f"phases/{name}-{self.blocks.run}"
            make().write.mode("overwrite").parquet(self.storage.spark_path(folder))
            return folder

        with self._shown(name):
            return self.spark.read.parquet(self.storage.spark_path(self.stage(name, write)))

    def forget(self, *names: str) -> None:
        """Remove the rows of phases and the blocks of stages that no later stage reads."""
        for name in names:
            self.blocks.remove(name)
            self.storage.remove_folders(f"phases/{name}-")

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a small result; the Spark UI shows the jobs that compute it under its stage."""
        with self._shown(name):
            return super().note(name, make)

    @contextmanager
    def _shown(self, name: str) -> Iterator[None]:
        """Context manager: name the jobs of a stage, such as `communities: sets, 3 of 5`."""
        text = f"{self.kind}: {name}"
        if name in self._stages:
            text += f", {self._stages.index(name) + 1} of {len(self._stages)}"
        with described(self.spark, f"graphagg {self.kind}", text):
            yield


def finished(location: Path | Address, stages: Sequence[str]) -> list[str]:
    """Return those of `stages` that the job at a location has finished."""
    storage = storage_at(location)
    return [name for name in stages if storage.has(f"{name}.json")]


def check_shared(spark: SparkSession, folder: Path) -> None:
    """Raise `JobFailed` if executors cannot see the folder of a job."""
    if str(spark.conf.get("spark.master", "local")).startswith("local"):
        return
    token = secrets.token_hex(8)
    probe = folder / f".probe-{token}"
    probe.write_text(token, encoding="utf-8")

    def sees(_: int) -> Stats:
        return {"sees": int(probe.exists())}

    try:
        if all(stats["sees"] for stats in run_tasks(spark, _PROBES, sees)):
            return
    finally:
        probe.unlink(missing_ok=True)
    raise JobFailed(
        f"{folder}: an executor cannot see this folder of the driver; use a folder that all "
        "machines share, or an address of a store, such as s3://bucket/work, as "
        "`SparkOptions(work=...)`"
    )
