"""The log of a service on stderr: text lines, or one JSON object per line."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Literal

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

ACCESS = "graphagg.access"
"""The logger of requests; its records have the values as `fields`."""


class JsonFormatter(logging.Formatter):
    """One object per line: `time` (UTC), `level`, `logger`, `message` and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """One ASCII line, whatever is in the text."""
        values: dict[str, Any] = {
            "time": _utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, default=str)


class TextFormatter(logging.Formatter):
    """The message; lines of requests begin with the time."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, and a traceback if there is one."""
        line = super().format(record)
        return f"{_utc(record.created)} {line}" if record.name == ACCESS else line


def _utc(seconds: float) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{int(seconds % 1 * 1000):03d}Z"


def start_log(level: LogLevel = "info", form: LogFormat = "text") -> None:
    """Log to stderr: graphagg from `level` on, other libraries from `warning` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    least = getattr(logging, level.upper())
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
    for name in ("graphagg.serve", ACCESS):
        logging.getLogger(name).setLevel(least)
