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
RUNS = "How it runs"
RUN = panel(RUNS)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a build runs.

    Attributes:
        out: folder or address of the new index, such as s3://bucket/idx; with Spark, a folder that
            the driver and all executors share.
        master: Spark master, such as local[4]. None: that of spark-submit, or else local[*].
        remote: address of a Spark Connect server, such as sc://HOST:15002; local[2] starts one
            here.
        force: build even if nothing has changed, and start over if a job is unfinished.
        log_level: log level of a Spark job.
        json: print JSON instead of text.
        work: folder or address, shared by all machines, for the files of an unfinished Spark job.
            None: beside the index.
        engine: where to build: local (in this process) or spark.
        dry_run: check input and output, print the stages of a Spark job, and write nothing.
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
        name: of the job, and of the table of a TOML file that `--config` reads.
        package: module and class of the index.
        task_size: field with the number of items per Spark task; empty: there is none.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    task_size: ClassVar[str] = ""

    @property
    def index_class(self) -> Any:
        """The class of the index, imported now."""
        module, _, name = self.package.partition(".")
        return getattr(import_module(f"graphagg.{module}"), name)

    @property
    def source(self) -> str | list[str]:
        """Path of the input, or several: the first field."""
        path: str | list[str] = getattr(self, fields(self)[0].name)  # type: ignore[arg-type]
        return path

    @abstractmethod
    def stages(self) -> tuple[str, ...]:
        """Names of the stages on Spark, in order."""

    @abstractmethod
    def job(self) -> dict[str, Any]:
        """Input and parameters, which identify the job."""

    @abstractmethod
    def check(self) -> None:
        """Raise an error if the first rows of the input are wrong."""

    @abstractmethod
    def build(self, run: RunOptions, progress: Progress, engine: SparkOptions | None) -> Built:
        """Build in this process, or with Spark, which continues an unfinished job."""
