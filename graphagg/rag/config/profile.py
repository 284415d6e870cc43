"""Profiles: each name selects the models, vectors and weights of an index.

| profile | vectors by | names by | for |
| --- | --- | --- | --- |
| `standard` | the default encoder | the default pipeline | most corpora |
| `fast` | a static table | rules | many passages, small machines |

The manifest stores the profile, and the encoder or extractor if the user chose another one.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, get_args

from graphagg.errors import MissingExtra
from graphagg.rag.config.multihop import FAST, MultihopConfig

Profile = Literal["standard", "fast"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
DEFAULT_PROFILE: Profile = "standard"
STANDARD_MODULES, FAST_MODULES = ("spacy", "onnxruntime"), ("Stemmer", "tokenizers")


def installed_profile() -> Profile:
    """Return `fast` if only the libraries of that profile are installed, else `standard`."""
    lacks_one = any(find_spec(module) is None for module in STANDARD_MODULES)
    return "fast" if lacks_one and all(map(find_spec, FAST_MODULES)) else "standard"


def need_standard(module: str) -> None:
    """Raise `MissingExtra` if a library of the default profile is not installed."""
    if find_spec(module) is None:
        raise MissingExtra(module, "rag", 'or pass `profile="fast"`, which works without it')


WEIGHTS: dict[Profile, MultihopConfig] = {"standard": MultihopConfig(), "fast": FAST}
"""Default settings of mode `multihop` for each profile."""
CODE_WEIGHTS: dict[Profile, MultihopConfig] = {
    "standard": MultihopConfig().leaning(0.7),
    "fast": FAST.leaning(0.15).without("links").without("coverage"),
}
"""Default settings for a corpus of source code; see docs/decisions/weights-by-corpus.md."""
