"""The results that are made from the JSON which benchmarks keep in docs/."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.report import markdown
from benchmarks.training import aggregators
from benchmarks.training import table as training
from graphagg.nn.presets import preset
from graphagg.nn.presets.sources import PUBLISHED, source_of

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
        if match[1] == "presets":
            return published()
        names = "training, aggregators, presets"
        raise ValueError(f"no table is made by the name {match[1]!r}; there are {names}")

    return _MADE.sub(table, text)


def published() -> str:
    """Presets with a published figure: their data, the figure, and the command that trains them."""
    lines = [
        "| preset | data | layers x width | epochs | published (quoted) | source | command |",
        "| --- | --- | --- | ---: | --- | --- | --- |",
    ]
    for name, figure in PUBLISHED.items():
        settings, source = preset(name), source_of(name)
        model = settings.model
        data = source or "a file"
        given = "" if source else " --data FILE.npz"
        lines.append(
            f"| {name} | {data} | {model.layers} x {model.channels} | {settings.training.epochs} | "
            f"{figure.metric} {figure.value} | {figure.source} | "
            f"`graphagg train {name}{given} --out runs/{name}` |"
        )
    return "\n".join(lines)
