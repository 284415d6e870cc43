"""Hits written to files: CSV, JSON, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphagg.tables import json_writer, save, table_writers

if TYPE_CHECKING:
    import pyarrow

    from graphagg.rag import Hit


def save_hits(question: str, hits: Sequence[Hit], target: Path) -> None:
    """Write the hits of a question: .csv, .parquet, .json, or .jsonl with a hit a line."""

    def table() -> pyarrow.Table:
        import pyarrow as pa

        names = ("rank", "id", "title", "score", "text")
        rows = [
            (rank, hit.passage.id, hit.passage.title, hit.score, hit.passage.text)
            for rank, hit in enumerate(hits, 1)
        ]
        return pa.table([list(column) for column in zip(*rows, strict=True)] or [[]] * 5, names)

    def write_lines(path: Path) -> None:
        lines = (json.dumps(hit.to_json(), ensure_ascii=False) + "\n" for hit in hits)
        path.write_text("".join(lines), encoding="utf-8")

    whole = json_writer(lambda: {"question": question, "hits": [hit.to_json() for hit in hits]})
    save(target, {**table_writers(table), **whole, ".jsonl": write_lines})
