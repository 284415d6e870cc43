"""Sets of kinds that no constant was chosen on, made of what the machine has.

    python -m benchmarks.unseen FOLDER [--sets code manual] [--passages 1500] [--questions 250]

`code` asks for functions of Python's standard library by the first sentence of their docstrings,
which the passages do not hold; `manual` for manual pages by their one-line descriptions, likewise.
One passage is right for a question, nothing has a title, and little is named: what the links of
`best` are made for is not there. Prints recall of `best` beside the plain modes, by default models.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from benchmarks.profiles import print_recall
from graphagg.rag import PassageIndex
from graphagg.rag.evaluation.measure import GoldQuestion

MANUAL = Path("/usr/share/man")
LONGEST = 1_500  # characters of a passage
WORDS = range(4, 26)  # of a question
Item = tuple[str, str, str]
"""The id, the text and the description of a passage."""


def code() -> Iterator[Item]:
    """Functions of the standard library without their docstrings."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        place = path.relative_to(library)
        if {"test", "tests", "idlelib", "site-packages"} & set(place.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue  # files that are bad on purpose
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or len(node.body) < 2:
                continue
            if said := ast.get_docstring(node):
                node.body = node.body[1:]
                first = re.split(r"(?<=\.)\s|\n\n", said.strip())[0]
                yield f"{place}:{node.lineno}", ast.unparse(node), " ".join(first.split())


def manual() -> Iterator[Item]:
    """Manual pages of sections 1, 5, 7 and 8 without their section NAME."""
    pages = [path for section in "1578" for path in MANUAL.glob(f"man{section}/*.gz")]
    random.Random(1).shuffle(pages)
    for path in sorted(pages[:6_000], key=lambda path: path.name):
        roff = subprocess.run(["zcat", path], capture_output=True, check=True).stdout
        command = ["groff", "-Tutf8", "-man", "-P-cbou"]
        shown = subprocess.run(command, input=roff, capture_output=True, check=False).stdout
        text = shown.decode("utf-8", "replace")
        named = re.search(r"^NAME\n(.*?)\n(?=\S)", text, re.DOTALL | re.MULTILINE)
        if named is None:
            continue
        parts = re.split(r"\s[-\u2010-\u2015]\s", " ".join(named[1].split()), maxsplit=1)
        if len(parts) == 2:
            yield path.name, " ".join(text[named.end() :].split()), parts[1]


KINDS = {"code": code, "manual": manual}


def chosen(kind: str, count: int) -> list[Item]:
    """Passages of a kind with usual descriptions, at most so many, by a seeded choice."""
    usual = [
        (identifier, text[:LONGEST], said)
        for identifier, text, said in KINDS[kind]()
        if len(text) >= 150 and len(said.split()) in WORDS
    ]
    random.Random(0).shuffle(usual)
    return usual[:count]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unseen", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--passages", type=int, default=1_500)
    parser.add_argument("--questions", type=int, default=250)
    given = parser.parse_args()
    for kind in given.sets:
        items = chosen(kind, given.passages)
        if not items:
            print(f"{kind}: nothing of it is on this machine")
            continue
        place = given.folder / kind
        if not (place / "manifest.json").is_file():
            rows = [{"id": identifier, "text": text} for identifier, text, _ in items]
            PassageIndex.build(rows, place, chunking=None).close()
        asked = [
            GoldQuestion(str(n), said, frozenset({identifier}))
            for n, (identifier, _, said) in enumerate(items[: given.questions])
        ]
        with PassageIndex.open(place) as index:
            print_recall(kind, index, asked)


if __name__ == "__main__":
    main()
