"""Creates a folder of real files of ten kinds from this machine, and measures the cost to read it.

    python -m benchmarks.retrieval.folder make FOLDER [--per-kind 60]
    python -m benchmarks.retrieval.folder read FOLDER
    python -m benchmarks.retrieval.folder text FILE [--mib 5]
    python -m benchmarks.retrieval.folder questions FOLDER --out FILE
    python -m benchmarks.retrieval.folder cost FOLDER [--checkouts OTHER .] [--profiles fast]

`make` copies documentation of the system (`/usr/share/doc`), the descriptions and licenses of the
installed Python packages, and Python's help topics, and converts some topics to PDF and DOCX.
The same machine gives the same folder. `read` and `text` print the time and the peak memory of
reading, without models; `text` reads one text file of a given size. `questions` writes the
questions of `folder_questions.jsonl` whose files are in the folder, for `graphagg rag eval`, since
packages and documentation differ between machines. `cost` runs `graphagg rag index` of each
checkout on the folder, in alternation, and prints CPU, wall and peak memory.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from itertools import islice, product
from pathlib import Path

from benchmarks.measure import ONE_THREAD

SYSTEM = Path("/usr/share/doc")
SUFFIXES = (".html", ".md", ".rst", ".txt", ".py", ".json", ".Debian", "")
"""Suffixes of files that are copied from the system's documentation."""
LARGEST = 300_000  # maximum bytes of a copied file
YEAR = datetime(2024, 1, 1, tzinfo=UTC)
QUESTIONS = Path(__file__).with_name("folder_questions.jsonl")
Topic = tuple[str, str]
INDEX = "from graphagg.cli.main import main; main()"


def make(folder: Path, per_kind: int) -> dict[str, int]:
    """Create and fill a folder; return the number of files by kind."""
    folder.mkdir(parents=True)
    for suffix in SUFFIXES:
        for source in islice(system_files(suffix), per_kind):
            copy(source, folder / "system" / source.relative_to(SYSTEM))
    described = sorted(distributions(), key=lambda each: each.name)
    for each in islice(described, per_kind):
        write(folder / "packages" / each.name / "METADATA.md", each.read_text("METADATA") or "")
    write_rows(folder / "packages.csv", folder / "packages.jsonl", [d for d in described if d])
    topics = list(islice(python_topics(), 4 * per_kind))
    for place, topic in enumerate(topics):
        makers: list[Callable[[Path, Topic], None]] = [text, pdf, docx, notebook]
        makers[place % 4](folder / "python", topic)
    return kinds(folder)


def system_files(suffix: str) -> Iterator[Path]:
    """Yield the files of a kind in the system's documentation, sorted by path."""
    for path in sorted(SYSTEM.rglob(f"*{suffix}")):
        usual = path.suffix == suffix and path.is_file() and not path.is_symlink()
        if usual and 0 < path.stat().st_size <= LARGEST:
            yield path


def python_topics() -> Iterator[Topic]:
    """Yield Python's help topics, sorted by name."""
    from pydoc_data.topics import topics

    yield from sorted(topics.items())


def write(path: Path, content: str) -> None:
    """Write a text file; create its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    """Copy a file with its modification time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def write_rows(table: Path, lines: Path, described: list) -> None:
    """Write the one-line summaries of the packages as CSV and as JSON lines."""
    rows = [
        {"name": d.name, "version": d.version, "summary": d.metadata["Summary"]} for d in described
    ]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write(lines, "".join(json.dumps(row) + "\n" for row in rows))


def text(folder: Path, topic: Topic) -> None:
    """Write a topic as plain text."""
    write(folder / f"{topic[0]}.txt", topic[1])


def notebook(folder: Path, topic: Topic) -> None:
    """Write a topic as the cells of a notebook."""
    name, content = topic
    cells = [{"cell_type": "markdown", "source": f"# {name}"}]
    cells += [{"cell_type": "markdown", "source": part} for part in content.split("\n\n")]
    write(folder / f"{name}.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))


def pdf(folder: Path, topic: Topic) -> None:
    """Write a topic as a PDF with an outline."""
    from fpdf import FPDF

    name, content = topic
    made = FPDF()
    made.set_creation_date(YEAR)
    made.set_title(f"Python: {name}")
    made.set_font("helvetica", size=11)
    made.add_page()
    made.start_section(name)
    made.multi_cell(0, 5, content.encode("latin-1", "replace").decode("latin-1"))
    made.output(str(folder / f"{name}.pdf"))


def docx(folder: Path, topic: Topic) -> None:
    """Write a topic as a Word document."""
    from docx import Document

    name, content = topic
    document = Document()
    document.core_properties.title, document.core_properties.created = f"Python: {name}", YEAR
    document.add_heading(name, 1)
    for part in content.split("\n\n"):
        document.add_paragraph(part)
    document.save(str(folder / f"{name}.docx"))


def kinds(folder: Path) -> dict[str, int]:
    """Count the files by suffix."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return Counter(path.suffix.lower() or "none" for path in files)


def read(source: Path) -> None:
    """Read the folder; print the counts and the cost."""
    from graphagg.cli.output.console import resources
    from graphagg.rag import FolderReport, read_documents

    before, report, began = resources(), FolderReport(), time.process_time()
    characters = sum(len(d.text) for d in read_documents(source, report=report))
    after = resources()
    print(f"{report}; {report.documents:,} documents, {characters:,} characters")
    for each in (*report.left_out, *report.refused):
        if each.reason:
            print(f"  {each}")
    peaks = [used["peak_memory_mib"] for used in (before, after)]
    print(
        f"{time.process_time() - began:.1f} CPU s; peak {peaks[1]} MiB, {peaks[0]} before reading"
    )


def questions(folder: Path, out: Path) -> tuple[int, int]:
    """Write the questions whose files all exist; return their number and the total."""
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines(keepends=True)
    golds = [json.loads(line)["gold_document_ids"] for line in lines]
    there = [all((folder / name).is_file() for name in gold) for gold in golds]
    write(out, "".join(line for line, answerable in zip(lines, there, strict=True) if answerable))
    return sum(there), len(lines)


def index_cost(checkout: Path, source: Path, profile: str) -> dict[str, float]:
    """Measure a build with the code of a checkout, in a process of one thread."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["rag", "index", str(source.resolve()), "--out", f"{folder}/idx"]
        command += ["--profile", profile, "--processes", "1", "--json"]
        done = subprocess.run(
            [sys.executable, "-c", INDEX, *command], check=True, stdout=subprocess.PIPE,
            cwd=checkout, env=os.environ | ONE_THREAD | {"PYTHONPATH": str(checkout.resolve())},
        )  # fmt: skip
    return dict(json.loads(done.stdout))


def cost(source: Path, checkouts: list[Path], profiles: list[str], rounds: int) -> None:
    """Print the cost to index a folder with each checkout, in alternation, after a small build."""
    with tempfile.TemporaryDirectory() as small:
        write(Path(small) / "a.md", "# Rivers\n\nThe Vistula flows through Warsaw.\n")
        for checkout, profile in product(checkouts, profiles):  # compiles missing kernels
            index_cost(checkout, Path(small), profile)
    for profile, _, checkout in product(profiles, range(rounds), checkouts):
        figures = index_cost(checkout, source, profile)
        kept = ("passages", "sentences", "cpu_seconds", "wall_seconds", "peak_memory_mib")
        print(checkout, profile, {name: figures[name] for name in kept}, flush=True)


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("make", "read", "text", "questions", "cost"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--per-kind", type=int, default=60)
    parser.add_argument("--mib", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("questions.jsonl"))
    parser.add_argument("--checkouts", type=Path, nargs="*", default=[Path()])
    parser.add_argument("--profiles", nargs="*", default=["standard", "fast"])
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    if given.command == "make":
        counts = make(given.path, given.per_kind)
        print(f"{sum(counts.values()):,} files:", ", ".join(f"{n} {k}" for k, n in counts.items()))
    elif given.command == "read":
        read(given.path)
    elif given.command == "cost":
        cost(given.path, given.checkouts, given.profiles, given.rounds)
    elif given.command == "questions":
        kept, known = questions(given.path, given.out)
        print(f"{given.out}: {kept} of {known} questions; for {known - kept} a file is missing")
    else:
        every = "\n\n".join(content for _, content in python_topics())
        size = given.mib * 2**20
        write(given.path, (every * (size // len(every) + 1))[:size])
        read(given.path)


if __name__ == "__main__":
    sys.exit(main())
