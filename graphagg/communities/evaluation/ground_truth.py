"""Reads ground-truth communities from the formats in which they are published."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidCommunities, UnreadableFile
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.reading.files import read_bytes
from graphagg.graph.reading.sources import parse_json
from graphagg.graph.reading.text import looks_like_number

_INTEGER = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class GroundTruth:
    """Communities as dense numbers.

    Attributes:
        communities: arrays of distinct vertices, each with at least one.
        unknown: number of members that are not in the graph and were left out.
    """

    communities: tuple[npt.NDArray[np.int64], ...]
    unknown: int

    def select(
        self,
        min_size: int,
        max_size: int | None,
        most: int | None,
        random_state: int,
    ) -> tuple[npt.NDArray[np.int64], ...]:
        """Select communities by size, and draw `most` of them at random, in file order."""
        fit = [
            c
            for c in self.communities
            if min_size <= len(c) and (not max_size or len(c) <= max_size)
        ]
        if most is None or len(fit) <= most:
            return tuple(fit)
        drawn = np.random.default_rng(random_state).choice(len(fit), most, replace=False)
        return tuple(fit[i] for i in sorted(drawn.tolist()))


def read_communities(path: str | os.PathLike[str], vertices: VertexIds) -> GroundTruth:
    """Read a ground truth.

    Accepted are: one community per line; `vertex label` pairs (recognized by every line having two
    columns and no vertex coming first twice); a CSV of the two, with or without a header; JSON
    `{"communities": [[...]]}`. gzip is recognized by its magic bytes.

    Args:
        path: the file.
        vertices: the graph's; members that are not there are counted.

    Raises:
        InvalidCommunities: no member is in the graph, or the JSON has another form.
        UnreadableFile: it is missing or broken.
    """
    source = Path(path)
    try:
        text = read_bytes(source).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{source}: cannot be read ({error}); convert the file to UTF-8"
        ) from None
    return number_communities(_groups(text, source), vertices, str(source))


def number_communities(
    groups: Iterable[Sequence[Any]], vertices: VertexIds, name: str = "the communities"
) -> GroundTruth:
    """Exchange the ids of communities for dense numbers."""
    unknown = 0
    communities = []
    for group in groups:
        members = [vertices.find(member) for member in group]
        unknown += sum(member is None for member in members)
        inside = sorted({member for member in members if member is not None})
        if inside:
            communities.append(np.array(inside, dtype=np.int64))
    if not communities and not unknown:
        raise InvalidCommunities(f"{name}: no community in it, wanted one at least")
    if not communities:
        raise InvalidCommunities(
            f"{name}: none of {unknown:,} members is in the graph, wanted its vertex ids; "
            "check that file and index belong together"
        )
    return GroundTruth(tuple(communities), unknown)


def _groups(text: str, path: Path) -> list[list[VertexId]]:
    stripped = text.lstrip()
    if stripped.startswith("{"):
        return _from_json(stripped, path)
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    comma = bool(lines) and "," in lines[0]
    rows = list(csv.reader(io.StringIO("\n".join(lines)))) if comma else [x.split() for x in lines]
    if comma and not looks_like_number(rows[0][0]) and _has_header(rows):
        rows = rows[1:]
    pairs = all(len(row) == 2 for row in rows)
    if pairs and (comma or len({row[0] for row in rows}) == len(rows)):
        labeled: dict[str, list[VertexId]] = {}
        for vertex, label in rows:
            labeled.setdefault(label.strip(), []).append(vertex.strip())
        return list(labeled.values())
    return [[cell.strip() for cell in row] for row in rows]


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first line names columns: integers follow, or it is a usual name."""
    first = rows[0][0].strip().casefold()
    below = rows[1][0].strip() if len(rows) > 1 else ""
    return bool(_INTEGER.fullmatch(below)) or first in ("id", "vertex", "node", "name")


def _from_json(text: str, path: Path) -> list[list[VertexId]]:
    raw = parse_json(text, path, InvalidCommunities)
    groups = raw.get("communities")
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise InvalidCommunities(f'{path}: wanted {{"communities": [[vertex, ...], ...]}}')
    return groups
