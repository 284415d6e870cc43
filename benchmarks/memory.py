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
import numpy.typing as npt

from benchmarks.choose.corpora import open_index, questions
from graphagg.arrays import Array
from graphagg.rag import PassageIndex, Recency
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.evaluation.measure import GoldQuestion
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.question.request import Request

SET = "lihua-world"
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4)
HALF_LIVES = (7.0, 30.0)
_DEPTHS = (2, 5)


class Remembered:
    """The models of an index; a question is encoded once, however often it is asked."""

    def __init__(self, index: PassageIndex) -> None:
        self._index = index
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}

    def encoder(self) -> Encoder:
        return self  # type: ignore[return-value]

    def extractor(self) -> EntityExtractor:
        return self._index.load_extractor()

    def encode_query(
        self, texts: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        found, of_names = self._index.load_encoder().encode_query(new, names)
        self._vectors.update(zip(new, found, strict=True))
        return np.stack([self._vectors[text] for text in texts]), of_names


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--mode", choices=MODES, default="multihop")
    given = parser.parse_args(arguments)
    index = open_index(SET, given.folder)
    models = Remembered(index)
    print("| asked at | recency | half-life | first half @2 / @5 | second half @2 / @5 |")
    print("| --- | --- | --- | --- | --- |")
    halves = [questions(SET, "tune", 1_000), questions(SET, "test", 1_000)]
    for at_need in (False, True):
        for weight in WEIGHTS:
            for half_life in HALF_LIVES if weight else HALF_LIVES[:1]:
                recency = Recency(weight, half_life) if weight else None
                found = [_recall(index, models, given.mode, h, recency, at_need) for h in halves]
                shown = " | ".join(f"{a:.1f} / {b:.1f}" for a, b in found)
                when = "its last passage" if at_need else "the end of the year"
                print(f"| {when} | {weight} | {half_life:g} | {shown} |", flush=True)


def _recall(
    index: PassageIndex,
    models: Remembered,
    mode: Mode,
    asked: Sequence[GoldQuestion],
    recency: Recency | None,
    at_need: bool,
) -> Array:
    """recall@2 and @5 in percent."""
    shares = []
    for question in asked:
        as_of = None
        if at_need:
            as_of = max(str(index[name].metadata["when"]) for name in question.gold)
        request = Request(mode=mode, as_of=as_of, recency=recency)
        retriever = index.retriever(request)
        ready = retriever.encode(retriever.read([question.text], models), models)
        (hits,) = retriever.answer(ready, 5, rescoring=request.rescoring)
        ids = [[hit.passage.id, *hit.copies] for hit in hits]
        first = [{name for of_hit in ids[:k] for name in of_hit} for k in _DEPTHS]
        shares.append([len(question.gold & names) / len(question.gold) for names in first])
    mean: Array = 100 * np.mean(shares, axis=0)
    return mean


if __name__ == "__main__":
    main()
