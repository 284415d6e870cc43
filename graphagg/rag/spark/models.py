"""The models on executors: each worker process loads them once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

from graphagg.rag.models.named import Models


class ModelLoader(Protocol):
    """Loads the models; pickled to the executors, equal loaders load the same."""

    def load(self) -> Models:
        """Encoder and extractor, for one process."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class GivenModels:
    """Models that the caller holds, sent to the executors; equal where they are called the same.

    Attributes:
        models: encoder, extractor and the rest.
    """

    models: Models

    def load(self) -> Models:
        """Encoder and extractor, for one process."""
        return self.models

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GivenModels) and self._named() == other._named()

    def __hash__(self) -> int:
        return hash(self._named())

    def _named(self) -> str:
        models = self.models
        return json.dumps([models.to_json(), models.given, models.profile], sort_keys=True)


_LOADED: dict[ModelLoader, Models] = {}


def loaded(loader: ModelLoader) -> Models:
    """The models of this process."""
    if loader not in _LOADED:
        _LOADED.clear()
        _LOADED[loader] = loader.load()
    return _LOADED[loader]
