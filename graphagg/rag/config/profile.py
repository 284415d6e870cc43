"""Profiles: what an index is built for, one name for models, vectors and weights.

| profile | vectors by | names by | stored as | for |
| --- | --- | --- | --- | --- |
| `standard` | the default encoder | the default pipeline | 8-bit integers | most corpora |
| `fast` | a static table | rules | 8-bit integers | many passages, small machines |
| `exact` | the default encoder, in float32 | the default pipeline | float32 | comparisons |

The manifest names the profile; what an encoder or extractor of one's own changes of it is seen
there too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from graphagg.rag.config.multihop import FAST, MultihopConfig

Profile = Literal["standard", "fast", "exact"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
DEFAULT_PROFILE: Profile = "standard"


@dataclass(frozen=True)
class Storage:
    """What a profile decides beside its models.

    Attributes:
        weights: of mode `multihop`, without others.
        packed: whether vectors are stored as 8-bit integers; else as float32.
        inverted: whether a corpus above the limit of exact search gets an inverted file.
    """

    weights: MultihopConfig = field(default_factory=MultihopConfig)
    packed: bool = True
    inverted: bool = True


STORAGE: dict[Profile, Storage] = {
    "standard": Storage(),
    "fast": Storage(FAST, inverted=False),  # its vectors are short enough to be compared one by one
    "exact": Storage(packed=False),
}
