"""Tasks on sets, after arXiv 2212.08541: training on small sets, test on large sets.

    python -m benchmarks.learning.sets_tasks --out FILE.json --plot FILE.png
    python -m benchmarks.learning.sets_tasks --out FILE.json --task second-minimum --seed 0

A training set has 2 to 16 integers of 8 bits, with repetitions. Half of the sets are uniform; the
values of the other half are concentrated near 0 (u^k, k from 1 to 5), like the smallest values of
a large set. Each aggregator is used between the same encoder and head, and sees the same number of
fresh sets in the same order. Only LCM can be trained to be associative: it gets its associativity
loss on sampled elements and aggregates, and each training set is cut at random positions; the
parts are aggregated first, then their results. Test sets are uniform, have 4 to 200 elements and
are not cut; the metric is the share of answers with all bits right. Finished runs are stored in the
JSON file and not repeated.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import cost
from benchmarks.report import Report
from benchmarks.training import kept
from graphagg.nn.aggr import LCMAggregation, make_aggregation

BITS = 8
SIZES = (4, 8, 16, 32, 64, 100, 200)
TIMED = (8, 16, 32, 64, 128, 256, 512, 1024)
AGGREGATORS = ("sum", "max", "mean", "pna", "gru", "lcm")


@dataclass(frozen=True)
class Settings:
    """Settings of one run. The learning rate rises for a tenth of the steps and falls to 0.

    `steps` None: the default of the task. Only LCM uses `associativity` and `cut`.
    """

    width: int = 64
    batch: int = 256
    steps: int | None = None
    rate: float = 5e-3
    associativity: float = 0.3
    cut: float = 0.5
    tested: int = 1000


def second_minimum(values: Tensor, there: Tensor) -> Tensor:
    return values.masked_fill(~there, 1 << BITS).sort(1).values[:, 1]


def times_of_minimum(values: Tensor, there: Tensor) -> Tensor:
    """Count how often the minimum of the upper four bits occurs; 3 stands for 3 or more."""
    upper = (values >> 4).masked_fill(~there, 1 << BITS)
    return (upper == upper.min(1, keepdim=True).values).sum(1).clamp(max=3)


TASKS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "second-minimum": second_minimum,
    "times-of-minimum": times_of_minimum,
}
STEPS = {"second-minimum": 12_000, "times-of-minimum": 2_400}


def to_bits(values: Tensor) -> Tensor:
    return (values.unsqueeze(-1) >> torch.arange(BITS)) & 1


def from_bits(bits: Tensor) -> Tensor:
    return (bits.long() << torch.arange(BITS)).sum(-1)


@dataclass(frozen=True)
class Sets:
    """Concatenated values of all sets, the offset of each set, and the answers."""

    values: Tensor
    ptr: Tensor
    answers: Tensor


def draw(task: str, count: int, sizes: tuple[int, int], crowded: float, seed: int) -> Sets:
    """Draw sets of `sizes` elements; in a share `crowded` of them values are near 0."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    size = torch.randint(sizes[0], sizes[1] + 1, (count,), generator=generator)
    there = torch.arange(int(size.max())) < size.unsqueeze(1)
    power = torch.where(uniform(count, 1) < crowded, 1.0 + 4.0 * uniform(count, 1) ** 2, 1.0)
    values = (uniform(*there.shape) ** power * (1 << BITS)).long().clamp(max=(1 << BITS) - 1)
    ptr = torch.cat([size.new_zeros(1), size.cumsum(0)])
    return Sets(values[there], ptr, TASKS[task](values, there))


class Recurrent(nn.Module):
    """The last state of a GRU over each set: the aggregator that the paper compares with.

    PyG's `GRUAggregation` returns the state after the padding of a batch instead.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width)

    def forward(self, x: Tensor, ptr: Tensor) -> Tensor:
        """Aggregate rows `[N, width]` of nonempty sets with offsets `ptr` to `[S, width]`."""
        rows = x.split(ptr.diff().tolist())
        last: Tensor = self.gru(nn.utils.rnn.pack_sequence(rows, enforce_sorted=False))[1][0]
        return last


def aggregator(name: str, width: int) -> nn.Module:
    if name == "lcm":
        return LCMAggregation(width, width, project=False, operator="gru", order="given")
    return Recurrent(width) if name == "gru" else make_aggregation(name, width)


class SetModel(nn.Module):
    """Maps the bits of integers to the bits of the answer: perceptron, aggregator, perceptron."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.encoder = perceptron(BITS, width, width)
        self.aggregator = aggregator(name, width)
        self.head = perceptron(width, width, BITS)
        self.cut = settings.cut if isinstance(self.aggregator, LCMAggregation) else 0.0

    def forward(self, sets: Sets) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of the bits, the aggregates, and the encoded elements."""
        rows = self.encoder(2.0 * to_bits(sets.values) - 1.0)
        elements, ptr = rows, sets.ptr
        if self.training and self.cut:
            begins = torch.rand(len(rows) + 1) < self.cut
            begins[ptr] = True
            cuts = begins.nonzero().view(-1)
            elements, ptr = self.aggregator(rows, ptr=cuts), torch.searchsorted(cuts, ptr)
        aggregates = self.aggregator(elements, ptr=ptr)
        return self.head(aggregates), aggregates, rows

    def associativity(self, aggregates: Tensor, rows: Tensor) -> Tensor | float:
        """Return LCM's loss on as many elements as aggregates; 0 for other aggregators."""
        if not isinstance(self.aggregator, LCMAggregation):
            return 0.0
        some = rows[torch.randint(len(rows), (len(aggregates),))]
        return self.aggregator.monoid_losses(torch.cat([some, aggregates]), 128).associativity


def perceptron(columns: int, width: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(columns, 2 * width), nn.ReLU(), nn.Linear(2 * width, outputs))


def train(task: str, name: str, seed: int, settings: Settings) -> dict[str, Any]:
    """Train one model; return its accuracy by size, and its cost."""
    torch.manual_seed(seed)
    steps = settings.steps or STEPS[task]
    model = SetModel(name, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.rate, total_steps=steps, pct_start=0.1
    )
    began = time.process_time()
    for step in range(steps):
        sets = draw(task, settings.batch, (2, 16), 0.5, 1_000_003 * seed + step)
        logits, aggregates, rows = model(sets)
        target = to_bits(sets.answers).float()
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
        total = loss + settings.associativity * model.associativity(aggregates, rows)
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - began
    model.eval()
    accuracy = {n: test(model, task, n, seed, settings.tested) for n in SIZES}
    return {
        "accuracy": accuracy,
        "cpu_seconds": round(seconds, 1),
        "loss": round(loss.item(), 4),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": steps,
    }


@torch.no_grad()
def test(model: SetModel, task: str, size: int, seed: int, count: int) -> float:
    sets = draw(task, count, (size, size), 0.0, -1 - seed)
    right = from_bits(model(sets)[0] > 0) == sets.answers
    return float(right.float().mean())


test.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it


def time_by_size(name: str, width: int = 64, sets: int = 16) -> dict[int, float]:
    """Measure CPU seconds of forward and backward for `sets` sets of each size: best of five.

    Unlike wall time, CPU time of the thread is comparable on a busy core too.
    """
    module = aggregator(name, width)
    seconds = {}
    for size in TIMED:
        x = torch.randn(sets * size, width, requires_grad=True)
        ptr = torch.arange(0, sets * size + 1, size)
        step = lambda x=x, ptr=ptr: module(x, ptr=ptr).sum().backward()  # noqa: E731
        spent = [cost(step, time.thread_time).cpu for _ in range(6)]
        seconds[size] = min(spent[1:])
    return seconds


def run_all(
    out: Path, tasks: list[str], names: list[str], seeds: list[int], settings: Settings
) -> dict[str, Any]:
    """Run what is missing in the file `out`, and return its whole content."""
    for task, seed, name in product(tasks, seeds, names):
        key = f"{task}/{name}/{seed}"
        if key not in read(out)["runs"]:
            figures = train(task, name, seed, settings) | {"settings": asdict(settings)}
            print(key, figures, flush=True)
            held = read(out)  # again: other processes may have added seeds
            held["runs"][key] = figures
            kept.write(out, held)
    return read(out)


def read(out: Path) -> dict[str, Any]:
    return kept.read(out) if out.exists() else {"runs": {}}


def table(held: dict[str, Any], task: str) -> list[list[str]]:
    """Return one row per aggregator: percent right by size, mean and deviation over seeds."""
    rows = []
    for name in AGGREGATORS:
        runs = [r for key, r in held["runs"].items() if key.startswith(f"{task}/{name}/")]
        if not runs:
            continue
        row = [name]
        for size in SIZES:
            shares = [100.0 * run["accuracy"][str(size)] for run in runs]
            spread = statistics.stdev(shares) if len(shares) > 1 else 0.0
            row.append(f"{statistics.mean(shares):.1f} ± {spread:.1f}")
        row.append(f"{statistics.mean(run['cpu_seconds'] for run in runs):.0f}")
        rows.append(row)
    return rows


Seconds = dict[str, dict[int, float]]


def write_tables(report: Report, held: dict[str, Any], seconds: Seconds) -> None:
    for task in TASKS:
        rows = table(held, task)
        if rows:
            report.heading(f"Sets: {task}, percent right by size of the set (trained on 2 to 16)")
            report.table(["", *map(str, SIZES), "CPU s"], rows)
    report.heading("Sets: CPU time of 16 sets, forward and backward, by size")
    rows = [[n, *(f"{1000 * s:.1f} ms" for s in by.values())] for n, by in seconds.items()]
    report.table(["", *map(str, TIMED)], rows)


def plot(held: dict[str, Any], seconds: Seconds, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tasks = [task for task in TASKS if table(held, task)]
    figure, axes = pyplot.subplots(1, len(tasks) + 1, figsize=(4 * len(tasks) + 4, 3.4))
    colors = {name: f"C{number}" for number, name in enumerate(AGGREGATORS)}
    for axis, task in zip(axes, tasks, strict=False):
        for row in table(held, task):
            means = [float(cell.split()[0]) for cell in row[1:-1]]
            axis.plot(SIZES, means, marker="o", markersize=3, label=row[0], color=colors[row[0]])
        axis.axvspan(2, 16, color="0.92")
        axis.set(xscale="log", ylim=(-3, 103), xlabel="elements", title=task)
        axis.set_xticks(SIZES, [str(size) for size in SIZES])
        axis.minorticks_off()
    axes[0].set_ylabel("percent right")
    axes[0].legend(fontsize=8)
    for name, by in seconds.items():
        axes[-1].plot(list(by), [1000 * s for s in by.values()], label=name, color=colors[name])
    axes[-1].set(xscale="log", yscale="log", xlabel="elements", title="CPU ms of 16 sets")
    axes[-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def run(report: Report) -> None:
    """Run all tasks for the common report."""
    report.folder.mkdir(parents=True, exist_ok=True)
    out = report.folder / "set-tasks.json"
    held = run_all(out, list(TASKS), list(AGGREGATORS), [0, 1, 2], Settings())
    seconds = {name: time_by_size(name) for name in ("gru", "lcm")}
    write_tables(report, held, seconds)
    plot(held, seconds, report.folder / "set-tasks.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench/set-tasks.json"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--aggregator", choices=AGGREGATORS, action="append")
    parser.add_argument("--seed", type=int, action="append")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    held = run_all(
        chosen.out,
        chosen.task or list(TASKS),
        chosen.aggregator or list(AGGREGATORS),
        [0, 1, 2] if chosen.seed is None else chosen.seed,
        Settings(),
    )
    report = Report(chosen.out.parent)
    seconds = {name: time_by_size(name) for name in ("gru", "lcm")}
    write_tables(report, held, seconds)
    if chosen.plot:
        plot(held, seconds, chosen.plot)


if __name__ == "__main__":
    main()
