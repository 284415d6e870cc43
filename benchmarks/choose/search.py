"""A search over constants: one at a time, then a few at random; every set has one vote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.choose.corpora import UNTITLED
from graphagg.arrays import Array
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.best.tuning.frozen import FrozenSet, weights_from
from graphagg.rag.best.tuning.search import Grid, at_random, one_at_a_time

GRID: Grid = {
    "passage.similarity": (0.8, 1.0, 1.2, 1.4, 1.6, 1.8),
    "passage.sentence": (0.2, 0.3, 0.4, 0.5, 0.6, 0.75),
    "passage.lexical": (1.0, 1.25, 1.5, 1.75, 2.0),
    "passage.title": (0.5, 0.65, 0.8, 1.0, 1.2),
    "passage.entities": (0.0, 0.1, 0.2, 0.3, 0.4),
    "link.page.0": (-0.1, 0.0, 0.1, 0.2, 0.3),
    "link.page.1": (0.0, 0.1, 0.15, 0.2, 0.25, 0.3),
    "link.lead.0": (-0.1, 0.0, 0.1, 0.15, 0.2, 0.25),
    "link.lead.1": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
    "link.shared.0": (-0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.0),
    "link.shared.1": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
    "link.similar.0": (-10.0, -0.4, -0.3, -0.2),
    "link.similar.1": (0.2, 0.4, 0.5, 0.6, 0.7),
    "link.sentence": (0.0, 0.05, 0.1, 0.15, 0.2),
    "carry": (0.3, 0.35, 0.4, 0.45, 0.5),
    "own": (0.2, 0.25, 0.3, 0.35, 0.4),
    "joint": (0.0, 0.2, 0.4, 0.5, 0.65, 0.8),
    "rest": (0.0, 0.3, 0.45, 0.6, 0.75, 0.9),
    "coverage": (0.4, 0.6, 0.8, 0.9, 1.0, 1.2),
    "side": (0.0, 0.1, 0.2, 0.3, 0.45),
    "beam": (2, 3, 4, 5),
    "second_beam": (0, 2, 3, 4),
    "most_passages": (10, 20, 30, 40, 60),
}
"""The values that are tried of each constant."""
_LEAST_GAIN = 0.02

Recalls = Mapping[str, Array]


class Search:
    """Chooses constants for some of the sets.

    Args:
        sets: by name.
        plain: recall@2 and @5 of the best plain method on each.
    """

    def __init__(self, sets: Mapping[str, FrozenSet], plain: Recalls) -> None:
        self.sets, self._plain = sets, plain
        self._known: dict[BestConfig, dict[str, Array]] = {}

    def recalls(self, config: BestConfig, names: Iterable[str]) -> dict[str, Array]:
        """Recall@2 and @5 of some sets; each configuration is run once a set."""
        known = self._known.setdefault(config, {})
        for name in names:
            if name not in known:
                known[name] = self.sets[name].recall(weights_from(config))
        return {name: known[name] for name in names}

    def value(self, config: BestConfig, names: Iterable[str]) -> float:
        """What is maximized: recall@5 and half of recall@2, less what plain methods have more.

        What a plain method has more counts twice. A set without its titles has half a vote, since
        it has the questions of another one.
        """
        total = votes = 0.0
        for name, recall in self.recalls(config, names).items():
            short = np.maximum(self._plain[name] - recall, 0.0)
            vote = 0.5 if name.endswith(UNTITLED) else 1.0
            total += vote * float(recall[1] + recall[0] / 2 - 2 * short[1] - short[0])
            votes += vote
        return total / votes

    def choose(
        self, names: list[str], start: BestConfig, draws: int, random_state: int = 0
    ) -> BestConfig:
        """The best found from a start: each constant in turn, then some together at random."""

        def value(config: BestConfig) -> float:
            return self.value(config, names)

        better = one_at_a_time(start, GRID, value, _LEAST_GAIN)
        return at_random(better, GRID, value, draws, random_state)
