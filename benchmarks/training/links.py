"""Link prediction with its controls: `auto` on the hidden edges of public graphs and another.

    python -m benchmarks.training.links              every set
    python -m benchmarks.training.links --set cora   one of them

A tenth of the edges each are hidden for validation and test, over random splits; the metric is the
mean reciprocal rank of each true edge among all pairs of its source. The recipe is the one of
`auto`, with fewer epochs. `blocks` is a block model of 1,000 vertices and some 5,000 edges, nine
tenths of them inside of a class.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from benchmarks.report import parser_of
from benchmarks.training.public import load
from benchmarks.training.small_sets import blocks
from graphagg.nn.presets.simple import simple
from graphagg.nn.training import link_splits, train
from graphagg.nn.training.data.sources import Source

SETS: dict[str, Callable[[], Source]] = {
    "texas": partial(load, "heterophilous/texas.npz"),
    "blocks": lambda: blocks(0.9, 0.3, 1, 999).graphs[0],
    "cornell": partial(load, "heterophilous/cornell.npz"),
    "chameleon": partial(load, "heterophilous/chameleon_filtered.npz"),
    "cora": partial(load, "planetoid/cora.npz"),
}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--splits", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    training = replace(simple("sage", "edge").training, epochs=chosen.epochs)
    for name in chosen.set or SETS:
        data = link_splits(SETS[name](), count=chosen.splits)
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            result = train(
                "auto", data, folder, training=training, splits=chosen.splits, device="cpu"
            )
        scores = {"auto": result.test, **result.control_scores}
        shown = (f"{key} {score.mean:.3f} ± {score.std:.3f}" for key, score in scores.items())
        seconds = time.process_time() - began
        print(f"{name}: {', '.join(shown)}; {seconds:.0f} CPU s", *result.notes, sep="\n  ")
        print(f"  {result.verdict}", flush=True)


if __name__ == "__main__":
    main()
