"""Global attention beside PyG: forward and backward, width 64, 4 heads, float32, one thread.

    python -m benchmarks.attention                    all parts
    python -m benchmarks.attention --part exact       one part: exact or all
    python -m benchmarks.attention --pairs 1          fewer repetitions

Each figure comes from a fresh process, of at most 100 CPU seconds. CPU is that of the calling
thread (the backward pass runs in it too), the median of a few runs after a warm-up, with the wall
time beside it; memory is the peak resident size of the first full run above that before it. Ratios
are medians of pairs, the peer and ours one after the other.

Two ways to compare, each the same on both sides:

- layer: PyG's `GPSConv(64, conv=None, heads=4)`, and our attention in the place of its attention,
  in between the very same norms, residuals and MLP;
- attention: PyG's padding (`to_dense_batch`), `torch.nn.MultiheadAttention` and unpadding, and our
  attention.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peak import Peak
from benchmarks.report import Report

CHANNELS, HEADS = 64, 4
LIMIT_S = 100  # CPU seconds of one process; a peer that needs more has no result
PEERS = ("gpsconv", "gpsconv-performer")
OURS = (
    "exact", "performer", "performer-relu", "elu", "norm", "sgformer", "polynormer", "exphormer",
    "bigbird",
)  # fmt: skip
ENVIRONMENT = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def zinc_sizes() -> list[int]:
    """128 graphs of the sizes of ZINC's molecules: mean 23, 9 to 38."""
    sizes = np.random.default_rng(0).normal(23.2, 4.5, 128)
    return [int(size) for size in sizes.round().clip(9, 38)]


def log_normal_sizes(total: int = 28_537, largest: int = 3_270, count: int = 256) -> list[int]:
    """Log-normal sizes with a given sum and maximum."""
    normal = np.sort(np.random.default_rng(0).standard_normal(count))
    low, high = 0.1, 4.0
    for _ in range(60):
        spread = (low + high) / 2
        sizes = np.maximum(np.exp(np.log(largest) + spread * (normal - normal[-1])), 1).round()
        low, high = (spread, high) if sizes.sum() > total else (low, spread)
    rest = total - int(sizes.sum())
    middle = np.arange(count // 2, count // 2 + abs(rest))
    sizes[middle] += np.sign(rest)
    shuffled = np.random.default_rng(1).permutation(sizes)
    return [int(size) for size in shuffled]


CASES = {
    "128 ZINC-size graphs": zinc_sizes,
    "2000+1000+500+61x20": lambda: [2000, 1000, 500, *[20] * 61],
    "256 log-normal, N 28,537, max 3,270": log_normal_sizes,
    "one graph of 8,192": lambda: [8192],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("exact", "all"), action="append")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(child(**json.loads(chosen.child))))
        return
    report = Report(Path("build/bench/attention"))
    parts = chosen.part or ["exact", "all"]
    if "exact" in parts:
        run_exact(report, chosen.pairs)
    if "all" in parts:
        run_all(report)
    print(f"written: {report.save()}")


def run(report: Report) -> None:
    """Both parts, for the common report."""
    run_exact(report, 3)
    run_all(report)


def run_exact(report: Report, pairs: int) -> None:
    """Exact attention beside GPSConv's, as a layer and by itself."""
    report.heading("Exact attention beside GPSConv, forward and backward, dim 64, 4 heads")
    header = ["what", "batch", "PyG CPU s", "ours CPU s", "times faster", "PyG MiB", "ours MiB",
              "times less memory", "ours wall s", "largest difference"]  # fmt: skip
    rows = []
    for scope in ("layer", "attention"):
        for case in CASES:
            rows.append([scope, case, *compared(scope, case, pairs)])
    report.table(header, rows)


def compared(scope: str, case: str, pairs: int) -> list[object]:
    """One row of the table: the peer and ours in turn, `pairs` times."""
    peers, ours = [], []
    for _ in range(pairs):
        ours.append(measured(scope=scope, name="exact", case=case))
        if not peers or peers[-1]:
            peers.append(measured(scope=scope, name="gpsconv", case=case))
    mine = {key: statistics.median(run[key] for run in ours if run) for key in ours[0] or {}}
    if not peers[-1]:
        none = f"no result in {LIMIT_S} CPU s"
        return [none, digits(mine["cpu"]), "-", "-", digits(mine["mib"]), "-",
                digits(mine["wall"]), "-"]  # fmt: skip
    both = [(peer, own) for peer, own in zip(peers, ours, strict=True) if peer and own]
    theirs = {key: statistics.median(peer[key] for peer, _ in both) for key in both[0][0]}
    faster = statistics.median(peer["cpu"] / own["cpu"] for peer, own in both)
    less = statistics.median(peer["mib"] / own["mib"] for peer, own in both)
    gap = measured(scope=scope, name="difference", case=case)
    return [
        digits(theirs["cpu"]), digits(mine["cpu"]), digits(faster), digits(theirs["mib"]),
        digits(mine["mib"]), digits(less), digits(mine["wall"]),
        "-" if not gap else f"{gap['difference']:.1e}",
    ]  # fmt: skip


def run_all(report: Report) -> None:
    """Every attention in the same layer, beside both of GPSConv's."""
    report.heading("Every attention as a layer: CPU seconds and MiB, forward and backward")
    rows = []
    for name in (*PEERS, *OURS):
        row: list[object] = [name if name in PEERS else f"graphagg {name}"]
        for case in CASES:
            # GPSConv's attention has no result for this batch; the other part waits for it.
            skip = name == "gpsconv" and case.startswith("256")
            got = None if skip else measured(scope="layer", name=name, case=case)
            row.append(f"{digits(got['cpu'])}, {digits(got['mib'])}" if got else "no result")
        rows.append(row)
    report.table(["layer", *CASES], rows)


def digits(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3f}" if value < 1 else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def measured(**case: Any) -> dict[str, float] | None:
    """Figures of one case from a fresh process; None where it ran out of time or memory."""
    command = [sys.executable, "-m", "benchmarks.attention", "--child", json.dumps(case)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT}
    )
    print(case, done.stdout or done.stderr[-2000:], file=sys.stderr, flush=True)
    if done.returncode:
        return None
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def child(scope: str, name: str, case: str) -> dict[str, float]:
    """The figures, in this process."""
    import torch

    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))

    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = CASES[case]()
    if name == "difference":
        return {"difference": difference(scope, sizes)}
    layer = built(scope, name)
    step(layer, *batch_of([3, 2]))  # loads what PyTorch loads at the first call
    inputs = batch_of(sizes)
    peak = Peak()
    step(layer, *inputs)
    mib = peak.growth() / 2**20
    cpu, wall = [], []
    while not cpu or (len(cpu) < 9 and sum(cpu) < 4):
        started = time.thread_time(), time.perf_counter()
        step(layer, *inputs)
        cpu.append(time.thread_time() - started[0])
        wall.append(time.perf_counter() - started[1])
    return {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "mib": mib}


def difference(scope: str, sizes: list[int]) -> float:
    """Largest difference between the outputs of PyG and ours with the same weights."""
    import torch

    theirs, ours = built(scope, "gpsconv"), built(scope, "exact")
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        x, edges, batch = batch_of(sizes)
        return float((theirs(x, edges, batch) - ours(x, edges, batch)).abs().max())


def built(scope: str, name: str) -> Any:
    """A module `(x, edge_index, batch) -> x`; same parameter names for the peer and `exact`."""
    import torch
    from torch_geometric.nn import GPSConv
    from torch_geometric.utils import to_dense_batch

    from graphagg.nn.attention import attention

    class Dense(torch.nn.Module):
        """Pad, attend, unpad: the attention part of GPSConv by itself."""

        def __init__(self) -> None:
            super().__init__()
            self.attn = torch.nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True)

        def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
            h, mask = to_dense_batch(x, batch)
            h, _ = self.attn(h, h, h, key_padding_mask=~mask, need_weights=False)
            return h[mask]

    class Ragged(torch.nn.Module):
        """Our attention by itself."""

        def __init__(self) -> None:
            super().__init__()
            self.attn = attention(name, CHANNELS, 1 if name == "sgformer" else HEADS)

        def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
            return self.attn(x, batch, edge_index=edge_index)

    class Layer(GPSConv):
        """GPSConv with our attention in the place of its own."""

        def __init__(self) -> None:
            super().__init__(CHANNELS, None, heads=HEADS)
            self.attn = Ragged().attn

        def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
            h = self.norm2(self.attn(x, batch, edge_index=edge_index) + x)
            return self.norm3(h + self.mlp(h))

    if name in OURS:
        return Layer() if scope == "layer" else Ragged()
    if scope == "attention":
        return Dense()
    kind = "performer" if name == "gpsconv-performer" else "multihead"
    return GPSConv(CHANNELS, None, heads=HEADS, attn_type=kind)


def batch_of(sizes: list[int]) -> tuple[Any, Any, Any]:
    """Features that want a gradient, four random edges a vertex inside its graph, and `batch`."""
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
    """Forward and backward; gradients are dropped first, as an optimizer's step would."""
    layer.zero_grad()
    x.grad = None
    layer(x, edge_index, batch).sum().backward()


if __name__ == "__main__":
    main()
