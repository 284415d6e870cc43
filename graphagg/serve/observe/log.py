"""The log of a service, on stderr: lines for people, or one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Literal, TextIO

from graphagg.checks import one_of

LogFormat = Literal["text", "json"]
FORMATS: tuple[LogFormat, ...] = ("text", "json")
LogLevel = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")

ACCESS = "graphagg.access"
"""The logger of requests; its records carry their values as `fields`."""


class JsonFormatter(logging.Formatter):
    """One object per line: `time` (UTC), `level`, `logger`, `message` and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; ASCII, so that no text can break it."""
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
    """The message; a request with its time, as web servers write it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines where there is a traceback."""
        line = super().format(record)
        return f"{_utc(record.created)} {line}" if record.name == ACCESS else line


class _Stderr(logging.StreamHandler[TextIO]):
    """A handler for the stderr of the moment: a test or a terminal may have replaced it."""

    @property
    def stream(self) -> TextIO:
        """The stream of a line."""
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """Ignore another stream."""


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def start_log(level: LogLevel = "info", form: LogFormat = "text") -> None:
    """Send what graphagg logs to stderr; libraries only from `warning` on.

    Args:
        level: of graphagg's own lines; `debug` adds requests to health checks and metrics.
        form: `text` or `json`.
    """
    one_of("log level", level, LEVELS)
    one_of("log format", form, FORMATS)
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    least = getattr(logging, level.upper())
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
    for name in ("graphagg.serve", ACCESS):
        logging.getLogger(name).setLevel(least)
