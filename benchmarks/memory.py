"""`python -m benchmarks.memory`: what `as_of` and recency do on a year of chats (lihua-world).

The questions bring no time of their own. Two times are tried: the end of the year, and the day of
the last passage that a question needs, as if it were asked then. The second one favors recency by
construction: what is needed is among the newest. Weights are chosen on the first half of the
questions and reported on the second one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.choose.corpora import open_index, questions
from graphagg.arrays import Array
from graphagg.rag import PassageIndex, Recency
from graphagg.rag.evaluation.measure import GoldQuestion
from graphagg.rag.requests import instant_of
from graphagg.rag.rescoring import Rescoring
from graphagg.rag.version.snapshot import Selection

SET = "lihua-world"
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4)
HALF_LIVES = (7.0, 30.0)
_DEPTHS = (2, 5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    given = parser.parse_args(arguments)
    index = open_index(SET, given.folder)
    print("| asked at | recency | half-life | first half @2 / @5 | second half @2 / @5 |")
    print("| --- | --- | --- | --- | --- |")
    encoded = {}
    for half in ("tune", "test"):
        some = questions(SET, half, 1_000)  # type: ignore[arg-type]
        best = index.retriever("best")
        asked = best.encode(best.read([q.text for q in some], index.models), index.models)
        encoded[half] = list(zip(some, asked, strict=True))
    for at_need in (False, True):
        for weight in WEIGHTS:
            for half_life in HALF_LIVES if weight else HALF_LIVES[:1]:
                recency = Recency(weight, half_life) if weight else None
                found = [_recall(index, encoded[h], recency, at_need) for h in ("tune", "test")]
                shown = " | ".join(f"{a:.1f} / {b:.1f}" for a, b in found)
                when = "its last passage" if at_need else "the end of the year"
                print(f"| {when} | {weight} | {half_life:g} | {shown} |", flush=True)


def _recall(
    index: PassageIndex,
    asked: Sequence[tuple[GoldQuestion, object]],
    recency: Recency | None,
    at_need: bool,
) -> Array:
    """recall@2 and @5 in percent."""
    shares = []
    for question, encoded in asked:
        as_of = None
        if at_need:
            as_of = instant_of(max(str(index[name].metadata["when"]) for name in question.gold))
        retriever = index.retriever("best", selection=Selection(as_of=as_of))
        (reading,) = retriever.read([question.text], index.models)
        once = type(encoded)(reading, encoded.vector)  # type: ignore[call-arg, attr-defined]
        (hits,) = retriever.answer([once], 5, rescoring=Rescoring(recency, as_of=as_of))
        ids = [[hit.passage.id, *hit.copies] for hit in hits]
        first = [{name for of_hit in ids[:k] for name in of_hit} for k in _DEPTHS]
        shares.append([len(question.gold & names) / len(question.gold) for names in first])
    return 100 * np.mean(shares, axis=0)


if __name__ == "__main__":
    main()
