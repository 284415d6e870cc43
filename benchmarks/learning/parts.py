"""Where the time of a GPS layer goes: CPU milliseconds of a step, part by part.

    python -m benchmarks.learning.parts

One graph with ten edges per vertex, width 64, GCN as the local part, dropout .5, as the plain model
`gps` has it: exact attention up to 1,000 vertices, Performer above. Forward and backward in
training, and the forward pass of an evaluation; one thread, medians of seven.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from graphagg.nn import AttentionConfig, GPSLayer, LayerOptions, Segments
from graphagg.nn.presets.plain import EXACT_UP_TO

WIDTH, SIZES, ROUNDS = 64, (300, 1000, 2000, 10_000), 7


def milliseconds(step: Callable[[], object]) -> float:
    step()
    times = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        step()
        times.append(1000 * (time.thread_time() - began))
    return statistics.median(times)


def trained(step: Callable[[], Tensor]) -> float:
    return milliseconds(lambda: step().sum().backward())


def row(vertices: int) -> list[float]:
    torch.manual_seed(0)
    there = torch.randint(0, vertices, (2, 5 * vertices))
    edges = torch.cat([there, there.flip(0)], dim=1)
    x = torch.randn(vertices, WIDTH, requires_grad=True)
    graphs = Segments.from_ptr(torch.tensor([0, vertices]), vertices)
    kind = "exact" if vertices <= EXACT_UP_TO else "performer"
    options = LayerOptions("none", dropout=0.5)
    layer = GPSLayer(WIDTH, "gcn", AttentionConfig(kind, dropout=0.5), layer=options)
    local, attention, forward = layer.local, layer.attention, layer.feedforward
    assert local is not None and attention is not None and forward is not None
    times = [
        trained(lambda: layer(x, edges, segments=graphs)[0]),
        trained(lambda: local(x, edges)[0]),
        trained(lambda: attention(x, segments=graphs)),
        trained(lambda: forward(x)),
        2 * trained(lambda: layer.dropout(x)),  # after each of the two branches
    ]
    layer.eval()
    with torch.no_grad():
        return [*times, milliseconds(lambda: layer(x, edges, segments=graphs))]


def main() -> None:
    torch.set_num_threads(1)
    print("| vertices | layer | local | attention | feed-forward | dropout | evaluation |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for vertices in SIZES:
        cells = " | ".join(f"{value:.1f}" for value in row(vertices))
        print(f"| {vertices:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
