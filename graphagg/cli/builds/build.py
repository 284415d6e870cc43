"""`Build`, the interface of a build, and the options of builds and jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, ClassVar, Literal

from graphagg.cli.folders import IndexLocation
from graphagg.cli.options import ConfigFile, panel
from graphagg.cli.output.console import Built
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions

JobLogLevel = Literal["debug", "info", "warning", "error"]
RUNS = "Running the build"
RUN = panel(RUNS)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of running a build.

    Attributes:
        out: folder or address of the new index, such as s3://bucket/idx; with Spark, a folder that
            the driver and all executors share.
        master: Spark master, such as local[4]. None: the master of spark-submit, or local[*].
        remote: address of a Spark Connect server, such as sc://HOST:15002; local[2] starts one on
            this machine.
        force: build even if nothing has changed, and restart an unfinished job.
        log_level: log level of a Spark job.
        json: print JSON instead of text.
        work: folder or address, shared by all machines, for the files of an unfinished Spark job.
            None: beside the index.
        engine: where to build: local (in this process) or spark.
        dry_run: check input and output, and print the stages of a Spark job, without writing.
    """

    out: IndexLocation
    master: str | None = None
    remote: str | None = None
    force: bool = False
    log_level: JobLogLevel = "info"
    json: bool = False
    config: ConfigFile = None
    work: str | None = None
    engine: Literal["local", "spark"] = "local"
    dry_run: bool = False


class Build(ABC):
    """An index to build; its fields are the options of a command.

    Attributes:
        name: name of the job, and of its table in the TOML file of `--config`.
        package: module and class of the index.
        task_size: field with the number of items per Spark task; empty if there is no such field.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    task_size: ClassVar[str] = ""

    @property
    def index_class(self) -> Any:
        """The class of the index, imported on access."""
        module, _, name = self.package.partition(".")
        return getattr(import_module(f"graphagg.{module}"), name)

    @property
    def source(self) -> str | list[str]:
        """Path or paths of the input, taken from the first field."""
        path: str | list[str] = getattr(self, fields(self)[0].name)  # type: ignore[arg-type]
        return path

    @abstractmethod
    def stages(self) -> tuple[str, ...]:
        """Return the names of the Spark stages, in order."""

    @abstractmethod
    def job(self) -> dict[str, Any]:
        """Return the input and the parameters, which identify the job."""

    @abstractmethod
    def check(self) -> None:
        """Raise an error if the first rows of the input are invalid."""

    @abstractmethod
    def build(self, run: RunOptions, progress: Progress, engine: SparkOptions | None) -> Built:
        """Build in this process, or with Spark, which resumes an unfinished job."""
