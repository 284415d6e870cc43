"""Edges as commands, jobs and recipes name them, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphagg.graph.kinds import IdType

BUNDLED = "bundled:"
"""A recipe's input that begins so is a graph that comes with networkx, by its name."""
_READING = {"panel": "How edges are read"}


@dataclass(frozen=True)
class Reading:
    """How edges are read.

    Attributes:
        ids: how text ids are read.
        header: whether text has a header. None: recognized.
    """

    ids: IdType = field(default="auto", metadata=_READING)
    header: bool | None = field(default=None, metadata=_READING | {"flags": "--header/--no-header"})


@dataclass(frozen=True)
class WeightedReading(Reading):
    """How edges are read where weights count.

    Attributes:
        weighted: use the weights where edges carry any.
    """

    weighted: bool = field(default=True, metadata=_READING | {"flags": "--weighted/--unweighted"})


def find_edges(source: str) -> Any:
    """A path, or a bundled graph."""
    if not source.startswith(BUNDLED):
        return Path(source)
    from graphagg.graph import bundled_graph

    return bundled_graph(source.removeprefix(BUNDLED))
