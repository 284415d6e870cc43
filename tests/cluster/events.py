"""What a Spark event log tells of a job: its plans, its results, and where its tasks ran."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"
_BROADCAST = re.compile(r"\bBroadcast\w+")


@dataclass(frozen=True)
class EventLog:
    """The event log of one application.

    Attributes:
        folder: `spark.eventLog.dir` of that application alone.
    """

    folder: Path

    def events(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """Events of some kinds, in their order; a last line that is half written is left out."""
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    event = json.loads(line)
                    if event["Event"] in kinds:
                        yield event

    def started(self) -> int:
        """How many Spark jobs were started."""
        return sum(1 for _ in self.events("SparkListenerJobStart"))

    def unnamed(self) -> list[str]:
        """What Spark's page calls the jobs for which nobody set a description."""
        return [
            event["Stage Infos"][-1]["Stage Name"]
            for event in self.events("SparkListenerJobStart")
            if not event["Properties"].get("spark.job.description")
        ]

    def settings(self) -> dict[str, str]:
        """The Spark settings of the application."""
        for event in self.events("SparkListenerEnvironmentUpdate"):
            return dict(event["Spark Properties"])
        return {}

    def plans(self) -> list[str]:
        """Physical plans, as planned and as adaptive execution changed them."""
        kinds = (f"{_SQL}ExecutionStart", f"{_SQL}AdaptiveExecutionUpdate")
        return [
            event["physicalPlanDescription"] + _names(event["sparkPlanInfo"])
            for event in self.events(*kinds)
        ]

    def broadcasts(self) -> list[str]:
        """Broadcast operators in any plan."""
        return sorted({name for plan in self.plans() for name in _BROADCAST.findall(plan)})

    def largest_result(self) -> int:
        """Bytes of the largest result that one Spark job sent to the driver."""
        job_of = {
            stage: event["Job ID"]
            for event in self.events("SparkListenerJobStart")
            for stage in event["Stage IDs"]
        }
        sizes: Counter[int] = Counter()
        for event in self.events("SparkListenerTaskEnd"):
            metrics = event.get("Task Metrics")
            if metrics and event["Task Type"] == "ResultTask":
                sizes[job_of[event["Stage ID"]]] += metrics["Result Size"]
        return max(sizes.values(), default=0)

    def executors(self) -> dict[str, int]:
        """Tasks that ended well, by executor."""
        found: Counter[str] = Counter()
        for event in self.events("SparkListenerTaskEnd"):
            if event["Task End Reason"]["Reason"] == "Success":
                found[event["Task Info"]["Executor ID"]] += 1
        return dict(found)

    def shuffled(self) -> int:
        """Bytes that all tasks wrote for Spark's shuffles."""
        return sum(
            (event.get("Task Metrics") or {})
            .get("Shuffle Write Metrics", {})
            .get("Shuffle Bytes Written", 0)
            for event in self.events("SparkListenerTaskEnd")
        )

    def failures(self) -> dict[str, int]:
        """Tasks that failed, by reason."""
        reasons = (e["Task End Reason"]["Reason"] for e in self.events("SparkListenerTaskEnd"))
        return dict(Counter(reason for reason in reasons if reason != "Success"))

    def attempts(self) -> dict[int, int]:
        """How often each stage was submitted."""
        found: defaultdict[int, int] = defaultdict(int)
        for event in self.events("SparkListenerStageSubmitted"):
            found[event["Stage Info"]["Stage ID"]] += 1
        return dict(found)


def _names(plan: dict[str, Any]) -> str:
    return f"\n{plan['nodeName']}" + "".join(_names(child) for child in plan["children"])
