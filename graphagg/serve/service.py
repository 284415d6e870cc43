"""The service of one process: opens indices, loads their models, switches to new versions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from graphagg import __version__
from graphagg.errors import GraphAggError, InvalidParameter, NoSuchIndex
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.rights import CURRENT, check_unfiltered
from graphagg.serve.shared import Metrics, SharedResources

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor
    from graphagg.serve.communities import Communities
    from graphagg.serve.embedding import Embedding
    from graphagg.serve.passages import Passages
    from graphagg.serve.themes import Themes

_log = logging.getLogger("graphagg.serve")

NAMES = {"passages": "passage index", "communities": "community index", "embedding": "embedding"}
"""Kinds of indices and their names."""


@dataclass(frozen=True)
class Sources:
    """The indices to serve: directories, or addresses such as `s3://bucket/idx`.

    `root` is a folder of collections, which can be written to. `encoder` and `extractor` are the
    models that the passage index was built with; None loads them by name. `parts` are more passage
    indices; together with `passages` they answer as one index (`PassageParts`).
    """

    passages: PathLike[str] | None = None
    communities: PathLike[str] | None = None
    embedding: PathLike[str] | None = None
    root: Path | None = None
    parts: tuple[PathLike[str], ...] = ()
    encoder: Encoder | None = field(default=None, compare=False)
    extractor: EntityExtractor | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not (self.passages or self.communities or self.embedding or self.root):
            raise InvalidParameter(
                "no index to serve; give `passages`, `communities`, `embedding` or `root`"
            )


class Service:
    """Opened indices that answer requests; they are opened in milliseconds, without a model.

    `problems` maps a kind of index to the error class of a new version that cannot be opened.

    With `lazy`, the first question that needs a model loads it. Otherwise `prepare` loads models,
    and the constructor checks that they are on this machine (`MissingModel`, `MissingExtra`). A
    collection uses the threads and models (`shared`) of its service.
    """

    def __init__(
        self,
        sources: Sources,
        limits: ServiceLimits | None = None,
        *,
        lazy: bool = True,
        metrics: Metrics | None = None,
        shared: SharedResources | None = None,
    ) -> None:
        self.limits, self.sources = limits or ServiceLimits(), sources
        self._is_collection = shared is not None
        self.metrics = metrics or (shared.metrics if shared else Metrics())
        self.shared = shared or SharedResources(self.limits, self.metrics)
        self.stopping = False
        self.lazy = lazy
        self._loaded = threading.Event()
        self.shared.keep(sources.encoder, sources.extractor)
        self._served = self._open(sources)
        self.problems: dict[str, str] = {}
        for kind, index in self._served.items():
            self._set_label(self.metrics.index, kind, index.version)
        if not lazy and self.has("passages"):
            self.passages.check_models()
        if lazy or not self.has("passages"):
            self._is_ready()

    def _open(self, sources: Sources) -> dict[str, Passages | Communities | Embedding]:
        """Open each index; import only the libraries of its kind."""
        served: dict[str, Passages | Communities | Embedding] = {}
        if sources.passages is not None:
            from graphagg.serve.passages import Passages

            served["passages"] = Passages(
                sources.passages, self.shared, *sources.parts, eager=self._is_collection
            )
        if sources.communities is not None:
            from graphagg.serve.communities import Communities

            served["communities"] = Communities(sources.communities, self.shared)
        if sources.embedding is not None:
            from graphagg.serve.embedding import Embedding

            served["embedding"] = Embedding(sources.embedding, self.shared.pool)
        return served

    @property
    def passages(self) -> Passages:
        """The passage index; it answers from the passages that the request may see."""
        return cast("Passages", self._index("passages"))

    @cached_property
    def themes(self) -> Themes:
        """The themes of the passage index; raises `InvalidParameter` for parts."""
        if self.passages.has_parts:
            raise InvalidParameter(
                "themes and similar items need one index; serve the merged index of all parts"
            )
        from graphagg.serve.themes import Themes

        return Themes(self.passages)

    @property
    def communities(self) -> Communities:
        """The community index; raises `Forbidden` for a request that may see only some passages."""
        check_unfiltered("communities")
        return cast("Communities", self._index("communities"))

    @property
    def embedding(self) -> Embedding:
        """The embedding; raises `Forbidden` for a request that may see only some passages."""
        check_unfiltered("embedding")
        return cast("Embedding", self._index("embedding"))

    def _index(self, kind: str) -> Any:
        if kind not in self._served:
            name = NAMES[kind]
            raise NoSuchIndex(f"this service has no {name}; start it with --{kind} DIR")
        return self._served[kind]

    def has(self, kind: str) -> bool:
        """Return whether an index of a kind is open: `passages`, `communities` or `embedding`."""
        return kind in self._served

    async def info(self, kinds: Collection[str] = tuple(NAMES)) -> dict[str, Any]:
        """Return versions, sizes and limits of the served indices of these kinds."""
        names = "body_bytes", "answer_seconds"
        sees_all = CURRENT.get().filter is None
        indices = {
            kind: await self._served[kind].info()
            if self.has(kind) and kind in kinds and (sees_all or kind == "passages")
            else None
            for kind in NAMES
        }
        has_root = self._is_collection or self.sources.root is not None
        return {
            "version": __version__,
            "limits": {name: getattr(self.limits, name) for name in names},
            "may_write": has_root and CURRENT.get().role == "write",
            "collections": self.sources.root is not None,
            **indices,
        }

    def prepare(self) -> None:
        """Load the models and answer a question, so that the first request is fast too."""
        begin = time.perf_counter()
        if not self.lazy and self.has("passages"):
            self.passages.prepare()
            _log.info("models loaded in %.1f s", time.perf_counter() - begin)
        self._is_ready()

    def _is_ready(self) -> None:
        self._loaded.set()
        self.metrics.ready.set(1)

    @property
    def state(self) -> str:
        """`loading`, `ready` or `stopping`."""
        if self.stopping:
            return "stopping"
        return "ready" if self._loaded.is_set() else "loading"

    def refresh(self) -> None:
        """Switch each index to its published version; keep the old one if that cannot be opened."""
        for kind, index in self._served.items():
            before, reported, problem = index.version, self.problems.get(kind), None
            try:
                if index.refresh():
                    self.metrics.reloads.labels(kind, "done").inc()
                    self._set_label(self.metrics.index, kind, index.version, before)
                    _log.info("%s: serving %s, before %s", kind, index.version, before)
            except (GraphAggError, OSError) as error:
                problem = type(error).__name__
                self.metrics.reloads.labels(kind, "failed").inc()
                if problem != reported:
                    _log.error("%s: the new version cannot be opened: %s", kind, error)
            self._set_label(self.metrics.problem, kind, problem, reported)
            if problem is None:
                self.problems.pop(kind, None)
            else:
                self.problems[kind] = problem

    def _set_label(self, *change: Any) -> None:
        """Set the label of a metric; indices of collections have no labels."""
        if not self._is_collection:
            self.metrics.moved(*change)

    def close(self) -> None:
        """Close the indices; stop the threads unless another service shares them."""
        if not self._is_collection:
            self.shared.close()
        for index in self._served.values():
            index.close()
