"""What Spark's event log says about a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.cluster.events import EventLog

SETTINGS = {
    "spark.eventLog.logStageExecutorMetrics": "true",
    "spark.executor.metrics.pollingInterval": "1s",
}
_SUBMITTED, _ENDED = "SparkListenerStageSubmitted", "SparkListenerTaskEnd"
_METRICS = "SparkListenerStageExecutorMetrics"


@dataclass(frozen=True)
class Stage:
    """One stage: when it was submitted (epoch seconds), and what its tasks did.

    Attributes:
        run: seconds that its tasks ran, waiting for Python with it.
        jvm_cpu: CPU seconds of the JVM's task threads alone.
    """

    submitted: float
    tasks: int
    run: float
    jvm_cpu: float
    shuffle_written: int
    spilled: int


@dataclass(frozen=True)
class Events:
    """Sums of a run.

    Attributes:
        stages: by number.
        shuffle_written, shuffle_read: bytes.
        spilled: bytes written to disk because memory was short.
        jvm_peak: bytes of heap and other memory of an executor's JVM, the largest seen.
        largest_result: bytes that one Spark job sent to the driver.
        broadcasts: operators of the plans that broadcast.
    """

    stages: dict[int, Stage]
    shuffle_written: int
    shuffle_read: int
    spilled: int
    jvm_peak: int
    largest_result: int
    broadcasts: tuple[str, ...]

    @property
    def tasks(self) -> int:
        """Of all stages."""
        return sum(stage.tasks for stage in self.stages.values())


def read_events(log: EventLog) -> Events:
    """Read the log of a run that has ended."""
    sums: dict[int, dict[str, float]] = {}
    submitted: dict[int, float] = {}
    read = peak = 0
    for event in log.events(_SUBMITTED, _ENDED, _METRICS):
        if event["Event"] == _SUBMITTED:
            info = event["Stage Info"]
            submitted[info["Stage ID"]] = info.get("Submission Time", 0) / 1000
        elif event["Event"] == _METRICS and event["Executor ID"] != "driver":
            metrics = event["Executor Metrics"]
            peak = max(peak, metrics["JVMHeapMemory"] + metrics["JVMOffHeapMemory"])
        elif event.get("Task Metrics"):
            found = _task(event["Task Metrics"])
            into = sums.setdefault(event["Stage ID"], dict.fromkeys(found, 0))
            for name, value in found.items():
                into[name] += value
            read += _shuffle_read(event["Task Metrics"])
    stages = {
        number: Stage(
            submitted.get(number, 0.0),
            int(found["tasks"]),
            found["run"],
            found["jvm_cpu"],
            int(found["shuffle"]),
            int(found["spilled"]),
        )
        for number, found in sorted(sums.items())
    }
    written = sum(stage.shuffle_written for stage in stages.values())
    spilled = sum(stage.spilled for stage in stages.values())
    broadcasts = tuple(log.broadcasts())
    return Events(stages, written, read, spilled, peak, log.largest_result(), broadcasts)


def _task(metrics: dict[str, Any]) -> dict[str, float]:
    return {
        "tasks": 1,
        "run": metrics["Executor Run Time"] / 1e3,
        "jvm_cpu": metrics["Executor CPU Time"] / 1e9,
        "shuffle": metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"],
        "spilled": metrics["Disk Bytes Spilled"],
    }


def _shuffle_read(metrics: dict[str, Any]) -> int:
    found = metrics["Shuffle Read Metrics"]
    return int(found["Remote Bytes Read"] + found["Local Bytes Read"])
