"""Counts the files of graphagg that run for one action: `python -m benchmarks.trips [ACT]`.

It counts the distinct files in which a function is called, in all threads, without module bodies.
With an ACT it lists the files. The passages are those of `graphagg demo` (profile `fast`), the
graph is Les Misérables. Each action runs once before it is traced.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

import graphagg
from benchmarks.report import print_table
from graphagg.communities import CommunityIndex
from graphagg.graph import bundled_graph
from graphagg.rag import PassageIndex, read_passages
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import serving

SEARCH, QUESTION = "/v1/passages/search", "Which river flows through Marie Curie's birthplace?"
ROOT = str(Path(graphagg.__file__).parent) + "/"
CALLED = set[CodeType]()


def note(frame: FrameType, event: str, _: Any) -> None:
    code = frame.f_code
    if event == "call" and code.co_name != "<module>" and code.co_filename.startswith(ROOT):
        CALLED.add(code)


def main() -> None:
    rows, chosen = [], sys.argv[-1]
    threading.setprofile(note)  # for threads that the service starts later
    sys.setprofile(note)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        corpus = list(read_passages(Path(str(files("graphagg.rag") / "demo" / "passages.jsonl"))))
        edges = CommunityIndex.build(bundled_graph("les_miserables"), folder / "graph")
        index = PassageIndex.build(corpus, folder / "index", profile="fast")
        live = cache(lambda: stack.enter_context(serving(Service(Sources(folder / "index")))))
        acts: dict[str, Callable[[int], Any]] = {
            "question, multihop": lambda _: index.retrieve(QUESTION),
            "question, bm25": lambda _: index.retrieve(QUESTION, mode="bm25"),
            "explain": lambda _: index.explain(QUESTION, "warsaw"),
            "passages built": lambda i: PassageIndex.build(corpus, folder / f"{i}", profile="fast"),
            "passages added": lambda i: index.add([{"id": f"new{i}", "text": "Paris is large."}]),
            "community query": lambda _: edges.query(["Valjean"]),
            "HTTP search": lambda i: live().json(SEARCH, {"question": QUESTION + "?" * i}),
        }
        for name, act in acts.items():
            act(0)
            CALLED.clear()
            act(1)
            ran = {code.co_filename.removeprefix(ROOT) for code in CALLED}
            rows.append([name, len(ran), len(CALLED)])
            print(*sorted(ran) if name == chosen else (), sep="\n", end="")
    print_table(["act", "files", "functions"], rows)


if __name__ == "__main__":
    main()
