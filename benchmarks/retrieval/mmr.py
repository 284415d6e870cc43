"""MMR of the LangChain store beside its plain search: recall@5 and diversity.

    python -m benchmarks.retrieval.mmr INDEX QUESTIONS [INDEX QUESTIONS ...] [--most 200]

Prints for each index the share of gold passages among five documents, and how unlike these are: one
less the mean cosine of two of them. Nothing is fitted: `fetch_k` is 20 and `lambda_mult` as shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from benchmarks.report import print_table
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.langchain import LangChainVectorStore
from graphagg.rag.corpus.themes.network import SCALE, whole_vectors
from graphagg.rag.evaluation.questions import read_questions

K, WAYS = 5, (None, 1.0, 0.7, 0.5, 0.3)


def unlike(index: PassageIndex, ids: Sequence[str]) -> float:
    """One less the mean cosine of two of these passages."""
    rows = np.array([index.snapshot.known_row(name) for name in ids])
    vectors = whole_vectors(index.snapshot.corpus, rows) / SCALE
    pairs = list(combinations(range(len(rows)), 2))
    return 1 - float(np.mean([vectors[a] @ vectors[b] for a, b in pairs])) if pairs else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="+", help="an index, then its questions")
    parser.add_argument("--most", type=int, default=200)
    chosen, rows = parser.parse_args(), []
    for place, source in zip(chosen.pairs[::2], chosen.pairs[1::2], strict=True):
        questions = read_questions(source)
        questions = questions[:: max(len(questions) // chosen.most, 1)][: chosen.most]
        with PassageIndex.open(place) as index:
            store = LangChainVectorStore(index)
            for way in WAYS:
                recalls, variety = [], []
                for asked in questions:
                    found = (
                        store.similarity_search(asked.text, k=K)
                        if way is None
                        else store.max_marginal_relevance_search(asked.text, k=K, lambda_mult=way)
                    )
                    names = [str(each.id) for each in found]
                    documents = {index[name].document for name in names} | set(names)
                    recalls.append(len(asked.gold & documents) / len(asked.gold))
                    variety.append(unlike(index, names))
                name = "plain search" if way is None else f"MMR, lambda_mult={way:g}"
                recall = f"{100 * np.mean(recalls):.1f}"
                rows.append([place, len(questions), name, recall, f"{np.mean(variety):.3f}"])
    print_table(["index", "questions", "way", "recall@5", "unlikeness"], rows)


if __name__ == "__main__":
    main()
