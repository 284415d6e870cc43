"""The stages of a request with their times.

A request has one `Trace`, to which code in any thread adds stages. `graphagg.serve.http.requests`
reports it to metrics and log when the request ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Stage(NamedTuple):
    """One stage.

    Attributes:
        name: of a question `scope` (the filter's rows), `wait` (for the models), `read` (the terms
            and entities of the question), `encode`, `retrieve` or `explain` (texts of the hits);
            of communities and vectors `query` or `structure`.
        begin, end: nanoseconds since the epoch.
        shared: number of questions that this stage handled together.
    """

    name: str
    begin: int
    end: int
    shared: int = 1

    @property
    def seconds(self) -> float:
        """Duration."""
        return (self.end - self.begin) / 1e9


class Trace:
    """The id of a request, and its stages in the order in which they ended."""

    def __init__(self, identifier: str = "") -> None:
        self.identifier = identifier
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str, shared: int = 1) -> Iterator[None]:
        """Time a block; a failing block counts too."""
        begin = time.time_ns()
        try:
            yield
        finally:
            self.stages.append(Stage(name, begin, time.time_ns(), shared))

    def milliseconds(self) -> dict[str, float]:
        """Time by stage name."""
        spent: dict[str, float] = {}
        for stage in self.stages:
            spent[stage.name] = spent.get(stage.name, 0.0) + stage.seconds * 1000
        return {name: round(each, 3) for name, each in spent.items()}


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace:
    """The trace of the current request; a new one outside requests."""
    return _CURRENT.get() or Trace()


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Use a trace for the current task."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)
