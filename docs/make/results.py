"""The results that are made from the JSON which benchmarks keep in docs/."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.report import markdown
from benchmarks.training import aggregators
from benchmarks.training import table as training

_MADE = re.compile(r"<!-- made: (\w+) -->")
_HEAD = """# Results of the last runs

Each section is made from the file that a benchmark keeps in `docs/results`; no figure is typed.
"""


def pages(folder: Path) -> dict[str, str]:
    """The Markdown of the page that shows every kept benchmark, by its place in the site."""
    sections = [_HEAD]
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        sections.append(f"## {kept['benchmark']}\n\n`{kept['command']}`; {kept['machine']}.\n")
        sections.append(markdown(kept["blocks"]).replace("\n## ", "\n### "))
    return {"results/kept.md": "\n".join(sections)}


def filled(text: str, docs: Path) -> str:
    """A page with its `<!-- made: NAME -->` replaced by the table of that name."""

    def table(match: re.Match[str]) -> str:
        if match[1] == "training":
            cells = json.loads((docs / "training-cells.json").read_text(encoding="utf-8"))
            return training.markdown(training.by_split(cells))
        if match[1] == "aggregators":
            return aggregators.markdown(json.loads((docs / "aggregator-cells.json").read_text()))
        raise ValueError(f"no table is made by the name {match[1]!r}: training, aggregators")

    return _MADE.sub(table, text)
