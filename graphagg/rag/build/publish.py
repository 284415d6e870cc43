"""The recipe of an index, as its manifest records it, and the publication of a build."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.artifact import current_manifest
from graphagg.store.manifest import Manifest

KIND = "passages"
REVISION = 10  # raised when the same corpus and models give another index


@dataclass(frozen=True)
class Recipe:
    """Models and parameters that an index is built by.

    Attributes:
        models: find entities and give vectors.
        chunking: how the passages were split; None: not at all.
        with_linearrag: whether entity names get vectors.
    """

    models: Models
    chunking: ChunkConfig | None
    with_linearrag: bool = False

    def parameters(self) -> dict[str, object]:
        """The parameters that decide an index beside its passages and models, for the manifest."""
        return {
            "revision": REVISION,
            "profile": self.models.profile,
            "language": self.models.language,
            "chunking": None if self.chunking is None else asdict(self.chunking),
            "with_faithful": self.with_linearrag,  # the key of the format
        }

    def is_built(self, directory: str | os.PathLike[str], digest: str) -> bool:
        """Whether building again would give the index that is there.

        Args:
            directory: of the index.
            digest: of the passages.
        """
        manifest = current_manifest(directory, KIND)
        return (
            manifest is not None
            and manifest.inputs == {"passages": digest}
            and manifest.counts.get("segments") == 1
            and manifest.parameters == self.parameters()
            and manifest.models == self.models.to_json()
        )


def write_id_order(writer: ArtifactWriter, by_id: Array, rows: int) -> None:
    """Write which rows are alive, and the order of their ids.

    Args:
        writer: of the version.
        by_id: int32, the rows that are alive, in the order of their ids.
        rows: number of all rows.
    """
    alive, ranks = np.zeros(rows, np.bool_), np.full(rows, -1, np.int32)
    alive[by_id] = True
    ranks[by_id] = np.arange(len(by_id))
    for name, array in (("alive", alive), ("rank", ranks), ("by_id", by_id)):
        writer.array(f"rows.{name}", array)


def publish_build(
    publication: Publication, recipe: Recipe, digest: str, counts: dict[str, int]
) -> Manifest:
    """Publish a version of one segment whose files are written.

    Args:
        publication: where it goes.
        recipe: how it was built.
        digest: of the passages.
        counts: of its parts.
    """
    table = getattr(recipe.models.encoder, "table", None)
    if table is not None:  # of a static encoder: a question needs nothing else
        table.write(publication.writer)
    return publication.publish(
        Manifest(
            kind=KIND,
            parameters=recipe.parameters(),
            inputs={"passages": digest},
            models=recipe.models.to_json(),
            counts=counts | {"segments": 1},
        )
    )
