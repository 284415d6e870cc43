"""`train_auto`: trains the four plain models of a task, and selects the best by validation score.

The models are in `graphagg.nn.presets.plain`. Test labels do not influence the selection, and the
rule has no parameter that was tuned on data sets.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphagg.nn.config.model import TaskLevel
from graphagg.nn.files import read_json, write_json
from graphagg.nn.presets.plain import PlainModel, for_epochs, plain_preset
from graphagg.nn.presets.preset import Preset
from graphagg.nn.training.data.dataset import GraphData, check_data
from graphagg.nn.training.data.random_splits import with_splits
from graphagg.nn.training.data.sources import GraphSource
from graphagg.nn.training.folder import RESULTS, RUN, RunFolder
from graphagg.nn.training.results import TrainingResult
from graphagg.nn.training.run import train

ORDER: dict[TaskLevel, tuple[PlainModel, ...]] = {
    "graph": ("gps", "sage", "gcn", "mlp"),
    "node": ("sage", "gcn", "gps", "mlp"),
    "edge": ("sage", "gcn", "mlp"),
}  # on ties, the first model wins
_LARGE = 200_000  # above this number of vertices, only `sage` is trained


def train_auto(
    data: GraphSource,
    out: str | os.PathLike[str],
    *,
    change: Callable[[Preset], Preset] = lambda preset: preset,
    splits: int = 1,
    resume: bool = False,
    force: bool = False,
    **options: Any,
) -> list[TrainingResult]:
    """Train the plain models, an MLP, a GCN, a SAGE and a GPS, and compare validation scores.

    Each model is a run in a separate folder, `out/NAME`. `load_model(out)` loads the best model.
    For a single graph of more than 200,000 vertices only SAGE is trained.

    Args:
        data: as for `train`.
        out: the folder.
        change: changes the preset of each model. If it lowers the number of epochs, learning rate
            and warm-up are adapted, unless `change` sets them.
        splits: number of splits; the best mean validation score over them wins.
        resume: continue the run in `out`.
        force: replace the run in `out`.
        options: `device`, `loggers`, `loss` and `progress` of `train`.

    Returns:
        The results of all models, the best first; `model` is the model's name.

    Raises:
        GraphAggError: the errors of `train`.

    Examples:
        >>> import tempfile, torch
        >>> from dataclasses import replace
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import train_auto
        >>> edges = torch.tensor([[0, 1], [1, 0]])
        >>> graphs = [Data(x=torch.ones(2, 1), edge_index=edges, y=torch.tensor([0]))] * 3
        >>> def short(preset):
        ...     return replace(preset, training=replace(preset.training, epochs=1, warmup_epochs=0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [result.model for result in train_auto(graphs, folder, change=short)]
        ['gps', 'sage', 'gcn', 'mlp']
    """
    training = change(plain_preset("sage", "node")).training
    dataset = check_data(with_splits(data, splits, training.random_state))
    large = dataset.single and _vertices(dataset) > _LARGE
    names: tuple[PlainModel, ...] = ("sage",) if large else ORDER[dataset.level]
    presets = {name: _plain(name, dataset, change) for name in names}
    folder = RunFolder(Path(out), {"auto": list(names)}, resume=resume, force=force)
    folder.begin()
    results = [
        train(
            presets[name], dataset, folder.path / name, name=name, splits=splits,
            resume=(folder.path / name / RUN).exists() and not force, force=force, **options,
        )
        for name in names
    ]  # fmt: skip
    lower = results[0].metric == "mae"
    results.sort(key=lambda result: result.val.mean if lower else -result.val.mean)
    validation = {result.model: result.val.mean for result in results}
    write_json(folder.path / RESULTS, results[0].to_json() | {"auto": validation})
    return results


def winner_folder(run: Path, remedy: str) -> Path:
    """Return the best model's folder if `run` is a folder of `train_auto`, else `run`."""
    if "auto" not in read_json(run / RUN, remedy):
        return run
    return run / Path(str(read_json(run / RESULTS, remedy).get("model"))).name


def _plain(name: PlainModel, data: GraphData, change: Callable[[Preset], Preset]) -> Preset:
    plain = plain_preset(name, data.level, _vertices(data), data.graphs[0].num_node_features)
    brief = for_epochs(plain.training, change(plain).training.epochs)
    return change(replace(plain, training=brief))


def _vertices(data: GraphData) -> int:
    """Return the number of vertices of the largest graph."""
    return max(int(graph.num_nodes or 0) for graph in data.graphs)
