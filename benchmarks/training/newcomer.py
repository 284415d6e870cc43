"""The loop that a newcomer writes: two SAGEConv of PyG, on a file of `whole_runs`.

    python benchmarks/training/newcomer.py FILE.npz mean 100 0    aggregation, epochs, seed

Prints the test accuracy of the last epoch. With `lcm`, the aggregator is graphagg's.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch.nn import functional
from torch_geometric.nn import SAGEConv


def accuracy(path: str, aggregation: str, epochs: int, seed: int) -> float:
    """Train, and measure the last epoch on the test part."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    with np.load(path) as file:
        x, y, edges = (
            torch.from_numpy(file[name]) for name in ("node_features", "node_labels", "edges")
        )
        train, test = (torch.from_numpy(file[f"{name}_masks"][0]) for name in ("train", "test"))
    edges = torch.cat([edges.T, edges.T.flip(0)], dim=1)

    def convolution(width: int, out: int) -> SAGEConv:
        if aggregation != "lcm":
            return SAGEConv(width, out, aggregation)
        from graphagg.nn import LCMAggregation

        return SAGEConv(width, out, LCMAggregation(width, width))

    layers = torch.nn.ModuleList([convolution(x.size(1), 64), convolution(64, int(y.max()) + 1)])
    optimizer = torch.optim.Adam(layers.parameters(), lr=0.01, weight_decay=5e-4)

    def answers() -> torch.Tensor:
        hidden = functional.dropout(layers[0](x, edges).relu(), 0.5, layers.training)
        out: torch.Tensor = layers[1](hidden, edges)
        return out

    for _ in range(epochs):
        layers.train()
        optimizer.zero_grad()
        functional.cross_entropy(answers()[train], y[train]).backward()
        optimizer.step()
    layers.eval()
    with torch.no_grad():
        return float((answers().argmax(1) == y)[test].float().mean())


if __name__ == "__main__":
    print(accuracy(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
