"""The folder of an unfinished job on a store: nothing that driver and executors share but objects.

job.json             what tells the job from another
lease                who runs it, see `graphagg.spark.lease`
<name>.json          notes: small results
phases/<name>/       Parquet, which Spark writes and reads
blocks/, arrays/     what tasks exchange, see `store_blocks` and `files`
version-<run>/       the arrays of the new version
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphagg.errors import ParametersDiffer
from graphagg.progress import Progress
from graphagg.spark.files import StoreFiles, store_of
from graphagg.spark.lease import Lease
from graphagg.spark.scratch import remove_scratch
from graphagg.spark.store_blocks import StoreBlocks
from graphagg.store import Publication
from graphagg.store.addresses import Address
from graphagg.store.remote.files import in_parallel

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class StoreWork:
    """The folder of an unfinished job at an address.

    Args:
        spark: the session.
        place: the address.
        progress: called after each phase.
    """

    def __init__(self, spark: SparkSession, place: Address, progress: Progress) -> None:
        self.spark, self.place = spark, place
        self.run = secrets.token_hex(8)
        self.blocks = StoreBlocks(place / "blocks", self.run)
        self.files = StoreFiles(place / "arrays", self.run)
        self._progress = progress
        self._lease = Lease(store_of(place))

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the addresses without the session, which cannot be sent."""
        return {"place": self.place, "run": self.run, "blocks": self.blocks, "files": self.files}

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """Begin the job or continue it; with `force`, or not to `resume`, begin from nothing.

        Raises:
            ArtifactBusy: another process runs a job there.
            ParametersDiffer: the folder holds an unfinished job with other parameters.
        """
        self._lease.take()
        try:
            self._begin(json.loads(json.dumps(job)), force, resume)
        except BaseException:
            self.release()
            raise
        self.blocks.begin()

    def _begin(self, job: dict[str, Any], force: bool, resume: bool) -> None:
        unfinished = None if force else self._read("job")
        if unfinished is not None:
            for name in sorted({*unfinished, *job}):
                if unfinished.get(name) != job.get(name):
                    raise ParametersDiffer(
                        f"{self.place}: an unfinished job with {name} {unfinished.get(name)!r}, "
                        f"wanted {job.get(name)!r}; finish it with its own parameters, or start "
                        "again with --force, which removes it"
                    )
            if resume:
                return
        self._empty()
        self._write("job", job)

    def _empty(self) -> None:
        store = store_of(self.place)
        old = [name for name in store.listed() if not name.startswith("lease")]
        in_parallel(lambda name: store.remove([name]), old)

    def version(self, publication: Publication) -> StoreFiles:
        """The arrays of a new version, which `gather` brings to the publication's folder."""
        folder = publication.writer.folder.absolute()
        return StoreFiles(self.place / f"version-{self.run}", self.run, folder)

    def phase(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The rows of a phase: read if it finished before, else computed and written."""
        path = self.place / "phases" / name
        if store_of(self.place).size(f"phases/{name}/_SUCCESS") is None:
            make().write.mode("overwrite").parquet(path.hadoop)
            self._lease.check()
            self._progress(name, 1, 1)
        return self.spark.read.parquet(path.hadoop)

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small result: read if it was noted before, else computed and noted."""
        if self._read(name) is None:
            value = make()
            self._lease.check()
            self._write(name, value)
        return self._read(name)["value"]

    def stage(self, name: str, make: Callable[[], Any]) -> Any:
        """A note that is reported to `progress` as a stage, when it is new."""
        known = self._read(name) is not None
        result = self.note(name, make)
        if not known:
            self._progress(name, 1, 1)
        return result

    def release(self) -> None:
        """Let another process continue the job."""
        self._lease.release()
        remove_scratch(self.run)

    def remove(self) -> None:
        """Remove the folder."""
        self._lease.check()
        self._empty()
        self.release()
        store_of(self.place).remove_folder()

    @staticmethod
    def finished(place: Address, stages: Sequence[str]) -> list[str]:
        """Which of `stages` the job at an address has finished."""
        names = store_of(place).listed()
        return [s for s in stages if f"phases/{s}/_SUCCESS" in names or f"{s}.json" in names]

    def _read(self, name: str) -> Any:
        return read_note(self.place, f"{name}.json")

    def _write(self, name: str, value: Any) -> None:
        # In an object of its own, so that the note `null` is there.
        write_note(self.place, f"{name}.json", value if name == "job" else {"value": value})


def read_note(place: Address, name: str) -> Any:
    """The JSON of an object; None: there is none."""
    try:
        return json.loads(store_of(place).read(name))
    except FileNotFoundError:
        return None


def write_note(place: Address, name: str, value: Any) -> None:
    """Put an object of JSON."""
    store_of(place).write(name, json.dumps(value).encode())
