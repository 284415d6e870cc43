"""A Markdown report that is printed step by step and saved as JSON, and an option parser."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Report:
    """Headings, lines and tables: on stdout, in `report.md` of a folder, and as JSON.

    Attributes:
        folder: folder for `save`.
        blocks: the reported blocks, in order: `{"heading": ...}`, `{"line": ...}` or
            `{"header": [...], "rows": [[...]]}`.
    """

    def __init__(self, folder: Path, *, quiet: bool = False) -> None:
        self.folder, self._quiet = folder, quiet
        self.blocks: list[dict[str, Any]] = []

    def heading(self, text: str) -> None:
        self._add({"heading": text})

    def line(self, text: str) -> None:
        self._add({"line": text})

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        shown = [[_cell(value) for value in row] for row in rows]
        self._add({"header": list(header), "rows": shown})

    def save(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "report.md"
        path.write_text("# Benchmarks\n\n" + markdown(self.blocks), encoding="utf-8")
        return path

    def keep(self, name: str, first: int, folder: Path) -> Path:
        """Save the blocks from `first` on as `NAME.json`; `make docs` makes a page from it."""
        version, cores = platform.python_version(), os.cpu_count()
        kept = {
            "benchmark": name,
            "command": f"python -m benchmarks.run {name} --keep",
            "machine": f"Python {version}, {cores} cores, {platform.machine()}",
            "blocks": self.blocks[first:],
        }
        path = folder / f"{name}.json"
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def _add(self, block: dict[str, Any]) -> None:
        self.blocks.append(block)
        if not self._quiet:
            print(markdown([block]), end="", flush=True)


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the docstring of a module, with its line breaks."""
    kind = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=doc, formatter_class=kind)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table as Markdown."""
    shown = [[_cell(value) for value in row] for row in rows]
    print(markdown([{"header": list(header), "rows": shown}]), flush=True)


def markdown(blocks: Sequence[dict[str, Any]]) -> str:
    """Return reported blocks as Markdown."""
    lines: list[str] = []
    for block in blocks:
        if "heading" in block:
            lines += ["", f"## {block['heading']}", ""]
        elif "line" in block:
            lines.append(block["line"])
        else:
            rows = [block["header"], ["---"] * len(block["header"]), *block["rows"]]
            lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
