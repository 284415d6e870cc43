"""Profiles: what an index is built for, one name for models, vectors and weights.

| profile | vectors by | names by | stored as | for |
| --- | --- | --- | --- | --- |
| `standard` | the default encoder | the default pipeline | 8-bit integers | most corpora |
| `fast` | a static table | rules | 8-bit integers | many passages, small machines |
| `exact` | the default encoder, in float32 | the default pipeline | float32 | comparisons |

Without spaCy or sentence-transformers, as where only the extra `fast` is installed, `fast` is the
default.
The manifest names the profile, and any other encoder or extractor that was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal, get_args

from graphagg.rag.config.multihop import FAST, MultihopConfig

Profile = Literal["standard", "fast", "exact"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
_OF_STANDARD, _OF_FAST = ("spacy", "sentence_transformers"), ("Stemmer", "tokenizers")


def default_profile() -> Profile:
    """The profile for what is installed: `fast` where only its libraries are, else `standard`."""
    lacks_one = any(find_spec(module) is None for module in _OF_STANDARD)
    return "fast" if lacks_one and all(map(find_spec, _OF_FAST)) else "standard"


DEFAULT_PROFILE = default_profile()


@dataclass(frozen=True)
class Storage:
    """Weights and storage of a profile.

    Attributes:
        weights: settings of mode `multihop` where a question gives none.
        packed: whether vectors are stored as 8-bit integers; else as float32.
    """

    weights: MultihopConfig = field(default_factory=MultihopConfig)
    packed: bool = True


STORAGE: dict[Profile, Storage] = {
    "standard": Storage(),
    "fast": Storage(FAST),
    "exact": Storage(packed=False),
}
