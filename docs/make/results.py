"""The results that are made from the JSON which benchmarks keep in docs/."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.report import markdown
from benchmarks.training import table as training

_MADE = re.compile(r"<!-- made: (\w+) -->")
_HEAD = """# Results of the last runs

Each section is made from the file that a benchmark keeps in `docs/results`; no figure is typed.
"""


def pages(folder: Path) -> dict[str, str]:
    """The Markdown of the page that shows every kept benchmark, by its place in the site."""
    parts = [_HEAD]
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"## {kept['benchmark']}\n\n`{kept['command']}`; {kept['machine']}.\n")
        parts.append(markdown(kept["blocks"]).replace("\n## ", "\n### "))
    return {"results/kept.md": "\n".join(parts)}


def filled(text: str, docs: Path) -> str:
    """A page with its `<!-- made: NAME -->` replaced by the table of that name."""

    def table(match: re.Match[str]) -> str:
        if match[1] != "training":
            raise ValueError(f"no table is made by the name {match[1]!r}; there is training")
        return training.markdown(training.read_known(docs / "training-cells.json"))

    return _MADE.sub(table, text)
