"""Results and costs of reading every supported file format, and harmful files.

    python -m benchmarks.retrieval.kinds
    python -m benchmarks.retrieval.kinds encodings
    python -m benchmarks.retrieval.kinds harm [--profiles fast standard] [--files word.txt dump.txt]

The files come from the tests. The first command reads a folder of them into passages of four
words, and prints the trail and the page of the passage with a part number. `encodings` reads short
texts of 18 languages in their encodings, and counts wrong texts and reported guesses. `harm` runs
`graphagg rag index` on each harmful file, together with a file of one line, in a process of one
thread. It prints CPU and wall seconds, peak memory of the process or its converter, and the message
about the file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import ONE_THREAD
from benchmarks.report import print_table
from benchmarks.retrieval.folder import INDEX
from graphagg.rag import ChunkConfig, FolderReport, chunk_documents, read_documents
from tests.unit.rag.documents.reading import files
from tests.unit.rag.documents.reading.encodings import cases
from tests.unit.rag.documents.reading.harm import HARMFUL


def kinds(folder: Path) -> None:
    """Print the result for each file, and the citation of a passage with the part number."""
    report = FolderReport()
    rows = []
    for document in read_documents(files.company(folder), report=report):
        chunks = list(chunk_documents([document], ChunkConfig(4, 0)))
        cited = next((chunk for chunk in chunks if "IM-22" in chunk.text), chunks[0])
        links = ", ".join(link.target for link in document.links)
        page = cited.metadata.get("page", "")
        rows.append([document.id, len(document.text), links, cited.title, page, repr(cited.text)])
    print_table(["document", "characters", "links to", "trail", "page", "passage"], rows)
    for left in report.left_out:
        print(f"left out: {left}")


def encodings(folder: Path) -> None:
    """Print by language how many texts are read wrongly, and for how many a guess is reported."""
    texts = {f"{i}.txt": case for i, case in enumerate(cases())}
    for name, (_, encoding, text) in texts.items():
        (folder / name).write_bytes(text.encode(encoding))
    report = FolderReport()
    readings = {document.id: document.text for document in read_documents(folder, report=report)}
    guessed, rows = {each.path for each in report.guessed}, []
    for language in dict.fromkeys(case[0] for case in texts.values()):
        here = {name: case for name, case in texts.items() if case[0] == language}
        names = ", ".join(dict.fromkeys(case[1] for case in here.values()))
        wrong = [case for name, case in here.items() if readings.get(name) != case[2]]
        shown = "; ".join(f"{text.strip()} ({encoding})" for _, encoding, text in wrong)
        rows.append([language, names, len(here), len(wrong), len(guessed & here.keys()), shown])
    print_table(["language", "encodings", "files", "wrong", "named as guessed", "which"], rows)


def harm(folder: Path, profile: str, names: list[str]) -> None:
    """Print the cost of each harmful file, next to a plain file in its folder."""
    rows = []
    (folder / "plain.txt").write_text("A river in Poland.\n")
    for name in ["", *(names or HARMFUL)]:
        path = folder / name
        if name:  # in a separate process, since a child inherits the peak of its parent
            made = [sys.executable, "-m", "tests.unit.rag.documents.reading.harm", name]
            with path.open("wb") as sink:
                subprocess.run(made, check=True, stdout=sink)
        size = path.stat().st_size if name else 0
        rows.append([name or "none", f"{size:,}", *indexed(folder, name, profile)])
        print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
        if name:
            path.unlink()
    print_table([f"file, {profile}", "bytes", "CPU s", "wall s", "peak MiB", "result"], rows)


def indexed(folder: Path, name: str, profile: str) -> list[Any]:
    """Measure CPU, wall and peak memory of a build; return them and the message about the file."""
    with tempfile.TemporaryDirectory() as out:
        command = ["rag", "index", str(folder), "--out", f"{out}/idx", "--json"]
        command += ["--profile", profile, "--processes", "1"]
        said, began = Path(out) / "said", time.perf_counter()
        with said.open("wb") as sink:
            child = subprocess.Popen(
                [sys.executable, "-c", INDEX, *command], stdout=sink, env=os.environ | ONE_THREAD
            )
            _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        figures = [f"{used.ru_utime + used.ru_stime:.1f}", f"{time.perf_counter() - began:.1f}"]
        told = json.loads(said.read_text(encoding="utf-8"))
    named = [f"{each['kind']}: {each['reason']}" for each in told["files"]["named"]]
    passages = told["passages"] - 1
    result = f"{passages:,} passages" if passages else ""
    return [
        *figures,
        used.ru_maxrss // 1024,
        "; ".join([result, *(named or told["files"]["left_out"])]).strip("; ")[:160],
    ]


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("read", "encodings", "harm"), nargs="?", default="read")
    parser.add_argument("--profiles", nargs="*", default=["fast"])
    parser.add_argument("--files", nargs="*", default=[])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.command == "read":
            kinds(Path(folder))
        if chosen.command == "encodings":
            encodings(Path(folder))
        for profile in chosen.profiles if chosen.command == "harm" else ():
            harm(Path(folder), profile, chosen.files)


if __name__ == "__main__":
    main()
