"""The weights of `best` that an index brings, as a file of a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from graphagg.errors import CorruptArtifact, InvalidParameter
from graphagg.rag.best.formula import BestConfig, LinkWeights, PassageWeights
from graphagg.store import Artifact
from graphagg.store.manifest import canonical_json

WEIGHTS_FILE = "weights.json"
TUNED = {"weights": "tuned"}
"""What the parameters of a version with weights of its own hold beside the others."""


def weights_json(weights: BestConfig) -> bytes:
    """The content of the file: equal weights give equal bytes.

    Raises:
        InvalidParameter: they are no `BestConfig`, or a weight is not finite.
    """
    if not isinstance(weights, BestConfig):
        raise InvalidParameter(f"weights is a {type(weights).__name__}, wanted a BestConfig")
    try:
        json.dumps(asdict(weights), allow_nan=False)
    except ValueError:
        raise InvalidParameter(f"weights are {weights}, wanted finite numbers") from None
    return canonical_json(asdict(weights))


def read_weights(artifact: Artifact) -> BestConfig | None:
    """The weights of a version; None where it has none of its own.

    Raises:
        CorruptArtifact: the file does not hold weights.
    """
    if WEIGHTS_FILE not in artifact:
        return None
    path = artifact.path(WEIGHTS_FILE)
    try:
        return _from_json(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, AttributeError, InvalidParameter) as error:
        raise CorruptArtifact(
            f"{path}: no weights of mode best ({error}); build the index again"
        ) from None


def _from_json(raw: Mapping[str, Any]) -> BestConfig:
    link: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in raw["link"].items()
    }
    groups = {"passage": PassageWeights(**raw["passage"]), "link": LinkWeights(**link)}
    return BestConfig(**{**raw, **groups})
