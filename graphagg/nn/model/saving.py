"""A model on disk: `config.json` and `model.safetensors`.

The weights contain a copy of the config, so that a weights file next to another model's config is
detected and the differing fields are named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from graphagg.errors import CheckpointMismatch, UnreadableFile
from graphagg.nn.config.model import GPSConfig
from graphagg.nn.files import read_json, safetensors, write_json, write_whole
from graphagg.nn.settings import check_same

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_WANTED = "wanted a folder that GPS.save wrote: save the model again"
_SAME = "load it with the config it was saved with"


def write_model(
    folder: str | os.PathLike[str], config: GPSConfig, weights: Mapping[str, Tensor]
) -> None:
    """Write both files, each atomically, the weights first."""
    save = safetensors().torch.save  # a missing library is reported before anything is written
    plain = config.to_dict()
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    data = save(tensors, metadata={"config": json.dumps(plain)})
    write_whole(Path(folder) / WEIGHTS, lambda partial: partial.write_bytes(data))
    write_json(Path(folder) / CONFIG, plain, indent=2)


def read_config(folder: str | os.PathLike[str]) -> GPSConfig:
    """The config of a saved model; `UnreadableFile` or `InvalidParameter` if there is none."""
    return GPSConfig.from_dict(read_json(Path(folder) / CONFIG, _WANTED))


def read_weights(
    folder: str | os.PathLike[str], config: GPSConfig, weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The weights of a saved model, for a model of `config` with parameters like `weights`.

    Raises `UnreadableFile` for a missing or broken file, and `CheckpointMismatch` if the weights
    belong to another config.
    """
    current = config.to_dict()
    check_same(Path(folder) / CONFIG, read_config(folder).to_dict(), current, _SAME)
    path = Path(folder) / WEIGHTS
    metadata, tensors = _open(path)
    plain = metadata.get("config")
    if plain is None:
        raise CheckpointMismatch(f"{path} names no config; wanted weights that GPS.save wrote")
    check_same(path, GPSConfig.from_dict(json.loads(plain)).to_dict(), current, _SAME)
    for name in [*weights, *tensors]:
        saved_shape = tuple(tensors[name].shape) if name in tensors else "absent"
        right = tuple(weights[name].shape) if name in weights else "absent"
        if saved_shape != right:
            raise CheckpointMismatch(
                f"{path}: {name} is {saved_shape}, wanted {right}; the weights are of another "
                "version of graphagg"
            )
    return tensors


def _open(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    library = safetensors()
    try:
        with library.safe_open(path, framework="pt") as file:
            names = file.keys()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise UnreadableFile(f"{path} does not exist; {_WANTED}") from None
    except (OSError, library.SafetensorError) as error:
        raise UnreadableFile(
            f"{path} is truncated or no safetensors file ({error}); {_WANTED}"
        ) from None
