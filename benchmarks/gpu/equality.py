"""Each device path beside the CPU, without a test runner: the largest difference and its limit."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from graphagg.nn.aggr import LCMAggregation
from graphagg.nn.attention import ATTENTIONS
from graphagg.nn.gps import GPSLayer

SIZES = [3, 0, 1, 200, 130, 7, 23]
WIDTH = 64
# Of values around 1: sums of some hundred products in another order, or in 8 bits of mantissa.
LIMITS = {torch.float32: 2e-3, torch.bfloat16: 0.15}
Call = Callable[[Any, Tensor, Tensor, Tensor], Tensor]


def rows(device: str) -> Iterator[dict[str, Any]]:
    """A row a module and type: forward and the gradient of the input."""
    for name, (make, call) in cases().items():
        for kind, limit in LIMITS.items():
            found: dict[str, Any] = {"what": name, "type": str(kind).removeprefix("torch.")}
            try:
                gap = difference(make, call, device, kind)
                found |= {"largest difference": f"{gap:.1e}", "limit": limit, "equal": gap <= limit}
            except Exception as error:  # a path that fails is what is looked for
                found |= {"equal": False, "failed": f"{type(error).__name__}: {error}"[:200]}
            yield found


def cases() -> dict[str, tuple[Callable[[], torch.nn.Module], Call]]:
    """Module and call by name."""

    def attend(module: Any, x: Tensor, ptr: Tensor, edges: Tensor) -> Tensor:
        out: Tensor = module(x, ptr=ptr)
        return out

    def fold(module: Any, x: Tensor, ptr: Tensor, edges: Tensor) -> Tensor:
        out: Tensor = module(x, ptr=ptr)
        return out

    def layer(module: Any, x: Tensor, ptr: Tensor, edges: Tensor) -> Tensor:
        out: Tensor = module(x, edges, ptr=ptr)[0]
        return out

    names = ("exact", "performer")
    found: dict[str, tuple[Callable[[], torch.nn.Module], Call]] = {
        f"attention {name}": (lambda name=name: ATTENTIONS[name](WIDTH, 4), attend)  # type: ignore[misc]
        for name in names
    }
    found["LCM"] = (lambda: LCMAggregation(WIDTH, WIDTH), fold)
    found["GPS layer, GatedGCN"] = (lambda: GPSLayer(WIDTH, "gatedgcn", "exact"), layer)
    found["GPS layer, GINE"] = (lambda: GPSLayer(WIDTH, "gine", "exact"), layer)
    return found


def difference(
    make: Callable[[], torch.nn.Module], call: Call, device: str, kind: torch.dtype
) -> float:
    """The largest difference to the CPU's float32, of output and gradient."""
    torch.manual_seed(0)
    module = make().eval()
    x, ptr, edges = batch()
    results = []
    for where, dtype in (("cpu", torch.float32), (device, kind)):
        moved = copy.deepcopy(module).to(where, dtype)
        rows = x.detach().clone().to(where, dtype).requires_grad_()
        out = call(moved, rows, ptr.to(where), edges.to(where))
        out.float().mean(1).sum().backward()
        assert rows.grad is not None
        results.append([t.detach().float().cpu() for t in (out, rows.grad)])
    return max(float((a - b).abs().max()) for a, b in zip(*results, strict=True))


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Rows, offsets and edges of graphs of uneven sizes, one of them empty."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor(SIZES)
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    x = torch.randn(int(ptr[-1]), WIDTH, generator=generator)
    owner = torch.repeat_interleave(torch.arange(len(SIZES)), sizes)
    source = torch.arange(len(x)).repeat(3)
    drawn = torch.rand(len(source), generator=generator)
    target = ptr[owner[source]] + (drawn * sizes[owner[source]]).long()
    return x, ptr, torch.stack([source, target])


def marked_tests(device: str) -> Iterator[dict[str, Any]]:
    """The outcome of `pytest -m gpu`, one row; on the CPU those tests have nothing to do."""
    if device == "cpu":
        yield {"tests": "left out on the CPU: their CPU twins run in make test"}
        return
    files = ("tests/unit/nn", "tests/unit/test_gpu.py")
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    yield {"tests": (done.stdout.strip().splitlines() or ["no output"])[-1], "failed": lines}
