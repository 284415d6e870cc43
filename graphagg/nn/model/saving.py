"""A model on disk: `config.json` and `model.safetensors`.

The weights contain a copy of the config. If the weights and the config come from different models,
an error lists the fields that differ.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from graphagg.errors import CheckpointMismatch, InvalidParameter
from graphagg.nn.config.model import GPSConfig
from graphagg.nn.files import read_json, read_tensors, write_json, write_tensors
from graphagg.nn.settings import check_same

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_WANTED = "expected a folder that GPS.save wrote: save the model again"


def write_model(
    folder: str | os.PathLike[str], config: GPSConfig, weights: Mapping[str, Tensor]
) -> None:
    """Write both files, each atomically, the weights first."""
    plain = config.to_dict()
    write_tensors(Path(folder) / WEIGHTS, weights, {"config": json.dumps(plain)})
    write_json(Path(folder) / CONFIG, plain, indent=2)


def read_config(folder: str | os.PathLike[str]) -> GPSConfig:
    """Read a saved model's config; raise `UnreadableFile` or `InvalidParameter` without one."""
    return GPSConfig.from_dict(read_json(Path(folder) / CONFIG, _WANTED))


def read_weights(
    folder: str | os.PathLike[str], config: GPSConfig
) -> tuple[dict[str, Tensor], Path]:
    """Read the weights of a saved model with this `config`; also return their file.

    Raises `UnreadableFile` for a missing or broken file, and `CheckpointMismatch` if the weights
    belong to another config.
    """
    path = Path(folder) / WEIGHTS
    metadata, tensors = read_tensors(path, _WANTED)
    try:
        saved = GPSConfig.from_dict(json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError, RecursionError, InvalidParameter) as error:
        raise CheckpointMismatch(f"{path} has no config ({error}); {_WANTED}") from None
    check_same(path, saved.to_dict(), config.to_dict(), _WANTED)
    numbers = sum(value.numel() for value in tensors.values())
    if config.fewest_weights > numbers:
        raise CheckpointMismatch(
            f"{path} holds {numbers:,} numbers, but its config describes at least "
            f"{config.fewest_weights:,}; {_WANTED}"
        )
    return tensors, path


def check_shapes(path: Path, tensors: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointMismatch` unless names and shapes of the tensors match `weights`."""
    for name in [*weights, *tensors]:
        saved_shape = tuple(tensors[name].shape) if name in tensors else "absent"
        right = tuple(weights[name].shape) if name in weights else "absent"
        if saved_shape != right:
            raise CheckpointMismatch(
                f"{path}: {name} is {saved_shape}, expected {right}; the weights are of another "
                "version of graphagg"
            )
