"""Threads and models that the indices of a process share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from graphagg.serve.limits import ServiceLimits
from graphagg.serve.observe.metrics import Metrics
from graphagg.serve.threads import BoundedThreadPool

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor
    from graphagg.serve.encoding import Batcher


class SharedResources:
    """The threads of a process, and its loaded models by their sha256.

    `loading` is held while a model is loaded that several indices may use.
    """

    def __init__(self, limits: ServiceLimits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.pool = BoundedThreadPool("answers", limits.threads, limits.waiting)
        self.encoders: dict[str, Encoder] = {}
        self.extractors: dict[str, EntityExtractor] = {}
        self._batcher: Batcher | None = None
        self.loading = threading.RLock()

    @property
    def batcher(self) -> Batcher:
        """The one thread that encodes questions."""
        if self._batcher is None:
            from graphagg.serve.encoding import Batcher

            self._batcher = Batcher(
                capacity=self.limits.waiting, observe=self.metrics.batch.observe
            )
        return self._batcher

    def keep(self, encoder: Encoder | None, extractor: EntityExtractor | None) -> None:
        """Let other versions and indices use loaded models."""
        if encoder is not None:
            self.encoders[encoder.spec.sha256] = encoder
        if extractor is not None:
            self.extractors[extractor.spec.sha256] = extractor

    def close(self) -> None:
        """End the threads."""
        self.pool.close()
        if self._batcher is not None:
            self._batcher.close()
