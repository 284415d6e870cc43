"""Link prediction by the merge of graphagg and by other fusions and bases.

    python -m benchmarks.fusions EDGES [--pieces 16] [--repeats 5]

Prints the area under the ROC curve against uniform pairs, by dot product: mean and deviation.
"""

from __future__ import annotations

import argparse

from benchmarks.fusions.bases import BASES
from benchmarks.fusions.fusion import Fusion
from benchmarks.vectors.measure import METHODS, predict_links
from graphagg.embedding import EmbeddingConfig
from graphagg.graph import load_weighted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("edges")
    parser.add_argument("--pieces", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    METHODS.update(
        {f"{name} {base}": Fusion(name, BASES[base])
         for name in ("concat", "procrustes") for base in BASES}
    )  # fmt: skip
    graph, weights = load_weighted(given.edges, "undirected")
    config = EmbeddingConfig(pieces=given.pieces)
    links = predict_links(
        graph, weights, config, repeats=given.repeats, methods=tuple(METHODS)
    ).uniform.to_json()
    for method, measures in links.items():
        print(f"{method:24} {measures['auc']['mean']:.4f} ± {measures['auc']['std']:.4f}")


if __name__ == "__main__":
    main()
