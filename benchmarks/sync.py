"""Keeping an index in step with a folder: one changed file among 400, a touched folder, a rebuild.

The files hold passages of 2WikiMultiHopQA, seven each. Peers in the same run: the whole build, and
a second build with other chunks, with and without the vectors that the first one kept.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import cost
from benchmarks.report import Report
from graphagg.rag import (
    ChunkConfig,
    PassageIndex,
    SentenceTransformerEncoder,
    SpacyExtractor,
    VectorCache,
    read_documents,
    read_passages,
)
from tests.conftest import DATA

FOLDER = DATA / "2wikimultihopqa"
FILES, EACH = 400, 7
CHANGED = "\n\nThe bridge of Kolmård was opened by Ada Lindqvist in 1931.\n"


def run(report: Report) -> None:
    report.heading(f"Sync of a folder ({FILES} files of {EACH} passages of 2WikiMultiHopQA)")
    if not FOLDER.is_dir():
        report.line(f"skipped: {FOLDER} is absent; set GRAPHAGG_DATA")
        return
    root = Path(tempfile.mkdtemp())
    try:
        report.table(("step", "CPU s", "wall s", "% of the build's CPU s"), _measured(root))
    finally:
        shutil.rmtree(root)


def _measured(root: Path) -> list[tuple[object, ...]]:
    files, cache = _written(root / "files"), VectorCache(root / "cache")
    models = {"encoder": SentenceTransformerEncoder(), "extractor": SpacyExtractor(processes=1)}
    models["encoder"].encode(["warm"])

    def build(name: str, **options: object) -> None:
        PassageIndex.build(read_documents(files), root / name, **models, **options).close()

    def change() -> None:
        index.sync(read_documents(files))

    steps: list[tuple[str, Callable[[], None]]] = [
        ("build", lambda: build("idx", cache=cache)),
        ("one file has another sentence", change),
        ("nothing changed", change),
        ("every file is touched", change),
        ("build with chunks of 100 words", lambda: build("plain", chunking=ChunkConfig(100))),
        (
            "the same, with the vectors kept",
            lambda: build("kept", chunking=ChunkConfig(100), cache=cache),
        ),
    ]
    times = []
    for name, step in steps:
        if name.startswith("one file"):
            index = PassageIndex.open(root / "idx", **models)  # type: ignore[arg-type]
            with (files / "200.md").open("a") as file:
                file.write(CHANGED)
        if name.startswith("every"):
            for path in files.iterdir():
                os.utime(path, (0, 0))
        times.append((name, cost(step)))
    whole = times[0][1].cpu
    return [(name, spent.cpu, spent.wall, 100 * spent.cpu / whole) for name, spent in times]


def _written(folder: Path) -> Path:
    folder.mkdir()
    passages = list(read_passages(FOLDER / "passages.jsonl.gz"))[: FILES * EACH]
    for number in range(FILES):
        some = passages[number * EACH : (number + 1) * EACH]
        text = "\n\n".join(f"## {p.title}\n\n{p.text}" for p in some)
        (folder / f"{number}.md").write_text(f"# File {number}\n\n{text}\n", encoding="utf-8")
    return folder
