"""Runs over the same questions side by side: paired differences, and what each part is worth.

A paired difference is the mean over questions of how much better one run does than the other; its
interval draws questions, not runs, so that what makes a question hard for both cancels out. A run
compared with itself has the difference 0 and the interval [0, 0].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.config.multihop import PARTS, MultihopConfig
from graphagg.rag.evaluation.measure import (
    RECALL_AT,
    Evaluation,
    GoldQuestion,
    Outcomes,
    Summary,
    check_gold,
    found_of,
    metrics_of,
    outcomes_of,
)
from graphagg.rag.index import PassageIndex
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.protocol import EncodedReading
from graphagg.rag.question.selection import Selection


def difference(run: Evaluation, base: Evaluation, random_state: int = 0) -> Summary:
    """How much better `run` does than `base`, question by question, in percent points.

    Raises:
        InvalidParameter: they are over different numbers of questions.
    """
    if len(run.outcomes) != len(base.outcomes):
        raise InvalidParameter(
            f"runs over {len(run.outcomes)} and {len(base.outcomes)} questions cannot be paired; "
            "evaluate both on the same ones"
        )
    return Summary.of(run.outcomes - base.outcomes, random_state, tuple(run.quality))


@dataclass(frozen=True)
class Ablation:
    """What the parts of `mode="multihop"` are worth.

    Attributes:
        whole: all parts.
        without: by part, the run with that part switched off.
        differences: by part, `without` less `whole`, paired; negative where the part pays.
    """

    whole: Summary
    without: Mapping[str, Summary]
    differences: Mapping[str, Summary]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of `rag eval --ablate --json`."""
        return {
            "whole": self.whole.to_json(),
            "without": {
                part: summary.to_json() | {"difference": self.differences[part].to_json()}
                for part, summary in self.without.items()
            },
        }


def ablate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    *,
    config: MultihopConfig | None = None,
    parts: Iterable[str] = tuple(PARTS),
    random_state: int = 0,
    progress: Progress = silent,
) -> Ablation:
    """Evaluate `mode="multihop"` whole and without each part.

    Questions are read and encoded once.

    Raises:
        InvalidParameter: a part is unknown.
    """
    config = config or index.weights
    variants = {part: config.without(part) for part in parts}
    metrics = metrics_of(questions)
    check_gold(index.snapshot, questions)
    asked = _ask(index, questions, config, progress)
    whole = _outcomes(index, questions, asked, config)
    summaries, differences = {}, {}
    for number, (part, variant) in enumerate(variants.items(), start=1):
        outcomes = _outcomes(index, questions, asked, variant)
        summaries[part] = Summary.of(outcomes, random_state, metrics)
        differences[part] = Summary.of(outcomes - whole, random_state, metrics)
        progress("parts", number, len(variants))
    return Ablation(Summary.of(whole, random_state, metrics), summaries, differences)


def _ask(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    config: MultihopConfig,
    progress: Progress,
) -> list[EncodedReading]:
    """Read and encode each question alone, as `evaluate` does."""
    retriever = Multihop(index.snapshot, index.snapshot.scope(Selection()), config)
    asked: list[EncodedReading] = []
    for number, question in enumerate(questions, start=1):
        asked += retriever.encode(retriever.read([question.text], index.models), index.models)
        progress("questions", number, len(questions))
    return asked


def _outcomes(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    asked: Sequence[EncodedReading],
    config: MultihopConfig,
) -> Outcomes:
    retriever = Multihop(index.snapshot, index.snapshot.scope(Selection()), config)
    answers = (retriever.answer([question], max(RECALL_AT))[0] for question in asked)
    return outcomes_of(questions, [found_of(index.snapshot, hits) for hits in answers])
