"""Gradient-boosted trees on statistics of each graph: a baseline without message passing."""

from __future__ import annotations

import time

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch_geometric.data import Batch
from torch_geometric.utils import degree, one_hot, scatter

from graphagg.nn.training import GraphData, Shape, Split


def graph_counts(batch: Batch, shape: Shape) -> np.ndarray:
    """Compute statistics of each graph, `[G, columns]`.

    They are counts of edges, of degrees 0 to 7 and 8 or more, and of each category; mean and
    maximum of real features, for vertices and edges.
    """
    count, owner = batch.num_graphs, batch.batch
    of_edges = owner[batch.edge_index[0]]
    degrees = degree(batch.edge_index[1], batch.num_nodes, dtype=torch.int64)
    columns = [
        scatter(torch.ones(len(of_edges), 1), of_edges, 0, count, "sum"),
        scatter(one_hot(degrees.clamp(max=8), 9), owner, 0, count, "sum"),
    ]
    of_vertices = (batch.x, shape.categories, owner)
    for values, categories, rows in (
        of_vertices, (batch.get("edge_attr"), shape.edge_categories, of_edges)
    ):  # fmt: skip
        if values is None:
            continue
        values = values.view(len(rows), -1)
        if not categories:
            columns += [scatter(values, rows, 0, count, how) for how in ("mean", "max")]
        for column, size in enumerate(categories):
            columns.append(scatter(one_hot(values[:, column], size), rows, 0, count, "sum"))
    return torch.cat(columns, dim=1).double().numpy()


def accuracies(data: GraphData, split: Split) -> dict[str, float]:
    """Train trees; return validation and test accuracy, and CPU seconds."""
    began, counts = time.process_time(), {}
    for part in ("train", "val", "test"):
        batch = Batch.from_data_list([data.graphs[i] for i in getattr(split, part).tolist()])
        counts[part] = graph_counts(batch, data.shape("accuracy")), batch.y.view(-1).numpy()
    # The default leaf size, 20, is too large for few graphs.
    least = max(2, min(20, len(split.train) // 20))
    trees = HistGradientBoostingClassifier(random_state=0, min_samples_leaf=least)
    trees.fit(*counts["train"])
    scores = {part: float(trees.score(*counts[part])) for part in ("val", "test")}
    return scores | {"cpu_seconds": round(time.process_time() - began, 2)}
