"""Fit the confidence of answers on many sets, and check it on held-out sets.

    python -m benchmarks.retrieval.confidence --profile fast [--sets ...] [--out FILE.json]
    python -m benchmarks.retrieval.confidence --own INDEX QUESTIONS.jsonl
    python -m benchmarks.retrieval.confidence --halves [--sets ...]

Questions of the first halves are asked on their own set (with gold passages), on their set without
their gold passages (near-topic: `exclude` hides them), and on another set (off-topic). If several
gold passages are all found, the question is asked again with one of them hidden; such half answers
are used only in the fit, with weight `HALVES`. An answer is right if all gold passages, or k of
them if there are more, are among the first k hits. Coefficients are fitted at k = 5. The report
compares mean confidence at k = 2 and 10 with the share of right answers.

It prints the area under the ROC curve (AUC) and the expected calibration error (ECE, ten bins) on
the second halves of each set, for coefficients fitted without the set and its family, and for those
of the profile; the ECE that exact probabilities would have by chance; AUC by kind; as baselines the
top score, the gap of the first two scores and NQC (deviation over mean); coverage and risk; and the
coefficients fitted on all sets, for `graphagg/rag/modes/confidence.py`. `--own` measures how well
the profile's coefficients separate right answers from questions without gold in your own index.
`--halves` does the same for whole answers and answers with one of several gold passages hidden.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.report import parser_of, print_table
from benchmarks.retrieval.corpora import (
    Half,
    family,
    names_here,
    open_index,
    questions,
    share_passages,
)
from graphagg.arrays import Array
from graphagg.rag import Hit, PassageIndex
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.modes.confidence import COEFFICIENTS, JUDGED, RISE
from graphagg.rag.operations.answering import distinct_hits

THERE, NEAR, OFF, HALF = range(4)
HALVES = 0.15
KINDS = ("near-topic", "off-topic")
FEATURES = [name for name in COEFFICIENTS["standard"] if name != "intercept"]
KS = (2, 5, 10)
SHOWN_K = 5
BASELINES = ("top score", "gap", "NQC")
Model = tuple[Array, float]
"""Coefficients of the features, and the intercept."""
REGULAR = 1.0
"""Inverse strength of the L2 penalty, on features of unit variance."""


@dataclass(frozen=True)
class Asked:
    """Answers of one half of a set; n rows, one per question, kind and k.

    Attributes:
        features: `[n, f]`, and `baselines`, `[n, 3]`.
        right: `[n]` bool, whether the answer is right.
        kind: `[n]` one of `THERE`, `NEAR`, `OFF` and `HALF`.
        k: `[n]` number of hits.
    """

    features: Array
    baselines: Array
    right: Array
    kind: Array
    k: Array

    def at(self, rows: Array) -> Asked:
        return Asked(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def rows_of(
    index: PassageIndex, question: GoldQuestion, kind: int, exclude: Sequence[str] = ()
) -> list[tuple[list[float], list[float], bool, int, int]]:
    """Return the features and the outcome of one question, for each k."""
    retriever = index.retriever(exclude=exclude)
    encoded = retriever.encode(retriever.read([question.text], index.models), index.models)
    ranking = distinct_hits(retriever, encoded, max(KS))
    hits, features, rows = ranking.take(max(KS)), ranking.features(), []
    for k in KS if features else ():
        right = kind == THERE and is_right(question, hits[:k], k)
        best = np.array([hit.score for hit in hits])
        gap = float(best[0] - best[1]) if len(best) > 1 else 0.0
        spread = float(best.std() / max(abs(float(best.mean())), 1e-9))
        rows.append((list(features.values()), [float(best[0]), gap, spread], right, kind, k))
    return rows


def is_right(question: GoldQuestion, hits: Sequence[Hit], k: int) -> bool:
    ids = {name for hit in hits for name in (hit.passage.id, hit.passage.document, *hit.copies)}
    return len(question.gold & ids) >= min(len(question.gold), k)


def asked_of(name: str, which: Half, names: Sequence[str], options: argparse.Namespace) -> Asked:
    """Ask one half of a set: its questions, every second one also without gold, and off-topic."""
    own, most = questions(name, which, options.questions), max(options.questions // 10, 1)
    others = [other for other in names if not share_passages(name, other)]
    off = [q for other in others for q in questions(other, which, most)]
    off = off[:: max(len(others) // 5, 1)]
    rows = []
    with open_index(name, options.folder, options.profile) as index:
        for i, question in enumerate(own):
            rows += rows_of(index, question, THERE)
            if i % 2 == 0:
                rows += rows_of(index, question, NEAR, sorted(question.gold))
            gold = sorted(question.gold)
            if len(gold) > 1 and is_right(question, index.retrieve(question.text, JUDGED), JUDGED):
                rows += rows_of(index, question, HALF, [gold[i % len(gold)]])
        for question in off[: len(own) // 2]:
            rows += rows_of(index, question, OFF)
    features, *columns = (np.array(column) for column in zip(*rows, strict=True))
    used = [COEFFICIENTS[options.profile][feature] != 0 for feature in FEATURES]
    return Asked(features * used, *columns)


def joined(parts: Sequence[Asked]) -> Asked:
    return Asked(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in Asked.__dataclass_fields__)
    )


def fitted(parts: Sequence[Asked]) -> Model:
    """Fit coefficients and intercept; each set has one vote."""
    parts = [part.at(part.k == JUDGED) for part in parts]
    every = joined(parts)
    counts = [np.where(part.kind == HALF, HALVES, 1.0) for part in parts]
    votes = np.concatenate([each / each.sum() for each in counts])
    mean, deviation = every.features.mean(axis=0), every.features.std(axis=0)
    deviation[deviation == 0] = 1.0  # for features that the profile does not use
    model = LogisticRegression(C=REGULAR, max_iter=1000)
    scaled = (every.features - mean) / deviation
    model.fit(scaled, every.right, sample_weight=votes * len(votes) / votes.sum())
    weights = model.coef_[0] / deviation
    return weights, float(model.intercept_[0] - weights @ mean)


def chances(asked: Asked, model: Model) -> Array:
    rise = RISE * np.log(asked.k / JUDGED)
    chance: Array = 1.0 / (1.0 + np.exp(-(asked.features @ model[0] + model[1] + rise)))
    return chance


def auc(right: Array, value: Array) -> float:
    return float(roc_auc_score(right, value)) if 0 < right.sum() < len(right) else float("nan")


def calibration_error(right: Array, chance: Array) -> float:
    bins = np.minimum((chance * 10).astype(int), 9)
    sums = [abs(float((right[bins == b] - chance[bins == b]).sum())) for b in range(10)]
    return sum(sums) / len(right)


def by_luck(chance: Array) -> float:
    """Return the mean calibration error of answers that are right with exactly these chances."""
    rng = np.random.default_rng(0)
    draws = rng.random((100, len(chance))) < chance
    return float(np.mean([calibration_error(right, chance) for right in draws]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--questions", type=int, default=200, help="maximum per half")
    parser.add_argument("--out", type=Path, help="JSON")
    parser.add_argument("--halves", action="store_true")
    parser.add_argument("--own", nargs=2, type=Path, metavar=("INDEX", "QUESTIONS"))
    options = parser.parse_args(arguments)
    if options.own:
        return report_own(*options.own)
    names = options.sets or names_here()
    if options.halves:
        return report_halves(names, options)
    tune, test = {}, {}
    for name in names:
        tune[name] = asked_of(name, "tune", names, options)
        test[name] = asked_of(name, "test", names, options)
        test[name] = test[name].at(test[name].kind != HALF)
        print(f"{name}: {len(tune[name].right)} and {len(test[name].right)} rows", flush=True)
    weights = COEFFICIENTS[options.profile]
    there = np.array([weights[name] for name in FEATURES]), weights["intercept"]
    report(names, tune, test, there, options.out)


def report(
    names: Sequence[str], tune: dict[str, Asked], test: dict[str, Asked], there: Model,
    out: Path | None,
) -> None:  # fmt: skip
    """Print the table by set, the means, coverage against risk, and the coefficients."""
    lines, values, held = [], [], []
    for name in names:
        others = [tune[other] for other in names if family(other) != family(name)]
        shown = test[name].at(test[name].k == SHOWN_K)
        chance = chances(shown, fitted(others))
        kinds = [shown.kind != other for other in (OFF, NEAR)]  # near-topic, off-topic
        row = [auc(shown.right, chance), calibration_error(shown.right, chance), by_luck(chance)]
        row += [auc(shown.right[rows], chance[rows]) for rows in kinds]
        row += [auc(shown.right, shown.baselines[:, i]) for i in range(len(BASELINES))]
        kept = chances(shown, there)
        row += [auc(shown.right, kept), calibration_error(shown.right, kept)]
        values.append(row)
        lines.append([name, f"{shown.right.mean():.2f}", *(f"{value:.2f}" for value in row)])
        held.append((shown.right, chance))
    means = np.nanmean(np.array(values), axis=0)
    lines.append(["mean", "", *(f"{value:.2f}" for value in means)])
    head = [f"set, k={SHOWN_K}", "right", "AUC", "ECE", "by luck", *KINDS, *BASELINES]
    print_table([*head, "AUC of the profile's", "ECE"], lines)
    right, chance = (np.concatenate(column) for column in zip(*held, strict=True))
    print(f"\nall sets together: AUC {auc(right, chance):.2f}, ", end="")
    print(f"calibration error {calibration_error(right, chance):.3f}")
    every = joined(list(test.values()))
    for k in KS:
        at_k = every.at(every.k == k)
        mean = chances(at_k, there).mean()
        print(f"k = {k}: right {at_k.right.mean():.3f}, mean confidence {mean:.3f}")
    print_below(right, chance)
    order = np.argsort(-chance, kind="stable")
    print("\nkept answers, and how many of them are wrong:")
    for share in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0):
        kept = order[: max(round(share * len(order)), 1)]
        print(f"{share:.0%}: {1 - right[kept].mean():.2f}, from {chance[kept[-1]]:.2f} on")
    weights, intercept = fitted([tune[name] for name in names])
    table = {"intercept": intercept, **dict(zip(FEATURES, weights.tolist(), strict=True))}
    print("\n" + json.dumps({name: round(value, 4) for name, value in table.items()}))
    if out:
        out.write_text(json.dumps({"sets": names, "rows": values, "coefficients": table}) + "\n")


def print_below(right: Array, chance: Array) -> None:
    """Print which answers a minimum confidence drops."""
    for least in (0.1, 0.15, 0.2, 0.3, 0.5):
        below = chance < least
        lost = right[below].sum() / max(right.sum(), 1)
        wrong = (~right[below]).sum() / max((~right).sum(), 1)
        print(
            f"below {least}: {below.mean():.0%} of all, {wrong:.0%} of the wrong answers, ", end=""
        )
        print(f"{lost:.0%} of the right ones")


def report_halves(names: Sequence[str], options: argparse.Namespace) -> None:
    """Print AUC and calibration of whole answers against answers without one gold passage."""
    lines = []
    for name in names:
        right, chance = [], []
        with open_index(name, options.folder, options.profile) as index:
            for question in questions(name, "test", options.questions):
                whole = index.retrieve(question.text, SHOWN_K)
                if len(question.gold) < 2 or not is_right(question, whole, SHOWN_K):
                    continue
                hidden = sorted(question.gold)[len(right) // 2 % len(question.gold)]
                half = index.retrieve(question.text, SHOWN_K, exclude=[hidden])
                right += [True, False]
                chance += [whole.confidence, half.confidence]
        if right:
            flags, chances_of = np.array(right), np.array(chance)
            error = calibration_error(flags, chances_of)
            row = [auc(flags, chances_of), error, chances_of[flags].mean()]
            row.append(chances_of[~flags].mean())
            lines.append([name, len(right) // 2, *(f"{value:.2f}" for value in row)])
    print_table(["set", "questions", "AUC", "ECE", "mean of whole", "of half"], lines)


def report_own(path: Path, asked: Path) -> None:
    """Print how well confidence separates right answers from questions without gold."""
    right, chance, answerable = [], [], []
    with PassageIndex.open(path) as index:
        for line in asked.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            ids = row.get("gold_document_ids") or row.get("gold_passage_ids") or ()
            hits = index.retrieve(row["question"], SHOWN_K)
            gold = GoldQuestion("", row["question"], frozenset(ids))
            right.append(bool(ids) and is_right(gold, hits, SHOWN_K))
            chance.append(hits.confidence)
            answerable.append(bool(ids))
    is_right_one, chances_of, has_gold = map(np.array, (right, chance, answerable))
    counted = is_right_one | ~has_gold
    print(f"{has_gold.sum()} questions with gold, {(~has_gold).sum()} without; k = {SHOWN_K}")
    print(f"AUC {auc(is_right_one, chances_of):.2f}, of right ones and without gold ", end="")
    print(f"{auc(is_right_one[counted], chances_of[counted]):.2f}")
    means = chances_of[is_right_one].mean(), chances_of[~has_gold].mean()
    print("mean confidence {:.2f} and {:.2f}".format(*means))
    print_below(is_right_one[counted], chances_of[counted])


if __name__ == "__main__":
    main()
