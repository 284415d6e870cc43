"""Reads a version of an index, and tells whether a build would give the same one."""

from __future__ import annotations

import os

from graphagg.errors import UnsupportedFormat
from graphagg.rag.models.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.version.publish import KIND, REVISION, parameters
from graphagg.rag.version.snapshot import Snapshot
from graphagg.store import Artifact
from graphagg.store.index import current_manifest


def read_snapshot(artifact: Artifact) -> Snapshot:
    """The parts of an opened version; raises `UnsupportedFormat` for another revision."""
    found = artifact.manifest.parameters.get("revision")
    if found != REVISION:
        raise UnsupportedFormat(
            f"{artifact.directory}: a passage index of revision {found}, this graphagg reads "
            f"{REVISION}; build the index again"
        )
    return Snapshot(artifact)


def is_built(
    directory: str | os.PathLike[str],
    digest: str,
    encoder: Encoder | None,
    extractor: EntityExtractor,
) -> bool:
    """Whether building again would give the index that is there."""
    manifest = current_manifest(directory, KIND)
    return (
        manifest is not None
        and manifest.inputs == {"passages": digest}
        and manifest.counts.get("segments") == 1
        and manifest.parameters == parameters(extractor)
        and manifest.models["encoder"] == (encoder or SentenceTransformerEncoder()).spec.to_json()
        and manifest.models["extractor"] == extractor.spec.to_json()
    )
