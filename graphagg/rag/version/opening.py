"""Opening a version of an index, and the right to write the next one."""

from __future__ import annotations

import os

from graphagg.errors import ArtifactError, UnsupportedFormat
from graphagg.rag.models.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.version.publish import KIND, REVISION, parameters
from graphagg.rag.version.snapshot import Snapshot
from graphagg.store import open_artifact


def open_snapshot(directory: str | os.PathLike[str], *, verify: bool = False) -> Snapshot:
    """Open the current version; raises as `store.open_artifact` does."""
    artifact = open_artifact(directory, kind=KIND, verify=verify)
    try:
        found, wanted = artifact.manifest.parameters.get("revision"), REVISION
        if found != wanted:
            raise UnsupportedFormat(
                f"{directory}: a passage index of revision {found}, this graphagg reads {wanted}; "
                "build the index again"
            )
        return Snapshot(artifact)
    except BaseException:
        artifact.close()
        raise


def is_built(
    directory: str | os.PathLike[str],
    digest: str,
    encoder: Encoder | None,
    extractor: EntityExtractor,
) -> bool:
    """Whether building again would give the index that is there."""
    try:
        with open_artifact(directory, kind=KIND) as artifact:
            manifest = artifact.manifest
    except ArtifactError:
        return False
    return (
        manifest.inputs == {"passages": digest}
        and manifest.counts.get("segments") == 1
        and manifest.parameters == parameters(extractor)
        and manifest.models["encoder"] == (encoder or SentenceTransformerEncoder()).spec.to_json()
        and manifest.models["extractor"] == extractor.spec.to_json()
    )
