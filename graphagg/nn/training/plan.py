"""Plan of a run: a preset, a config or a custom model, with training settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from graphagg.errors import InvalidDataset, InvalidParameter
from graphagg.nn.config.model import FeatureConfig, GPSConfig, TaskLevel
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.presets import Preset, get_preset
from graphagg.nn.training.data.dataset import Shape

ModelMaker: TypeAlias = Callable[[Shape], torch.nn.Module]


@dataclass(frozen=True)
class TrainingPlan:
    """A model to train, and its training settings.

    `build` creates a model with new weights for data of a given shape; its `forward` takes a `Data`
    or batch and returns one row per prediction. `model` has the GPS settings before they are fitted
    to the data; None for a custom model.
    """

    name: str
    training: TrainingConfig
    build: ModelMaker
    model: GPSConfig | None = None

    def settings(self, shape: Shape) -> dict[str, Any]:
        """Return plain values that identify the model."""
        if self.model is None:
            return {"name": self.name}
        return {"name": self.name, **fit_config(self.model, shape).to_dict()}


def transform_for(config: GPSConfig | None) -> Callable[[Data], Data] | None:
    """Return the transform that writes the encodings of a model; None without encodings."""
    from graphagg.nn.model.encoding import encoding_transforms

    transforms = () if config is None else encoding_transforms(config)
    return Compose(list(transforms)) if transforms else None


def make_plan(
    model: str | Preset | GPSConfig | ModelMaker,
    training: TrainingConfig | None = None,
    name: str | None = None,
) -> TrainingPlan:
    """Make a plan from a preset or its name, a config, or a callable from `Shape` to model.

    The preset provides the default settings and name. Raises `UnknownPreset`, or `InvalidParameter`
    for other types.
    """
    if isinstance(model, str):
        return make_plan(get_preset(model), training, name or model)
    if isinstance(model, Preset):
        return make_plan(model.model, training or model.training, name)
    training = training or TrainingConfig()
    if isinstance(model, GPSConfig):
        return TrainingPlan(name or "gps", training, partial(_build, model), model)
    if not callable(model) or isinstance(model, torch.nn.Module):
        raise InvalidParameter(
            f"model is {type(model).__name__}, expected a preset, a GPSConfig, or a callable that "
            "takes the data's Shape and returns a torch module: each split begins with a new one"
        )
    own_name = str(getattr(model, "__name__", type(model).__name__))
    return TrainingPlan(name or own_name, training, model)


def _build(config: GPSConfig, shape: Shape) -> torch.nn.Module:
    from graphagg.nn.model.network import GPS

    return GPS(fit_config(config, shape))


def check_task(config: GPSConfig, level: TaskLevel) -> None:
    """Raise `InvalidDataset` if the model's task does not match the labels of the data."""
    if config.head.task != level:
        raise InvalidDataset(
            f"the model predicts per {config.head.task}, but the data have labels per {level}; set "
            "model.head.task, or use another preset or train_auto"
        )


def fit_config(config: GPSConfig, shape: Shape) -> GPSConfig:
    """Return the config with its widths set to those of the data.

    A vocabulary that already covers the categories of the data does not change (presets cover their
    whole benchmark), nor do constant features. Edge features are used if the data have them and the
    local part can read them. Raises `InvalidDataset` if the model has a different task.
    """
    check_task(config, shape.level)
    nodes = _features(config.nodes, shape.categories, shape.features)
    edges = config.edges
    if config.local.name not in _READS_EDGES:
        edges = FeatureConfig()
    elif shape.edge_categories or shape.edge_features:
        edges = _features(edges, shape.edge_categories, shape.edge_features)
    elif edges.columns:
        edges = FeatureConfig()
    head = config.head
    if head.kind == "dot" and shape.outputs != 1:
        raise InvalidDataset(
            f"the model's head 'dot' returns one number per pair, but there are {shape.outputs} "
            "classes; set training.metric to roc-auc or ap, or model.head.kind to mlp"
        )
    if head.width != shape.outputs:
        head = replace(head, shape=(shape.outputs,))
    return replace(config, nodes=nodes, edges=edges, head=head)


_READS_EDGES = ("gatedgcn", "gine")


def _features(config: FeatureConfig, categories: tuple[int, ...], width: int) -> FeatureConfig:
    vocabulary = config.vocabulary
    holds = len(vocabulary) == len(categories) and all(
        least <= size for least, size in zip(categories, vocabulary, strict=True)
    )
    if config.constant or (holds and config.width == width):
        return config
    return replace(config, vocabulary=categories, width=width)
