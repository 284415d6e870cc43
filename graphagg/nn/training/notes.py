"""Notes on a run: settings and data that do not fit well but are no error."""

from __future__ import annotations

import torch

from graphagg.nn.config.model import GPSConfig
from graphagg.nn.config.training import Metric
from graphagg.nn.training.data.dataset import GraphData, Shape

_SHOWN = 5
_CLASSES = 10  # so few different whole numbers may be classes


def notes_on(data: GraphData, shape: Shape, metric: Metric, model: GPSConfig | None) -> list[str]:
    """Sentences on features that the model reads otherwise than set, and on unusual labels."""
    notes = [] if model is None else _on_features(shape, model)
    labels = torch.cat([graph[data.labels].view(-1) for graph in data.graphs])
    if metric in ("accuracy", "f1") and data.level != "edge":
        notes += _on_classes(labels[labels >= 0], shape.outputs)
    if metric == "ap" and shape.outputs > 1 and data.level != "edge":
        if bool((labels.view(-1, shape.outputs).sum(1) == 1).all()):
            notes.append(
                f"each row of the {shape.outputs} columns of labels holds a single 1; where they "
                "are classes, number them: y.argmax(1)"
            )
    whole = labels[~labels.isnan()]
    if metric == "mae" and labels.dtype.is_floating_point and bool((whole == whole.round()).all()):
        if len(values := torch.unique(whole)) <= _CLASSES:
            notes.append(
                f"the labels are {len(values)} whole numbers as {labels.dtype}, and are regressed; "
                "where they are classes, make them integers: y.long()"
            )
    return notes


def _on_features(shape: Shape, model: GPSConfig) -> list[str]:
    from graphagg.nn.training.plan import fit_config

    notes, read = [], fit_config(model, shape)
    if model.nodes.width > 1 and model.nodes.width != read.nodes.width:
        notes.append(
            f"model.nodes.width is {model.nodes.width}, but x has {shape.features} real columns; "
            "the model reads all of x"
        )
    columns = shape.edge_features + len(shape.edge_categories)
    if columns and not read.edges.columns:
        notes.append(
            f"edge_attr has {columns} columns that the local part {model.local.name!r} does not "
            "read; gatedgcn and gine do"
        )
    return notes


def _on_classes(labels: torch.Tensor, count: int) -> list[str]:
    """Notes on classes of the known `labels` that occur never or once."""
    sizes, notes = torch.bincount(labels, minlength=count), []
    for size, what in ((0, "never"), (1, "once")):
        rare = (sizes == size).nonzero().flatten().tolist()
        if rare:
            shown = ", ".join(map(str, rare[:_SHOWN])) + (", ..." if len(rare) > _SHOWN else "")
            notes.append(
                f"the labels have {count} classes, 0 to {count - 1}; {len(rare)} of them occur "
                f"{what} ({shown}): number classes without gaps, and look for a stray label"
            )
    return notes
