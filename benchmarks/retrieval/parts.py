"""`python -m benchmarks.retrieval.parts`: a set split into random parts that are opened together.

Builds the parts and their merged index in the folder if they do not exist. For both it prints the
CPU seconds to open, the resident memory that opening and all questions add, and the CPU
milliseconds of a question in each mode, in alternation; then how many answers are equal in ids,
order, and scores up to 1e-5. Everything runs in this process, on one or more cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
import psutil

from benchmarks.report import parser_of, print_table
from benchmarks.retrieval.corpora import passages_of, questions
from graphagg.rag import Hits, PassageIndex, PassageParts
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.profile import PROFILES
from graphagg.rag.operations.retrieval import Retrieval

MODES: tuple[Mode, ...] = ("multihop", "rrf", "dense", "bm25")
TURNS = 3
SEED = 0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", default="2wiki")
    parser.add_argument("--profile", default="fast", choices=PROFILES)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path("build/parts"))
    parser.add_argument("--questions", type=int, default=100, help="maximum number")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder / chosen.profile / f"{chosen.set}-{chosen.parts}"
    names = [folder / f"part-{i}" for i in range(chosen.parts)]
    if not (folder / "merged" / "manifest.json").is_file():
        passages = list(passages_of(chosen.set))
        part = np.random.default_rng(SEED).permutation(len(passages)) % chosen.parts
        for i, name in enumerate(names):
            rows = np.flatnonzero(part == i).tolist()
            own = [passages[row] for row in rows]
            PassageIndex.build(own, name, chunking=None, profile=chosen.profile).close()
        PassageIndex.merge(names, folder / "merged").close()
    texts = [question.text for question in questions(chosen.set, "test", chosen.questions)]
    opened, table = list[Retrieval](), list[list[object]]()
    ways: dict[str, Callable[[], Retrieval]] = {
        "merged": lambda: PassageIndex.open(folder / "merged"),
        f"{chosen.parts} parts": lambda: PassageParts.open(names),
    }
    for label, open_them in ways.items():
        before, memory = cpu(), resident()
        opened.append(open_them())
        spent = cpu() - before
        for mode in MODES:  # loads the models and maps the files
            opened[-1].retrieve_batch(texts, mode=mode)
        table.append([label, f"{spent:.2f}", f"{(resident() - memory) / 2**20:.0f}"])
    for mode in MODES:
        times, answers = np.zeros((2, TURNS)), dict[int, list[Hits]]()
        for turn in range(TURNS):
            for i, each in enumerate(opened):
                before = cpu()
                answers[i] = [each.retrieve(text, mode=mode) for text in texts]
                times[i, turn] = 1000 * (cpu() - before) / len(texts)
        for row, of_index in zip(table, times, strict=True):
            row.append(f"{of_index.min():.1f}")
        same = sum(are_equal(*pair) for pair in zip(*answers.values(), strict=True))
        print(f"{mode}: {same} of {len(texts)} answers are equal", flush=True)
    print_table(["", "CPU s to open", "MiB", *(f"{mode}, ms" for mode in MODES)], table)


def cpu() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def are_equal(found: Hits, wanted: Hits) -> bool:
    same_ids = [hit.passage.id for hit in found] == [hit.passage.id for hit in wanted]
    pairs = zip(found, wanted, strict=False)
    return same_ids and all(abs(a.score - b.score) <= 1e-5 for a, b in pairs)


if __name__ == "__main__":
    main()
