"""A search over constants, one at a time; every set has one vote.

Most constants hardly matter on most sets. The value with the largest mean may then lie at either
end of a range, for a gain that is chance, and a set of another kind that hangs on that constant
(links through what is mentioned on MuSiQue, words on chats) loses points. So the search begins in
the middle of all ranges, and a step must gain more, in the mean over the sets, than 1.25 standard
errors of that mean: what one set alone gains moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from graphagg.rag.best.tuning.frozen import FrozenSet, weights_from
from graphagg.rag.best.tuning.search import Grid, with_value

from benchmarks.choose.corpora import UNTITLED
from graphagg.arrays import Array
from graphagg.rag.config.multihop import MultihopConfig

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
    "link.similar.0": (-0.4, -0.3, -0.2),
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
_ERRORS = 1.25
"""Standard errors that a gain must exceed; where one of many sets gains alone, it is about 1."""

Recalls = Mapping[str, Array]


class Search:
    """Chooses constants for some of the sets.

    Args:
        sets: by name.
        plain: recall@2 and @5 of the best plain method on each.
    """

    def __init__(self, sets: Mapping[str, FrozenSet], plain: Recalls) -> None:
        self.sets, self._plain = sets, plain
        self._known: dict[MultihopConfig, dict[str, Array]] = {}

    def recalls(self, config: MultihopConfig, names: Iterable[str]) -> dict[str, Array]:
        """Recall@2 and @5 of some sets; each configuration is run once a set."""
        known = self._known.setdefault(config, {})
        for name in names:
            if name not in known:
                known[name] = self.sets[name].recall(weights_from(config))
        return {name: known[name] for name in names}

    def choose(self, names: Iterable[str]) -> MultihopConfig:
        """The constants found for some sets: each in turn, from the middle of its range."""
        best, among = MIDDLE, list(names)
        for name, candidates in GRID.items():
            tried = [with_value(best, name, candidate) for candidate in candidates]
            gains = [self._sure_gain(best, config, among) for config in tried]
            if max(gains) > 0:
                best = tried[int(np.argmax(gains))]
        return best

    def _sure_gain(
        self, before: MultihopConfig, after: MultihopConfig, names: Sequence[str]
    ) -> float:
        """The mean gain over sets, less `_ERRORS` standard errors of it.

        A set without its titles has half a vote, since it has the questions of another one.
        """
        votes = np.array([0.5 if name.endswith(UNTITLED) else 1.0 for name in names])
        votes /= votes.sum()
        gains = np.array([self._value(after, name) - self._value(before, name) for name in names])
        mean = float(votes @ gains)
        error = np.sqrt((votes**2) @ (gains - mean) ** 2 * len(names) / max(len(names) - 1, 1))
        return mean - _ERRORS * float(error)

    def _value(self, config: MultihopConfig, name: str) -> float:
        """Recall@5 and half of recall@2, less what plain methods have more, which counts twice."""
        recall = self.recalls(config, [name])[name]
        short = np.maximum(self._plain[name] - recall, 0.0)
        return float(recall[1] + recall[0] / 2 - 2 * short[1] - short[0])


def _middle() -> MultihopConfig:
    """Each constant in the middle of its range; of numbers of passages the middle one tried."""
    config = MultihopConfig()
    for name, values in GRID.items():
        is_count = isinstance(values[0], int)
        middle = values[len(values) // 2] if is_count else (values[0] + values[-1]) / 2
        config = with_value(config, name, round(middle, 4))
    return config


MIDDLE = _middle()
"""Where a search begins."""
