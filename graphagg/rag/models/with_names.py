"""An extractor with a user's list of names, which its settings record in the index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphagg.rag.documents.user_names import ListedName, ListedNames
from graphagg.rag.models.extractor import Annotation, EntityExtractor
from graphagg.rag.models.spec import ModelSpec

_SETTING = "names"


class WithNames:
    """An extractor (`inner`) whose settings record a user's names; they are found like codes."""

    def __init__(self, extractor: EntityExtractor, names: ListedNames) -> None:
        self.inner, spec = extractor, extractor.spec
        digest = hashlib.sha256(f"{spec.sha256} {names.digest} aliases".encode()).hexdigest()
        self.spec = ModelSpec(spec.name, digest, {**spec.settings, _SETTING: names.to_json()})

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield the annotations of the extractor."""
        return self.inner.annotate(texts)


def with_names(extractor: EntityExtractor, names: Any) -> EntityExtractor:
    """Add listed names to an extractor, as `ListedNames.from_source` reads them; None adds none."""
    listed = ListedNames.from_source(names)
    return extractor if listed is None else WithNames(extractor, listed)


def names_of(settings: Mapping[str, Any]) -> ListedNames | None:
    """The names that the settings of an extractor, or its entry of a manifest, record."""
    recorded = settings.get(_SETTING)
    if recorded is None:
        return None
    return ListedNames([ListedName(n["name"], tuple(n["aliases"])) for n in recorded])
