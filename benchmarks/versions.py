"""`python -m benchmarks.versions OTHER OTHER_INDEX INDEX`: compare two versions of the package.

OTHER is a folder that contains `graphagg`, such as a checkout of an older commit. OTHER_INDEX is an
index that it built from the corpus of INDEX; `benchmarks.million` builds both. One process per
version gets the same questions in alternation, so changes in machine speed affect both. It prints
p50 and p99 of milliseconds of thread CPU, for the first time and as the median of further rounds,
and the median of this version divided by that of the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import ONE_THREAD, percentiles
from benchmarks.report import parser_of
from benchmarks.retrieval.corpora import questions

_ANSWER = """
import json, sys, time
from graphagg import kernels
from graphagg.rag import PassageIndex
kernels.Kernel.small_rows = 0
index = PassageIndex.open(sys.argv[1])
for line in sys.stdin:
    mode, text = json.loads(line)
    begin = time.thread_time()
    index.retrieve(text, k=5, mode=mode)
    print(time.thread_time() - begin, flush=True)
"""
_MODES = ("bm25", "dense", "rrf", "multihop")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("other", type=Path, help="folder with the other version of the package")
    parser.add_argument("other_index", type=Path, help="its index")
    parser.add_argument("index", type=Path, help="the index of this version")
    parser.add_argument("--set", default="2wiki", help="name of the questions' set")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the first time")
    chosen = parser.parse_args(arguments)
    here = Path(__file__).resolve().parent.parent
    sides = [
        _Side(chosen.other.resolve(), chosen.other_index.resolve()),
        _Side(here, chosen.index.resolve()),
    ]
    texts = [question.text for question in questions(chosen.set, "test", 200)]
    for mode in _MODES:
        costs = np.zeros((1 + chosen.rounds, len(texts), len(sides)))
        for number, row in np.ndindex(costs.shape[:2]):
            for i in (0, 1) if (number + row) % 2 else (1, 0):
                costs[number, row, i] = 1000 * sides[i].ask(mode, texts[row])
        for name, values in (("first", costs[0]), ("again", np.median(costs[1:], axis=0))):
            other, this = values.T
            ratio = np.median(this) / np.median(other)
            shown = f"other {percentiles(other, 1)}, this {percentiles(this, 1)}, {ratio:.2f} times"
            print(f"{mode}, {len(texts)} questions, {name}, ms p50 / p99: {shown}", flush=True)


class _Side:
    """A process that answers questions with one version of the package."""

    def __init__(self, package: Path, index: Path) -> None:
        paths = [str(package), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        options: Any = {"text": True, "bufsize": 1, "cwd": package, "env": environment}
        options |= {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, "-c", _ANSWER, str(index)], **options)

    def ask(self, mode: str, text: str) -> float:
        """Return the CPU seconds of the answering thread."""
        process: Any = self._process
        print(json.dumps([mode, text]), file=process.stdin)
        if not (answer := process.stdout.readline()):
            raise SystemExit("a version of the package failed; its error is above")
        return float(answer)


if __name__ == "__main__":
    main()
