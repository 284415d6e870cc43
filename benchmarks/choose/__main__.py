"""`python -m benchmarks.choose`: choose the constants of `multihop`, and check them on other sets.

1. On the first halves of all sets that are here (`--questions` of each at most) constants are
   chosen, near the middles of their ranges; the objective counts sets, not questions.
2. For each set they are chosen once more without it and its family.
3. The second halves are reported for the defaults and the plain methods: nothing is chosen on
   them.

Indices are built once into `--folder`. The kernel is compared with the retriever on each set.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from graphagg.rag.best.tuning.frozen import FrozenSet, weights_from
from graphagg.rag.best.tuning.search import differences

from benchmarks.choose.corpora import family, names_here, open_index, questions
from benchmarks.choose.search import MIDDLE, Recalls, Search
from graphagg.arrays import Array
from graphagg.rag import MultihopConfig, PassageIndex
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.multihop import PARTS
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES, STORAGE
from graphagg.rag.evaluation.measure import GoldQuestion, evaluate

PLAIN: tuple[Mode, ...] = ("bm25", "dense", "rrf", "linearrag")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choose", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--questions", type=int, default=200, help="of a first half, at most")
    parser.add_argument("--sets", nargs="*", help="some of the sets")
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    parser.add_argument("--only-report", action="store_true", help="choose nothing")
    parser.add_argument("--out", type=Path, help="JSON")
    given = parser.parse_args(arguments)
    names = given.sets or names_here()
    if not names:
        parser.exit(1, "no set is here; set GRAPHAGG_DATA\n")
    report: dict[str, object] = {}
    if not given.only_report:
        report |= _choose(names, given)
    report["second halves"] = _second_halves(names, given)
    if given.out:
        given.out.write_text(json.dumps(report, indent=1) + "\n")


def _choose(names: list[str], given: argparse.Namespace) -> dict[str, object]:
    sets: dict[str, FrozenSet] = {}
    plain: dict[str, Array] = {}
    for name in names:
        asked = questions(name, "tune", given.questions)
        with open_index(name, given.folder, given.profile) as index:
            plain[name] = _plain(index, asked, ("bm25", "dense", "rrf"))
            sets[name] = _frozen(index, asked)
        sets[name].check(MultihopConfig())
        print(f"{name}: {len(asked)} questions, equal to the retriever on the first 20", flush=True)
    search, start = Search(sets, plain), time.process_time()
    everything = search.choose(names)
    print(f"\nchosen on all: {differences(everything) or 'the defaults'}")
    with_it = search.recalls(everything, names)
    default = search.recalls(STORAGE[given.profile].weights, names)
    without: dict[str, Array] = {}
    for name in names:
        rest = [other for other in names if family(other) != family(name)]
        if rest:
            without[name] = search.recalls(search.choose(rest), [name])[name]
    print(f"{time.process_time() - start:.0f} CPU s; first halves, recall@2 / @5:\n")
    _table(
        ["set", "best plain", "middle", "chosen without it", "chosen with it", "defaults"],
        names,
        [plain, search.recalls(MIDDLE, names), without, with_it, default],
    )
    return {
        "chosen": asdict(everything),
        "left out": {name: value.tolist() for name, value in without.items()},
        "with it": {name: value.tolist() for name, value in with_it.items()},
    }


def _second_halves(names: list[str], given: argparse.Namespace) -> dict[str, object]:
    weights = STORAGE[given.profile].weights
    report: dict[str, object] = {}
    columns: dict[str, dict[str, Array]] = {mode: {} for mode in (*PLAIN, "multihop")}
    parts: dict[str, dict[str, Array]] = {part: {} for part in PARTS}
    for name in names:
        asked = questions(name, "test", 10_000)
        with open_index(name, given.folder, given.profile) as index:
            for mode, column in columns.items():
                column[name] = _plain(index, asked, (mode,))  # type: ignore[arg-type]
            frozen = _frozen(index, asked)
        whole = frozen.recall(weights_from(weights))
        for part, column in parts.items():
            column[name] = frozen.recall(weights_from(weights.without(part))) - whole
        report[name] = {mode: column[name].tolist() for mode, column in columns.items()}
        print(f"{name}: {len(asked)} questions of the second half", flush=True)
    print("\nsecond halves, recall@2 / @5:\n")
    _table(["set", *columns], names, list(columns.values()))
    print("\nwhat the default loses without each part, second halves:\n")
    _table(["set", *parts], names, list(parts.values()))
    return report


def _frozen(index: PassageIndex, asked: Sequence[GoldQuestion]) -> FrozenSet:
    best = index.retriever(mode="multihop")
    read = best.read([question.text for question in asked], index.models)
    encoded = best.encode(read, index.models)
    return FrozenSet(index.snapshot, encoded, [question.gold for question in asked])


def _plain(index: PassageIndex, asked: Sequence[GoldQuestion], modes: Sequence[Mode]) -> Array:
    """The larger recall@2 and the larger recall@5 of some modes."""
    found = [evaluate(index, asked, mode=mode).quality for mode in modes]
    return np.array([max(q[f"recall@{k}"] for q in found) for k in (2, 5)])


def _table(head: Sequence[str], names: Sequence[str], columns: Sequence[Recalls]) -> None:
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for name in names:
        cells = (f"{c[name][0]:.1f} / {c[name][1]:.1f}" if name in c else "" for c in columns)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
