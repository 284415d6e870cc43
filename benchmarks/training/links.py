"""Link prediction with its controls: `auto` on the hidden edges of public graphs.

    python -m benchmarks.training.links                 texas, cora
    python -m benchmarks.training.links --epochs 200    longer

A tenth of the edges each are hidden for validation and test, over two random splits; the metric is
the mean reciprocal rank of each true edge among all pairs of its source.
"""

from __future__ import annotations

import argparse
import tempfile

import torch

from benchmarks.training.cells import ROOT
from graphagg.nn import TrainingConfig
from graphagg.nn.training import link_splits, train

SETS = {"texas": "heterophilous/texas.npz", "cora": "planetoid/cora.npz"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--epochs", type=int, default=30)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    training = TrainingConfig("mrr", epochs=chosen.epochs, lr=5e-3, weight_decay=5e-4)
    for name in chosen.set or SETS:
        data = link_splits(str(ROOT / SETS[name]), count=2)
        with tempfile.TemporaryDirectory() as folder:
            result = train("auto", data, folder, training=training, splits=2, device="cpu")
        scores = {"auto": result.test, **result.control_scores}
        shown = (f"{key} {score.mean:.3f} ± {score.std:.3f}" for key, score in scores.items())
        print(f"{name}: {', '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
