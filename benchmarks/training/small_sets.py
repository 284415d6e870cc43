"""The model that `train_auto` selects on small sets, and the test scores of its four models.

    python -m benchmarks.training.small_sets               all sets
    python -m benchmarks.training.small_sets --set texas   one set

Networks train for at most 100 epochs; the best mean validation score over three splits wins.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace

import torch

from benchmarks.report import parser_of
from benchmarks.training.sets import SETS, SPLITS, dataset
from graphagg.nn import Preset, train_auto
from graphagg.nn.presets.plain import PLAIN_MODELS

EPOCHS = 100


def brief(preset: Preset) -> Preset:
    training = preset.training
    return replace(preset, training=replace(training, epochs=min(EPOCHS, training.epochs)))


def row(name: str) -> str:
    """Return the test scores of all models in percent, mean and deviation, and the selected one."""
    data = dataset(name)
    with tempfile.TemporaryDirectory() as folder:
        splits = min(len(data.splits), SPLITS)
        results = train_auto(data, folder, change=brief, splits=splits, device="cpu")
    by_name = {result.model: result.test for result in results}
    shown = [f"{100 * s.mean:.1f} ± {100 * s.std:.1f}" for s in map(by_name.get, PLAIN_MODELS) if s]
    behind = max(score.mean for score in by_name.values()) - results[0].test.mean
    return f"| {name} | {' | '.join(shown)} | {results[0].model} | {100 * behind:.1f} |"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", action="append", choices=SETS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| set | {' | '.join(PLAIN_MODELS)} | taken | behind the best |")
    print("| --- |" + " ---: |" * (len(PLAIN_MODELS) + 2))
    for name in chosen.set or SETS:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
