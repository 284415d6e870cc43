"""Opening a version of an index, and the right to write the next one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from graphagg.errors import ArtifactError, UnsupportedFormat, WriteFailed
from graphagg.rag.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.entities import EntityExtractor
from graphagg.rag.publish import KIND, REVISION, parameters
from graphagg.rag.snapshot import Snapshot
from graphagg.store import Publication, open_artifact, write_artifact


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


@contextmanager
def writing(directory: str | os.PathLike[str]) -> Iterator[Publication]:
    """Write a version; a disk that fills or refuses is a named error."""
    try:
        with write_artifact(directory) as publication:
            yield publication
    except OSError as error:
        raise WriteFailed(
            f"{directory}: {error.strerror or error}; the index that was there is unchanged. Make "
            "room or give another folder, and run it again"
        ) from error


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
