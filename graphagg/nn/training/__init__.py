"""Training of graph models: data, the loop, checkpoints and results.

`TrainingConfig` is all that a preset needs; the rest loads Lightning when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphagg.nn.training.config import TrainingConfig

if TYPE_CHECKING:
    from graphagg.nn.training.data.dataset import GraphData, Shape, Split
    from graphagg.nn.training.data.sources import load_data
    from graphagg.nn.training.results import Score, SplitResult, TrainingResult
    from graphagg.nn.training.run import train
    from graphagg.nn.training.sampling import NeighborSampler

_PLACES = {
    "GraphData": "data.dataset",
    "NeighborSampler": "sampling",
    "Score": "results",
    "Shape": "data.dataset",
    "Split": "data.dataset",
    "SplitResult": "results",
    "TrainingResult": "results",
    "load_data": "data.sources",
    "train": "run",
}

__all__ = [
    "GraphData",
    "NeighborSampler",
    "Score",
    "Shape",
    "Split",
    "SplitResult",
    "TrainingConfig",
    "TrainingResult",
    "load_data",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
