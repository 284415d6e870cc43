"""Broad questions: how much of what is asked the first passages cover, mode beside mode.

    python -m benchmarks.broad sets [SET=INDEX ...] [--most N]
    python -m benchmarks.broad folder INDEX

`sets` measures coverage, the share of a question's gold passages among the first 10 and 20, of
`broad`, `auto`, `best`, `rrf` and dense retrieval with maximal marginal relevance (MMR), on the
second halves of the sets. Of more than `--most` questions it asks every n-th. `folder` measures the
share of the subtopics in `broad_questions.jsonl` that a passage among the first 10 and 20 speaks
of, which holds one of the subtopic's phrases.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.corpora import questions
from benchmarks.report import print_table
from graphagg.arrays import Doubles, Ints
from graphagg.rag import PassageIndex
from graphagg.rag.config.modes import Mode
from graphagg.rag.corpus.themes.network import whole_vectors
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.evaluation.recall import bootstrap_intervals

AT = (10, 20)
QUESTIONS = Path(__file__).with_name("broad_questions.jsonl")
MODES: tuple[Mode, ...] = ("multihop", "rrf", "broad", "auto")
MMR, MMR_POOL = 0.7, 100  # the weight of relevance, as Carbonell and Goldstein's followers set it
Covered = Callable[[Sequence[str]], float]


def mmr(index: PassageIndex, question: str, k: int) -> list[str]:
    """Ids by dense retrieval with maximal marginal relevance."""
    hits = index.retrieve(question, MMR_POOL, mode="dense")
    rows = np.array([index.snapshot.known_row(hit.passage.id) for hit in hits], np.int64)
    vectors = unit(index, rows)
    scores, near = np.array([hit.score for hit in hits]), np.full(len(hits), -1.0)
    open_, chosen = np.ones(len(hits), bool), list[int]()
    for _ in range(min(k, len(hits))):
        penalty = (1 - MMR) * near if chosen else 0.0
        best = int(np.argmax(np.where(open_, MMR * scores - penalty, -np.inf)))
        chosen.append(best)
        open_[best] = False
        near = np.maximum(near, vectors @ vectors[best])
    return [hits[position].passage.id for position in chosen]


def unit(index: PassageIndex, rows: Ints) -> Doubles:
    """Vectors of rows, of length 1."""
    vectors = whole_vectors(index.snapshot.corpus, rows).astype(np.float64)
    lengths: Doubles = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def coverage(ids: Sequence[str], covered: Covered) -> list[float]:
    """What the first passages cover, at each of `AT`."""
    return [covered(ids[:k]) for k in AT]


def of_gold(question: GoldQuestion) -> Covered:
    """The share of a question's gold passages."""
    gold = set(question.gold)
    return lambda ids: len(gold & set(ids)) / len(gold)


def measure(
    index: PassageIndex, asked: Sequence[tuple[str, Covered]]
) -> dict[str, list[list[float]]]:
    """Coverage of each question by mode."""
    coverages: dict[str, list[list[float]]] = {}
    for mode in MODES:
        hits = index.retrieve_batch([text for text, _ in asked], max(AT), mode=mode)
        coverages[mode] = [
            coverage([hit.passage.id for hit in each], covered)
            for each, (_, covered) in zip(hits, asked, strict=True)
        ]
    coverages["dense, MMR"] = [
        coverage(mmr(index, text, max(AT)), covered) for text, covered in asked
    ]
    return coverages


def print_coverage(title: str, coverages: dict[str, list[list[float]]]) -> None:
    """Print mean coverage in percent, and 95 % intervals of the lead of each mode over `best`."""
    base, rows = np.array(coverages["multihop"]), []
    for name, values in coverages.items():
        low, high = bootstrap_intervals(100 * (np.array(values) - base))
        spans = [f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True)]
        rows.append([name, *(f"{mean:.1f}" for mean in 100 * np.mean(values, axis=0)), *spans])
    print(f"\n{title}\n")
    names = [f"coverage@{k}" for k in AT] + [f"lead over best @{k}" for k in AT]
    print_table(["mode", *names], rows)


def of_subtopics(index: PassageIndex, subtopics: Sequence[Sequence[str]]) -> Covered:
    """The share of subtopics of which a passage holds a phrase."""

    def covered(ids: Sequence[str]) -> float:
        texts = [index[identifier].full_text.casefold() for identifier in ids]
        told = [
            any(p.casefold() in text for text in texts for p in phrases) for phrases in subtopics
        ]
        return sum(told) / len(subtopics)

    return covered


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sets = commands.add_parser("sets")
    sets.add_argument("indices", nargs="+", metavar="SET=INDEX")
    sets.add_argument("--most", type=int, default=10_000, help="questions of a set")
    folder = commands.add_parser("folder")
    folder.add_argument("index", type=Path)
    given = parser.parse_args()
    if given.command == "folder":
        with PassageIndex.open(given.index) as index:
            lines = map(json.loads, QUESTIONS.read_text(encoding="utf-8").splitlines())
            asked = [(q["question"], of_subtopics(index, q["subtopics"])) for q in lines]
            print_coverage(f"{len(asked)} broad questions over a folder", measure(index, asked))
        return
    for each in given.indices:
        name, _, path = each.partition("=")
        halves = questions(name, "test", given.most)
        with PassageIndex.open(path) as index:
            asked = [(question.text, of_gold(question)) for question in halves]
            print_coverage(f"{name}: {len(asked)} questions", measure(index, asked))


if __name__ == "__main__":
    main()
