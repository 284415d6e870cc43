"""Answers written to files: CSV, JSON or GraphML."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidParameter, MissingExtra, WriteFailed

if TYPE_CHECKING:
    from graphagg.communities import Community
    from graphagg.rag import Hit

Writer = Callable[[Path], None]


def save_community(community: Community, target: Path) -> None:
    """Write members (.csv, .json) or the graph of seeds and members (.graphml)."""
    rows = [
        (rank, member.id, member.score, member.explain())
        for rank, member in enumerate(community.members, 1)
    ]
    _save(
        target,
        {
            ".csv": lambda path: _write_csv(path, ("rank", "vertex", "score", "why"), rows),
            ".json": lambda path: _write_json(path, community.to_json()),
            ".graphml": lambda path: _write_graphml(path, community),
        },
    )


def save_hits(question: str, hits: Sequence[Hit], target: Path) -> None:
    """Write the hits of a question: .csv, .json, or .jsonl with a hit a line."""
    rows = [
        (rank, hit.passage.id, hit.passage.title, hit.score, hit.passage.text)
        for rank, hit in enumerate(hits, 1)
    ]
    answers = [hit.to_json() for hit in hits]
    names = ("rank", "id", "title", "score", "text")
    _save(
        target,
        {
            ".csv": lambda path: _write_csv(path, names, rows),
            ".json": lambda path: _write_json(path, {"question": question, "hits": answers}),
            ".jsonl": lambda path: _write_lines(path, answers),
        },
    )


def _save(target: Path, writers: Mapping[str, Writer]) -> None:
    """Write by the suffix, whole or not at all."""
    writer = writers.get(target.suffix.casefold())
    if writer is None:
        suffixes = ", ".join(writers)
        raise InvalidParameter(f"{target}: suffix {target.suffix!r}, wanted one of {suffixes}")
    partial = target.with_name(f".{target.name}.part")
    try:
        writer(partial)
        os.replace(partial, target)
    except OSError as error:
        raise WriteFailed(
            f"{target}: could not be written ({error.strerror or error}); check the folder"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_lines(path: Path, values: Iterable[Any]) -> None:
    lines = (json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    path.write_text("".join(lines), encoding="utf-8")


def _write_graphml(path: Path, community: Community) -> None:
    try:
        import networkx
    except ImportError:
        raise MissingExtra("networkx", "communities") from None
    networkx.write_graphml(community.to_networkx(), path)
