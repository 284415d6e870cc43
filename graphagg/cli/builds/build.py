"""The interface of a build, and the options that every build has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib import import_module
from os import PathLike
from typing import Any, ClassVar, Literal

from graphagg.cli.folders import PLACE
from graphagg.cli.output.console import Built
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions

Engine = Literal["local", "spark"]
LogLevel = Literal["debug", "info", "warning", "error"]
_HOW = {"panel": "How it runs"}


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Options of how a job of Spark runs.

    Attributes:
        master: where Spark runs, e.g. local[4]. None: what spark-submit says, else local[*].
        remote: Spark Connect server: sc://HOST:15002, or local[2] to start one here.
        force: build also where nothing changed, or over an unfinished job; replace answers.
        log_level: log level of a job and its Spark.
        json: print JSON instead of text.
    """

    master: str | None = field(default=None, metadata=_HOW)
    remote: str | None = field(default=None, metadata=_HOW)
    force: bool = field(default=False, metadata=_HOW)
    log_level: LogLevel = field(default="info", metadata=_HOW | {"case_sensitive": False})
    json: bool = field(default=False, metadata=_HOW)


@dataclass(frozen=True, kw_only=True)
class RunOptions(JobOptions):
    """Options of how a build runs.

    Attributes:
        out: folder of the index, or an address such as s3://bucket/idx; with Spark a folder is on a
            file system that driver and executors share.
        work: folder of an unfinished Spark job, shared or an address. None: beside
            the index.
        engine: engine of the build: local (this process) or spark.
        dry_run: print what would run and which stages are finished, and write nothing.
    """

    out: PathLike[str] = field(metadata=PLACE)
    work: PathLike[str] | None = field(default=None, metadata=PLACE | _HOW)
    engine: Engine = field(default="local", metadata=_HOW)
    dry_run: bool = field(default=False, metadata=_HOW)


class Build(ABC):
    """An index to build; its fields are the options of a command, a job and a recipe.

    Attributes:
        name: of the job, and of the table of a TOML file that `--config` reads.
        kind: of the artifact.
        package: module and class of the index.
        local_only: fields that only a build in this process takes; a job has no such options.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    package: ClassVar[str]
    local_only: ClassVar[tuple[str, ...]] = ()

    @property
    def task_size(self) -> int | None:
        """Items that a task of Spark holds; None: the default."""
        return None

    @property
    def index_class(self) -> Any:
        """The class of the index."""
        module, _, name = self.package.partition(".")
        return getattr(import_module(f"graphagg.{module}"), name)

    @property
    @abstractmethod
    def source(self) -> str | list[str]:
        """Path of the input, or several."""

    @abstractmethod
    def stages(self) -> tuple[str, ...]:
        """The stages of the Spark engine, in their order."""

    @abstractmethod
    def job(self) -> dict[str, Any]:
        """Identity of the job: its input and parameters."""

    def check(self) -> None:
        """Raise the error of an input that can be seen to be wrong before the work begins."""
        return

    @abstractmethod
    def build(self, run: RunOptions, progress: Progress, engine: SparkOptions | None) -> Built:
        """Build in this process, or by Spark, which continues an unfinished job."""
