"""A Markdown report that is printed while it grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class Report:
    """Lines and tables, on stdout and in `report.md` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines: list[str] = ["# Benchmarks", ""]

    def heading(self, text: str) -> None:
        self.line(f"\n## {text}\n")

    def line(self, text: str) -> None:
        self._lines.append(text)
        print(text, flush=True)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.line("| " + " | ".join(header) + " |")
        self.line("| " + " | ".join("---" for _ in header) + " |")
        for row in rows:
            self.line("| " + " | ".join(_cell(value) for value in row) + " |")
        self.line("")

    def save(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "report.md"
        path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")
        return path


def _cell(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
