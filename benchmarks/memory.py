"""`python -m benchmarks.memory`: what `as_of` and recency do on a year of chats (lihua-world).

The questions bring no time of their own. Two times are tried: the end of the year, and the day of
the last passage that a question needs, as if it were asked then. The second one favors recency by
construction: what is needed is among the newest. A weight is to be chosen on the first half of the
questions and reported on the second one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.corpora import open_index, questions
from graphagg.arrays import Array
from graphagg.rag import PassageIndex, Recency
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.evaluation.questions import GoldQuestion

SET = "lihua-world"
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4)
HALF_LIVES = (7.0, 30.0)
_DEPTHS = (2, 5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--mode", choices=MODES, default="multihop")
    given = parser.parse_args(arguments)
    index = open_index(SET, given.folder)
    print("| asked at | recency | half-life | first half @2 / @5 | second half @2 / @5 |")
    print("| --- | --- | --- | --- | --- |")
    halves = [questions(SET, "tune", 1_000), questions(SET, "test", 1_000)]
    for at_need in (False, True):
        for weight in WEIGHTS:
            for half_life in HALF_LIVES if weight else HALF_LIVES[:1]:
                recency = Recency(weight, half_life) if weight else None
                found = [_recall(index, given.mode, h, recency, at_need) for h in halves]
                shown = " | ".join(f"{a:.1f} / {b:.1f}" for a, b in found)
                when = "its last passage" if at_need else "the end of the year"
                print(f"| {when} | {weight} | {half_life:g} | {shown} |", flush=True)


def _recall(
    index: PassageIndex,
    mode: Mode,
    asked: Sequence[GoldQuestion],
    recency: Recency | None,
    at_need: bool,
) -> Array:
    """recall@2 and @5 in percent."""
    shares = []
    for question in asked:
        as_of = (
            max(str(index[name].metadata["when"]) for name in question.gold) if at_need else None
        )
        hits = index.retrieve(question.text, 5, mode=mode, as_of=as_of, recency=recency)
        ids = [{hit.passage.id, *hit.copies} for hit in hits]
        first = [set().union(*ids[:k]) for k in _DEPTHS]
        shares.append([len(question.gold & names) / len(question.gold) for names in first])
    mean: Array = 100 * np.mean(shares, axis=0)
    return mean


if __name__ == "__main__":
    main()
