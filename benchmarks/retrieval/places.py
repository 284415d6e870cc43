"""Heading and page of hits, and recall of documents and pages, on folders of real files.

    python -m benchmarks.retrieval.places [--profile fast] [--sets folder papers]

For each set it prints the share of the first ten hits whose heading and page are those of the
matching sentence, according to the marks of the document; the share of documents, and of pages of
`papers`, among the first 2, 5 and 10 hits; the number of passages; and CPU seconds of the build.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import print_table
from benchmarks.retrieval.corpora import DATA
from graphagg.rag import Document, Hit, Passage, PassageIndex, read_documents
from graphagg.rag.documents.reading.document import mark_at

KS = (2, 5, 10)
SETS = ("folder", "papers")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval.places")
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rows = [measure(name, Path(work), options.profile) for name in options.sets]
    found = [f"{unit} @{k}" for unit in ("documents", "pages") for k in KS]
    head = ["set", "hits", "heading and page of the match", *found, "passages", "CPU s"]
    print_table(head, rows)


def measure(name: str, work: Path, profile: str) -> list[object]:
    """Return the row of a set in the table."""
    source = folder_of(name, work)
    documents = {each.id: each for each in read_documents(source)}
    start = time.process_time()
    index = PassageIndex.build(documents.values(), work / f"{name}.idx", profile=profile)
    spent = time.process_time() - start
    right, count = 0, 0
    found: dict[tuple[str, int], list[float]] = {(u, k): [] for u in ("file", "page") for k in KS}
    for question in questions_of(name):
        hits = index.retrieve(question["question"], KS[-1])
        count += len(hits)
        right += sum(is_right(hit, documents[document_of(hit.passage)]) for hit in hits)
        for k in KS:
            files = {document_of(hit.passage) for hit in hits[:k]}
            pages = {(document_of(hit.passage), hit.place.page) for hit in hits[:k]}
            for unit, gold in question["gold"].items():
                seen = files if unit == "file" else pages
                found[unit, k].append(len(gold & seen) / len(gold))
    shares = [100 * sum(each) / len(each) if each else "" for each in found.values()]
    cells = [f"{share:.1f}" if share != "" else "" for share in shares]
    return [name, count, f"{100 * right / count:.1f} %", *cells, len(index), f"{spent:.0f}"]


def folder_of(name: str, work: Path) -> Path:
    """Return the folder with the files of a set."""
    if name == "papers":
        return DATA / name / "corpus"
    with tarfile.open(DATA / name / "documents.tar.gz") as archive:
        archive.extractall(work / name, filter="data")
    return work / name


def questions_of(name: str) -> Iterator[dict[str, Any]]:
    """Yield questions with the files and pages that answer them."""
    for line in (DATA / name / "questions.jsonl").read_text().splitlines():
        question: dict[str, Any] = json.loads(line)
        files = question.get("gold_documents") or question.get("gold_document_ids")
        if files:
            question["gold"] = {"file": set(files)}
            if name == "papers":
                question["gold"]["page"] = {(files[0], page) for page in question["gold_pages"]}
            yield question


def document_of(passage: Passage) -> str:
    return passage.document or passage.id


def is_right(hit: Hit, document: Document) -> bool:
    """Whether a hit has the heading and page of its match, according to its document's marks."""
    text, passage = document.text, hit.passage
    start = text.find(passage.text)
    assert text.count(passage.text) >= 1, "a passage is a piece of its document"
    marks = []
    while start >= 0:  # a text can occur in a document several times
        marks.append(mark_at(document.marks, start + hit.match.start))
        start = text.find(passage.text, start + 1)
    place = place_of_hit(hit)
    return any((mark.heading, mark.page) == place for mark in marks)


def place_of_hit(hit: Hit) -> tuple[tuple[str, ...], int | None]:
    metadata: Mapping[str, Any] = hit.to_json()["metadata"]
    return tuple(metadata.get("heading", ())), metadata.get("page")


if __name__ == "__main__":
    main()
