"""The checks on event logs find what they look for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.events import EventLog

pytestmark = pytest.mark.cluster
SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"


def log(folder: Path, *events: dict[str, Any]) -> EventLog:
    lines = (json.dumps(event) + "\n" for event in events)
    (folder / "app").write_text("".join(lines) + '{"Event": "half a li', encoding="utf-8")
    return EventLog(folder)


def plan(*names: str) -> dict[str, Any]:
    children = [{"nodeName": name, "children": []} for name in names]
    return {"nodeName": "AdaptiveSparkPlan", "children": children}


def test_a_broadcast_that_adaptive_execution_adds_is_found(tmp_path: Path) -> None:
    first = {"physicalPlanDescription": "SortMergeJoin", "sparkPlanInfo": plan("SortMergeJoin")}
    later = {"physicalPlanDescription": "", "sparkPlanInfo": plan("Exchange", "BroadcastHashJoin")}
    events = [
        {"Event": f"{SQL}ExecutionStart", **first},
        {"Event": f"{SQL}AdaptiveExecutionUpdate", **later},
    ]
    assert log(tmp_path, events[0]).broadcasts() == []
    assert log(tmp_path, *events).broadcasts() == ["BroadcastHashJoin"]
