"""One opened version of a passage index, with its models."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.rag.build.opening import IndexModels
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.store import Artifact


@dataclass(frozen=True)
class Version:
    """One version of an index, and the models that it was built with."""

    snapshot: Snapshot
    models: IndexModels

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self.snapshot.artifact
