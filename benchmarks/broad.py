"""Broad questions: how much of what is asked the first passages cover, mode beside mode.

    python -m benchmarks.broad sets [SET=INDEX ...] [--choose] [--most N]
    python -m benchmarks.broad folder INDEX

`sets` measures coverage, the share of a question's gold passages among the first 10 and 20, of
`broad`, `auto`, `multihop`, `rrf` and dense retrieval with maximal marginal relevance (MMR), on the
second halves of the sets; with `--choose` it prints a grid of settings of `broad` on the first
halves instead. Of more than `--most` questions it asks every n-th. `folder` measures the share of
the subtopics in `broad_questions.jsonl` that a passage among the first 10 and 20 speaks of: it
holds one of the subtopic's phrases; with intervals of the differences from `broad`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.choose.corpora import questions
from graphagg.arrays import Doubles, Ints
from graphagg.rag import PassageIndex
from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.config.modes import Mode
from graphagg.rag.corpus.themes.network import whole_vectors
from graphagg.rag.evaluation.outcomes import bootstrap_intervals
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.modes.broad.covering import Rankings, covering
from graphagg.rag.modes.broad.mode import Broad
from graphagg.rag.question.selection import Selection

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
        place = int(np.argmax(np.where(open_, MMR * scores - penalty, -np.inf)))
        chosen.append(place)
        open_[place] = False
        near = np.maximum(near, vectors @ vectors[place])
    return [hits[place].passage.id for place in chosen]


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
    found: dict[str, list[list[float]]] = {}
    for mode in MODES:
        hits = index.retrieve_batch([text for text, _ in asked], max(AT), mode=mode)
        found[mode] = [
            coverage([hit.passage.id for hit in each], covered)
            for each, (_, covered) in zip(hits, asked, strict=True)
        ]
    found["dense, MMR"] = [coverage(mmr(index, text, max(AT)), covered) for text, covered in asked]
    return found


def print_table(title: str, table: dict[str, list[list[float]]]) -> None:
    """Print mean coverage in percent, and 95 % intervals of the gain over `multihop`."""
    names = [f"coverage@{k}" for k in AT] + [f"above best @{k}" for k in AT]
    print(f"\n{title}\n\n| mode | {' | '.join(names)} |\n" + "| --- " * (1 + len(names)) + "|")
    base = np.array(table["multihop"])
    for name, rows in table.items():
        means = [f"{value:.1f}" for value in 100 * np.mean(rows, axis=0)]
        low, high = bootstrap_intervals(100 * (np.array(rows) - base))
        spans = [f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True)]
        print(f"| {name} | {' | '.join(means + spans)} |", flush=True)


def settings_grid(index: PassageIndex, questions: Sequence[GoldQuestion]) -> None:
    """Print the coverage of `broad` for a grid of settings."""
    snapshot = index.snapshot
    scope = snapshot.scope(Selection())
    broad = Broad(snapshot, scope, BroadConfig())
    asked = broad.encode(broad.read([q.text for q in questions], index.models), index.models)
    pools = [broad.rankings(question, BroadConfig().pool) for question in asked]
    print(f"best alone: {_mean(index, questions, [pool.best for pool in pools])}", flush=True)
    for spread in (0.0, 0.15, 0.3, 0.5):
        print(f"spread {spread}: {_grid_cell(index, questions, pools, BroadConfig(spread=spread))}")
    for rank_constant, weight in product((10, 30, 60), (1.0, 2.0, 4.0, 8.0)):
        config = BroadConfig(spread=0.0, weight=weight, rank_constant=rank_constant)
        found = _grid_cell(index, questions, pools, config)
        print(f"rank_constant {rank_constant} weight {weight}: {found}", flush=True)


def _grid_cell(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    pools: Sequence[Rankings],
    config: BroadConfig,
) -> list[float]:
    view = index.snapshot.scope(Selection()).view
    found = [
        [hit.passage.id for hit in covering(index.snapshot, view, pool, max(AT), config)]
        for pool in pools
    ]
    rows = [[index.snapshot.known_row(each) for each in ids] for ids in found]
    return _mean(index, questions, [np.array(some, np.int64) for some in rows])


def _mean(
    index: PassageIndex, questions: Sequence[GoldQuestion], rows: Sequence[Ints]
) -> list[float]:
    """Mean coverage in percent at each of `AT`."""
    covered = []
    for some, question in zip(rows, questions, strict=True):
        ids = [index.snapshot.corpus.id(row) for row in some[: max(AT)].tolist()]
        covered.append(coverage(ids, of_gold(question)))
    means: list[float] = (100 * np.mean(covered, axis=0)).round(1).tolist()
    return means


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
    sets.add_argument("--choose", action="store_true")
    sets.add_argument("--most", type=int, default=10_000, help="questions of a set")
    folder = commands.add_parser("folder")
    folder.add_argument("index", type=Path)
    given = parser.parse_args()
    if given.command == "folder":
        with PassageIndex.open(given.index) as index:
            lines = map(json.loads, QUESTIONS.read_text(encoding="utf-8").splitlines())
            asked = [(q["question"], of_subtopics(index, q["subtopics"])) for q in lines]
            print_table(f"{len(asked)} broad questions over a folder", measure(index, asked))
        return
    for each in given.indices:
        name, _, path = each.partition("=")
        chosen = questions(name, "tune" if given.choose else "test", given.most)
        with PassageIndex.open(path) as index:
            if given.choose:
                print(f"{name}: {len(chosen)} questions of the first half", flush=True)
                settings_grid(index, chosen)
            else:
                asked = [(question.text, of_gold(question)) for question in chosen]
                print_table(f"{name}: {len(asked)} questions", measure(index, asked))


if __name__ == "__main__":
    main()
