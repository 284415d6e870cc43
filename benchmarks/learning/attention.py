"""Compares global attention with PyG: forward, backward, width 64, 4 heads, float32, one thread.

    python -m benchmarks.learning.attention              3 pairs of each
    python -m benchmarks.learning.attention --pairs 1    fewer repetitions

Each figure comes from a fresh process with a limit of 100 CPU seconds. CPU is that of the calling
thread, which also runs the backward pass: the median of a few runs after a warm-up, with the wall
time. Memory is the peak resident size of the first full run minus the size before it. Ratios are
medians over pairs of runs, the peer and ours in alternation.

There are two comparisons, each with the same scope on both sides:

- layer: PyG's `GPSConv(64, conv=None, heads=4)`, and the same layer with our attention instead of
  its own, between the same norms, residuals and MLP;
- attention: PyG's padding (`to_dense_batch`), `torch.nn.MultiheadAttention` and unpadding, and our
  attention.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Peak, cost, in_process, median_cost
from benchmarks.report import Report, parser_of

CHANNELS, HEADS = 64, 4
LIMIT_S = 100  # CPU seconds of one process; a peer that needs more has no result


def zinc_sizes() -> list[int]:
    """Return the sizes of 128 graphs like ZINC's molecules: mean 23, from 9 to 38."""
    sizes = np.random.default_rng(0).normal(23.2, 4.5, 128)
    return [int(size) for size in sizes.round().clip(9, 38)]


def log_normal_sizes(total: int = 28_537, largest: int = 3_270, count: int = 256) -> list[int]:
    """Return log-normal sizes with a given sum and maximum."""
    normal = np.sort(np.random.default_rng(0).standard_normal(count))
    low, high = 0.1, 4.0
    for _ in range(60):
        spread = (low + high) / 2
        sizes = np.maximum(np.exp(np.log(largest) + spread * (normal - normal[-1])), 1).round()
        low, high = (spread, high) if sizes.sum() > total else (low, spread)
    missing = total - int(sizes.sum())
    middle = np.arange(count // 2, count // 2 + abs(missing))
    sizes[middle] += np.sign(missing)
    shuffled = np.random.default_rng(1).permutation(sizes)
    return [int(size) for size in shuffled]


CASES = {
    "128 ZINC-size graphs": zinc_sizes,
    "2000+1000+500+61x20": lambda: [2000, 1000, 500, *[20] * 61],
    "256 log-normal, N 28,537, max 3,270": log_normal_sizes,
    "one graph of 8,192": lambda: [8192],
}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    report = Report(Path("build/bench/attention"))
    fill(report, chosen.pairs)
    print(f"written: {report.save()}")


def run(report: Report) -> None:
    """Run three pairs of each for the common report."""
    fill(report, 3)


def fill(report: Report, pairs: int) -> None:
    """Compare exact attention with GPSConv's, as a layer and on its own."""
    report.heading("Exact attention against GPSConv, forward and backward, dim 64, 4 heads")
    header = ["scope", "batch", "PyG CPU s", "ours CPU s", "times faster", "PyG MiB", "ours MiB",
              "times less memory", "ours wall s", "largest difference"]  # fmt: skip
    scopes = ("layer", "attention")
    rows = [[scope, case, *compared(scope, case, pairs)] for scope in scopes for case in CASES]
    report.table(header, rows)


def compared(scope: str, case: str, pairs: int) -> list[object]:
    """Return one row of the table: the peer and ours in alternation, `pairs` times."""
    peers, ours = [], []
    for _ in range(pairs):
        ours.append(measured(scope=scope, name="exact", case=case))
        if not peers or peers[-1]:
            peers.append(measured(scope=scope, name="gpsconv", case=case))
    mine = {key: statistics.median(each[key] for each in ours) for key in ours[0]}
    if not peers[-1]:
        none = f"no result in {LIMIT_S} CPU s"
        return [none, digits(mine["cpu"]), "-", "-", digits(mine["mib"]), "-",
                digits(mine["wall"]), "-"]  # fmt: skip
    theirs = {key: statistics.median(each[key] for each in peers) for key in mine}
    times = {
        key: statistics.median(peer[key] / own[key] for peer, own in zip(peers, ours, strict=True))
        for key in ("cpu", "mib")
    }
    gap = in_process(difference, scope=scope, case=case)
    return [
        digits(theirs["cpu"]), digits(mine["cpu"]), digits(times["cpu"]), digits(theirs["mib"]),
        digits(mine["mib"]), digits(times["mib"]), digits(mine["wall"]),
        "-" if gap is None else f"{gap:.1e}",
    ]  # fmt: skip


def digits(value: float) -> str:
    """Format a value with three significant digits."""
    return f"{value:.3f}" if value < 1 else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def measured(**case: str) -> Any:
    """Measure one case in a fresh process; None if it ran out of time or memory."""
    return in_process(figures_of, LIMIT_S, **case)


def figures_of(scope: str, name: str, case: str) -> dict[str, float]:
    """Measure CPU and wall seconds and the peak of one case, in this process."""
    prepare()
    layer = built(scope, name)
    step(layer, *batch_of([3, 2]))  # PyTorch loads libraries at the first call
    inputs = batch_of(CASES[case]())
    peak = Peak()
    step(layer, *inputs)
    mib, costs = peak.growth() / 2**20, []
    while not costs or (len(costs) < 9 and sum(each.cpu for each in costs) < 4):
        costs.append(cost(lambda: step(layer, *inputs), time.thread_time))
    median = median_cost(costs)
    return {"cpu": median.cpu, "wall": median.wall, "mib": mib}


def difference(scope: str, case: str) -> float:
    """Return the largest difference between the outputs of PyG and ours with the same weights."""
    import torch

    prepare()
    theirs, ours = built(scope, "gpsconv"), built(scope, "exact")
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        x, edges, batch = batch_of(CASES[case]())
        return float((theirs(x, edges, batch) - ours(x, edges, batch)).abs().max())


def prepare() -> None:
    """Use one thread and seeded weights."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)


def built(scope: str, name: str) -> Any:
    """Build a module `(x, edge_index, batch) -> x`; peer and `exact` have equal parameter names."""
    import torch
    from torch_geometric.nn import GPSConv
    from torch_geometric.utils import to_dense_batch

    from graphagg.nn.attention import ExactAttention

    class Dense(torch.nn.Module):
        """Pad, attend, unpad: only the attention part of GPSConv."""

        def __init__(self) -> None:
            super().__init__()
            self.attn = torch.nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True)

        def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
            h, mask = to_dense_batch(x, batch)
            h, _ = self.attn(h, h, h, key_padding_mask=~mask, need_weights=False)
            return h[mask]

    class Ragged(torch.nn.Module):
        """Only our attention."""

        def __init__(self) -> None:
            super().__init__()
            self.attn = ExactAttention(CHANNELS, HEADS)

        def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
            return self.attn(x, batch, edge_index=edge_index)

    class Layer(GPSConv):
        """GPSConv with our attention instead of its own."""

        def __init__(self) -> None:
            super().__init__(CHANNELS, None, heads=HEADS)
            self.attn = Ragged().attn

        def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
            h = self.norm2(self.attn(x, batch, edge_index=edge_index) + x)
            return self.norm3(h + self.mlp(h))

    if name == "exact":
        return Layer() if scope == "layer" else Ragged()
    return Dense() if scope == "attention" else GPSConv(CHANNELS, None, heads=HEADS)


def batch_of(sizes: list[int]) -> tuple[Any, Any, Any]:
    """Return features with gradients, four random edges per vertex in its graph, and `batch`."""
    import torch

    generator = torch.Generator().manual_seed(0)
    counts = torch.tensor(sizes)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), counts)
    x = torch.randn(len(batch), CHANNELS, generator=generator, requires_grad=True)
    source = torch.arange(len(batch)).repeat(4)
    graph = batch[source]
    target = (torch.rand(len(source), generator=generator) * counts[graph]).long()
    return x, torch.stack([source, target + (counts.cumsum(0) - counts)[graph]]), batch


def step(layer: Any, x: Any, edge_index: Any, batch: Any) -> None:
    """Run forward and backward; gradients are cleared first, as in a step of an optimizer."""
    layer.zero_grad()
    x.grad = None
    layer(x, edge_index, batch).sum().backward()


if __name__ == "__main__":
    main()
