"""The steps that every build with Spark shares, for each kind of index.

A build returns before it reads any input if the same job built the current version. Otherwise it
claims its work folder, resumes after the last finished stage, publishes the new version, removes
the folder, and records the job in the index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graphagg import __version__
from graphagg.checks import integer
from graphagg.errors import ArtifactError, GraphAggError
from graphagg.progress import Progress, silent
from graphagg.spark.job import SparkJob, check_shared
from graphagg.spark.session import SMALL_DRIVER, described, named_errors, with_settings
from graphagg.spark.sources import SparkInput, by_spark, check_stores, session_of, settings_for
from graphagg.spark.storage import storage_at
from graphagg.store import JOB_NOTE, Publication, write_artifact
from graphagg.store.addresses import Address, Location, parse_location
from graphagg.store.artifact import current_manifest
from graphagg.store.work import work_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JobIdentity = dict[str, Any]
"""Identity of a job as JSON: its input (`source`) and its parameters."""


@dataclass(frozen=True)
class SparkOptions:
    """How Spark builds an index. Pass it as the argument `engine` of the three `build` methods.

    Attributes:
        session: the session; its settings are restored after the build. None: the session of the
            DataFrame, or the active one.
        work: folder of the unfinished job, which driver and executors share, or an address of a
            store. None: beside the index.
        items_per_task: passages that a task annotates and encodes, or entries of compressed rows
            that a task of a community build holds. None: 2,000 passages, 2,000,000 entries.

    Examples:
        >>> SparkOptions.from_engine("spark", "edges.parquet").items_per_task is None
        True
    """

    session: SparkSession | None = None
    work: Location | None = None
    items_per_task: int | None = None

    def __post_init__(self) -> None:
        if self.items_per_task is not None:
            integer("items_per_task", self.items_per_task, 1)

    @classmethod
    def from_engine(cls, engine: Engine | None, source: Any) -> SparkOptions | None:
        """Parse the argument `engine` of `build`; return None if this process builds the index.

        Without an engine, Spark builds if the source is a DataFrame or a Spark table.
        """
        if isinstance(engine, SparkOptions):
            return engine
        return cls() if by_spark(engine, source) else None

    def publish(
        self,
        kind: str,
        job: JobIdentity,
        source: SparkInput,
        directory: Location,
        write: Callable[[SparkJob, Publication], dict[str, Any] | None],
        *,
        stages: Sequence[str] = (),
        progress: Progress = silent,
        force: bool = False,
    ) -> dict[str, Any]:
        """Run a job to its end, unless the same job built the current version of the index.

        `write` runs the stages in the work folder and publishes the version. Returns its report, or
        the one that an earlier run recorded, or an empty dict if there is no report. `force` builds
        again and discards an unfinished job. The settings of the session are restored afterward.
        """
        spark = self.session or session_of(source.dataframe if source.is_frame else str(source))
        target = parse_location(directory)
        running = SparkJob(spark, work_of(target, self.work), progress, kind, stages)
        with write_artifact(target) as publication, with_settings(spark, SMALL_DRIVER):
            note = None if force else recall(target, kind, job)
            if note is not None:
                return note["report"] or {}
            with _claimed(running, job, source, force):
                report = write(running, publication)
                running.remove()
        remember(target, kind, job, report)
        return report or {}


@contextmanager
def _claimed(work: SparkJob, job: JobIdentity, source: SparkInput, force: bool) -> Iterator[None]:
    """Context manager: claim the work folder of a job; remove the folder if the input is invalid.

    An unfinished job over a DataFrame is discarded, since its rows cannot be compared.
    """
    spark, kind = work.spark, work.kind
    check_stores(spark, *source.paths, work.location)
    work.claim(job, force=force, resume=not source.is_frame)
    try:
        with (
            with_settings(spark, settings_for(*source.paths, work.location)),
            described(spark, f"graphagg {kind}", f"{kind}: starting"),
            named_errors(),
        ):
            if not isinstance(work.location, Address):
                check_shared(spark, work.folder)
            yield
    except GraphAggError as error:
        if error.exit_code != 1:
            work.remove()
        raise
    finally:
        work.release()


Engine = Literal["local", "spark"] | SparkOptions
"""What builds an index: this process, or Spark with its options."""


def work_of(directory: Location, work: Location | None = None) -> Path | Address:
    """Return the location of an index's unfinished job: `work`, or a folder beside the index."""
    if work is not None:
        return parse_location(work)
    target = parse_location(directory)
    if isinstance(target, Address):
        return target.parent / f"{target.name}.work"
    return work_folder(target)


def remember(
    directory: Path | Address, kind: str, job: JobIdentity, report: dict[str, Any] | None = None
) -> None:
    """Record which job built the current version, if its input consists of local files."""
    if not _has_files(job):
        return
    manifest = current_manifest(directory, kind)
    assert manifest is not None, directory
    note = {"job": _digest(job), "data": manifest.data, "report": report}
    storage_at(directory).write_json(JOB_NOTE, note)


def recall(directory: Path | Address, kind: str, job: JobIdentity) -> dict[str, Any] | None:
    """Read the record of `remember`; return None unless this job built the current version."""
    if not _has_files(job):
        return None
    try:
        note = storage_at(directory).read_json(JOB_NOTE)
        manifest = current_manifest(directory, kind)
        same = manifest is not None and note == note | {
            "job": _digest(job), "data": manifest.data,
        }  # fmt: skip
    except (OSError, ValueError, TypeError, ArtifactError):
        return None
    return note if same else None


def _has_files(job: JobIdentity) -> bool:
    """Whether a job reads only local files, whose sizes and times can be compared."""
    return bool(job["source"][1])


def _digest(job: JobIdentity) -> str:
    text = json.dumps([__version__, job], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
