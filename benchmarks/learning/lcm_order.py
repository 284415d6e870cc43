"""LCM and the order of edges: cost, accuracy and sensitivity of each order and operator.

    python -m benchmarks.learning.lcm_order                       four sets, three splits each
    python -m benchmarks.learning.lcm_order --set texas --splits 40

Two layers of SAGE aggregate their messages with the mean, with LCM over rows sorted by value or in
the given order, and with LCM's second operator. The test accuracy is taken at the epoch that is
best in validation. `moved` is the largest change of an output of the trained model when the columns
of `edge_index` are shuffled, divided by the mean size of outputs; `classes` is the share of
vertices that get another class. `sorted` is the mean difference between LCM and LCM in the given
order, with its standard error; both start from the same weights. Extra `--splits` are extra seeds.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch_geometric.data import Data

from benchmarks.report import parser_of
from benchmarks.training.sets import dataset
from graphagg.nn import GPS, LCMAggregation
from graphagg.nn.aggr import MonoidLosses
from graphagg.nn.presets.plain import for_epochs, plain_preset
from graphagg.nn.training import Shape, train
from graphagg.nn.training.plan import fit_config

VARIANTS: dict[str, dict[str, Any] | None] = {
    "mean": None,
    "LCM": {},
    "LCM, order given": {"order": "given"},
    "LCM, GRU": {"operator": "gru"},
    "LCM, GRU, order given": {"operator": "gru", "order": "given"},
}
EPOCHS = 100
SETS = ("blocks, 60% inside, signal 0.3", "texas", "infection", "houses")


def build_model(options: dict[str, Any] | None, shape: Shape) -> GPS:
    """Build the model of preset `sage` with the aggregator."""
    config = plain_preset("sage", "node").model
    local = replace(config.local, aggregation="" if options is None else "lcm")
    model = GPS(fit_config(replace(config, local=local), shape))
    with_options(model, options or {})
    return model


def trained(name: str, split: int, options: dict[str, Any] | None) -> tuple[GPS, float]:
    """Train; return the model of the best validation epoch, and its test accuracy."""
    data, build = dataset(name), partial(build_model, options)
    training = for_epochs(plain_preset("sage", "node").training, EPOCHS).for_split(split)
    with tempfile.TemporaryDirectory() as folder:
        data = replace(data, splits=(data.splits[split % len(data.splits)],))
        result = train(build, data, folder, training=training, device="cpu")
        model = build(data.shape("accuracy"))
        model.load_state_dict(load_file(Path(folder) / "split-0" / "model.safetensors"))
    return model, result.test.mean


def with_options(model: torch.nn.Module, options: dict[str, Any]) -> None:
    """Replace the default LCM of each layer."""
    for module in list(model.modules()):
        aggregator = getattr(module, "aggr_module", None)
        if isinstance(aggregator, LCMAggregation):
            width = aggregator.in_channels
            module.aggr_module = LCMAggregation(width, width, **options)


def moved(model: torch.nn.Module, graph: Data) -> tuple[float, float]:
    """Return the largest relative change of an output, and the share of changed classes."""
    other = graph.clone()
    order = torch.randperm(graph.num_edges, generator=torch.Generator().manual_seed(0))
    other.edge_index = graph.edge_index[:, order]
    with torch.no_grad():
        one, two = model.eval()(graph), model(other)
    change = float((one - two).abs().max() / one.abs().mean())
    return change, float((one.argmax(1) != two.argmax(1)).float().mean())


def run(name: str, variant: str, splits: int) -> tuple[str, list[float]]:
    """Return a row of the table, and the test accuracy of each split."""
    options, cpu = VARIANTS[variant], 0.0
    tests, changes, laws = [], [], []
    graph = dataset(name).graphs[0]
    for split in range(splits):
        began = time.process_time()
        model, test = trained(name, split, options)
        cpu += time.process_time() - began
        tests.append(test)
        changes.append(moved(model, graph))
        laws += [law_of(each) for each in model.modules() if isinstance(each, LCMAggregation)]
    change, classes = np.mean(changes, axis=0)
    law = f"{np.mean(laws):.1e}" if laws else ""
    row = (
        f"| {name} | {variant} | {100 * np.mean(tests):.1f} ± {100 * np.std(tests):.1f} | "
        f"{change:.3f} | {100 * classes:.1f} % | {law} | {cpu:.1f} |"
    )
    return row, tests


@torch.no_grad()
def law_of(module: LCMAggregation) -> float:
    losses: MonoidLosses = module.monoid_losses(torch.randn(500, module.in_channels))
    return float(losses.associativity)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--splits", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| set | aggregator | test | moved | classes | associativity | CPU s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in chosen.set or SETS:
        tests = {}
        for variant in VARIANTS:
            row, tests[variant] = run(name, variant, chosen.splits)
            print(row, flush=True)
        gain = 100 * (np.array(tests["LCM"]) - tests["LCM, order given"])
        error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else np.nan
        print(f"| {name} | sorted | {gain.mean():+.1f} ± {error:.1f} | | | | |", flush=True)


if __name__ == "__main__":
    main()
