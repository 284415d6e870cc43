"""Recall and CPU time of follow-up questions with and without `history`.

    python -m benchmarks.retrieval.conversations [--profile fast] [--folder build/choose]

The questions are from human conversations and have earlier turns; recall@2 / @5 of each half is in
percent. "other subject": each question follows the last turn of another conversation. "weighed
alike": the weight of the history is 1. CPU times are medians of the calling thread.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.report import print_table
from benchmarks.retrieval.corpora import SEED, open_index
from graphagg.rag import PassageIndex
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES
from tests.conftest import DATA

SET, KS, USER = "conversations", (2, 5), "user: "
ALIKE = "graphagg.rag.modes.follow_up.weight_of_history"


def follow_ups() -> list[dict[str, Any]]:
    """Return the questions with earlier turns of the user, added as `turns`."""
    path = DATA / "retrieval" / SET / "questions.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        row["turns"] = [t.removeprefix(USER) for t in row["history"] if t.startswith(USER)]
    return [row for row in rows if row["turns"]]


def other_turn(rows: Sequence[dict[str, Any]], i: int) -> str:
    """Return the last turn of another conversation."""
    conversation = [row["id"].partition("<")[0] for row in rows]
    j = (7 * i + 53) % len(rows)
    while conversation[j] == conversation[i]:
        j = (j + 1) % len(rows)
    return str(rows[j]["turns"][-1])


def recalls(
    index: PassageIndex, rows: Sequence[dict[str, Any]], histories: Sequence[Sequence[str]]
) -> tuple[np.ndarray, float]:
    """Return the recall of each question, `[n, 2]`, and the median milliseconds."""
    found, times = [], []
    for row, history in zip(rows, histories, strict=True):
        begun = time.thread_time()
        hits = [hit.passage.id for hit in index.retrieve(row["question"], max(KS), history=history)]
        times.append(1e3 * (time.thread_time() - begun))
        gold = set(row["gold_passage_ids"])
        found.append([len(gold.intersection(hits[:k])) / len(gold) for k in KS])
    return np.array(found), float(np.median(times))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    options = parser.parse_args(arguments)
    rows = follow_ups()
    order = np.random.default_rng(SEED).permutation(len(rows))
    halves = np.split(order, [len(rows) // 2])
    own, others = [row["turns"] for row in rows], [[other_turn(rows, i)] for i in range(len(rows))]
    with open_index(SET, options.folder, options.profile) as index:
        runs = {
            "question alone": recalls(index, rows, [()] * len(rows)),
            "with history": recalls(index, rows, own),
            "other subject": recalls(index, rows, others),
        }
        with patch(ALIKE, return_value=1.0):
            runs["weighed alike"] = recalls(index, rows, own)
            runs["weighed alike, other subject"] = recalls(index, rows, others)
    lines = []
    for name, (found, milliseconds) in runs.items():
        means = [" / ".join(f"{100 * x:.1f}" for x in found[half].mean(axis=0)) for half in halves]
        lines.append([name, *means, f"{milliseconds:.1f}"])
    print_table([options.profile, "first half", "second half", "CPU ms"], lines)


if __name__ == "__main__":
    main()
