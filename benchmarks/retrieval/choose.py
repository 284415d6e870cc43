"""Choose the constants of the default mode on many sets, and check them on other sets.

    python -m benchmarks.retrieval.choose                  choose, leave each set out once, report
    python -m benchmarks.retrieval.choose --only-report    report the second halves for the defaults

Constants are chosen on the first halves of all available sets, then again without each set and its
family; every set has one vote. The second halves are reported for the defaults and the plain
methods; nothing is chosen on them.

Most constants have little effect on most sets, so the value with the largest mean is often chance.
The search therefore starts in the middle of all ranges, changes one constant after another, and
accepts a step only if the mean gain over the sets exceeds 1.25 standard errors of that mean.
Questions are encoded once; the retriever itself runs every setting.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import parser_of, print_table
from benchmarks.retrieval.corpora import UNTITLED, family, names_here, open_index, questions
from graphagg.arrays import Array
from graphagg.rag import MultihopConfig, PassageIndex
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.multihop import ABLATIONS
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES, WEIGHTS
from graphagg.rag.evaluation.measure import GoldQuestion, evaluate
from graphagg.rag.operations.answering import answer
from graphagg.rag.question.request import Request

PLAIN: tuple[Mode, ...] = ("bm25", "dense", "rrf", "linearrag")
GRID: Mapping[str, tuple[float, ...]] = {
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
    "inherited": (0.3, 0.35, 0.4, 0.45, 0.5),
    "target": (0.2, 0.25, 0.3, 0.35, 0.4),
    "joint_coverage": (0.0, 0.2, 0.4, 0.5, 0.65, 0.8),
    "open_terms": (0.0, 0.3, 0.45, 0.6, 0.75, 0.9),
    "coverage": (0.2, 0.3, 0.45, 0.6, 0.8, 1.0),
    "named_page": (0.0, 0.1, 0.2, 0.3, 0.45),
    "beam": (2, 3, 4, 5),
    "second_beam": (0, 2, 3, 4),
    "most_passages": (10, 20, 30, 40, 60),
}
"""Candidate values of each constant, by its path in `MultihopConfig`."""
_ERRORS = 1.25
"""Standard errors that a gain must exceed; a gain on only one of many sets is about 1."""
Recalls = Mapping[str, Array]


class EncodedQuestions:
    """The questions of one set, encoded once, and its open index."""

    def __init__(self, index: PassageIndex, asked: Sequence[GoldQuestion]) -> None:
        self._index, self._gold = index, [question.gold for question in asked]
        first = index.retriever(config=MultihopConfig())
        read = first.read([question.text for question in asked], index.models)
        self._encoded = first.encode(read, index.models)

    def recall(self, config: MultihopConfig) -> Array:
        """Return the mean recall@2 and recall@5 in percent."""
        retriever, request = self._index.retriever(config=config), Request()
        answers = [answer(retriever, [question], 5, request) for question in self._encoded]
        shares = []
        for gold, hits in zip(self._gold, answers, strict=True):
            ids = [{hit.passage.id, *hit.copies} for hit in hits]
            shares.append([len(gold & set().union(*ids[:k])) / len(gold) for k in (2, 5)])
        mean: Array = 100 * np.mean(shares, axis=0)
        return mean


class Search:
    """Chooses constants for some of the sets.

    Args:
        sets: the questions of each set.
        plain: recall@2 and @5 of the best plain method on each set.
    """

    def __init__(self, sets: Mapping[str, EncodedQuestions], plain: Recalls) -> None:
        self.sets, self._plain = sets, plain
        self._measured: dict[tuple[MultihopConfig, str], Array] = {}

    def recalls(self, config: MultihopConfig, names: Iterable[str]) -> dict[str, Array]:
        """Return recall@2 and @5 by set; each configuration runs once per set."""
        return {name: self._recall(config, name) for name in names}

    def choose(self, names: Iterable[str]) -> MultihopConfig:
        """Choose each constant in turn, from the middle of its range."""
        best, among = MIDDLE, list(names)
        for name, candidates in GRID.items():
            tried = [with_value(best, name, candidate) for candidate in candidates]
            gains = [self.sure_gain(best, config, among) for config in tried]
            if max(gains) > 0:
                best = tried[int(np.argmax(gains))]
        return best

    def sure_gain(
        self, before: MultihopConfig, after: MultihopConfig, names: Sequence[str]
    ) -> float:
        """Return the mean gain over sets, minus `_ERRORS` standard errors of it."""
        # A set without titles has half a vote, since it has the same questions as another set.
        votes = np.array([0.5 if name.endswith(UNTITLED) else 1.0 for name in names])
        votes /= votes.sum()
        gains = np.array([self._value(after, name) - self._value(before, name) for name in names])
        mean = float(votes @ gains)
        error = np.sqrt((votes**2) @ (gains - mean) ** 2 * len(names) / max(len(names) - 1, 1))
        return mean - _ERRORS * float(error)

    def _value(self, config: MultihopConfig, name: str) -> float:
        """Return recall@5 + recall@2 / 2; a deficit to the plain method is subtracted twice."""
        recall = self._recall(config, name)
        short = np.maximum(self._plain[name] - recall, 0.0)
        return float(recall[1] + recall[0] / 2 - 2 * short[1] - short[0])

    def _recall(self, config: MultihopConfig, name: str) -> Array:
        if (config, name) not in self._measured:
            self._measured[config, name] = self.sets[name].recall(config)
        return self._measured[config, name]


def with_value(config: Any, name: str, value: Any) -> Any:
    """Return the configuration with one constant changed; `name` is its path: `link.page.0`."""
    head, _, inner = name.partition(".")
    if head.isdigit():  # an element of a pair
        return (value, config[1]) if head == "0" else (config[0], value)
    return replace(
        config, **{head: with_value(getattr(config, head), inner, value) if inner else value}
    )


def middle() -> MultihopConfig:
    """Return each constant at the middle of its range; for counts, the middle candidate."""
    config = MultihopConfig()
    for name, values in GRID.items():
        is_count = isinstance(values[0], int)
        center = values[len(values) // 2] if is_count else (values[0] + values[-1]) / 2
        config = with_value(config, name, round(center, 4))
    return config


MIDDLE = middle()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--questions", type=int, default=200, help="maximum per first half")
    parser.add_argument("--sets", nargs="*", help="some of the sets")
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    parser.add_argument("--only-report", action="store_true", help="choose nothing")
    parser.add_argument("--out", type=Path, help="JSON")
    chosen = parser.parse_args(arguments)
    names = chosen.sets or names_here()
    if not names:
        parser.exit(1, "no data set found; set GRAPHAGG_DATA\n")
    report: dict[str, object] = {}
    if not chosen.only_report:
        report |= choose_on_first_halves(names, chosen)
    report["second halves"] = report_second_halves(names, chosen)
    if chosen.out:
        chosen.out.write_text(json.dumps(report, indent=1) + "\n")


def choose_on_first_halves(names: list[str], options: argparse.Namespace) -> dict[str, object]:
    """Choose on all sets and without each of them, and print the recalls."""
    sets, plain = {}, {}
    for name in names:
        asked = questions(name, "tune", options.questions)
        index = open_index(name, options.folder, options.profile)
        plain[name] = best_of(index, asked, ("bm25", "dense", "rrf"))
        sets[name] = EncodedQuestions(index, asked)
        print(f"{name}: {len(asked)} questions", flush=True)
    search, start = Search(sets, plain), time.process_time()
    everything = search.choose(names)
    without = {}
    for name in names:
        others = [other for other in names if family(other) != family(name)]
        if others:
            without |= search.recalls(search.choose(others), [name])
    print(f"{time.process_time() - start:.0f} CPU s\nchosen on all: {everything}\n")
    print_recalls(
        names,
        {
            "best plain": plain,
            "middle": search.recalls(MIDDLE, names),
            "chosen without it": without,
            "chosen with it": search.recalls(everything, names),
            "defaults": search.recalls(WEIGHTS[options.profile], names),
        },
    )
    left_out = {name: value.tolist() for name, value in without.items()}
    return {"chosen": asdict(everything), "left out": left_out}


def report_second_halves(names: list[str], options: argparse.Namespace) -> dict[str, object]:
    """Print recall of the defaults and the plain modes, and the loss without each part."""
    weights = WEIGHTS[options.profile]
    columns: dict[str, dict[str, Array]] = {mode: {} for mode in (*PLAIN, "multihop")}
    parts: dict[str, dict[str, Array]] = {part: {} for part in ABLATIONS}
    for name in names:
        asked = questions(name, "test", 10_000)
        with open_index(name, options.folder, options.profile) as index:
            for mode, column in columns.items():
                column[name] = best_of(index, asked, (mode,))  # type: ignore[arg-type]
            encoded = EncodedQuestions(index, asked)
            whole = encoded.recall(weights)
            for part, column in parts.items():
                column[name] = encoded.recall(weights.without(part)) - whole
        print(f"{name}: {len(asked)} questions of the second half", flush=True)
    print_recalls(names, columns)
    print("\nloss without each part:\n")
    print_recalls(names, parts)
    return {name: {mode: columns[mode][name].tolist() for mode in columns} for name in names}


def best_of(index: PassageIndex, asked: Sequence[GoldQuestion], modes: Sequence[Mode]) -> Array:
    """Return the largest recall@2 and the largest recall@5 over some modes."""
    recalls = [evaluate(index, asked, mode=mode).quality for mode in modes]
    return np.array([max(each[f"recall@{k}"] for each in recalls) for k in (2, 5)])


def print_recalls(names: Sequence[str], columns: Mapping[str, Recalls]) -> None:
    rows = [
        [name, *("{:.1f} / {:.1f}".format(*c[name]) if name in c else "" for c in columns.values())]
        for name in names
    ]
    print_table(["set, recall@2 / @5", *columns], rows)


if __name__ == "__main__":
    main()
