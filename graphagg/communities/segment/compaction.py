"""Makes an index with a segment the one that a build of all its edges writes, byte for byte.

It goes over files as a build of a large graph does, and goes on like one after a kill; signatures
of sets that were not touched are copied.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import GRAPH_KIND
from graphagg.communities.large import Signer, Unfinished, claim, finish
from graphagg.communities.opened import Opened
from graphagg.graph.large.load import Files
from graphagg.progress import Progress
from graphagg.store import Publication
from graphagg.store.ranges import check_space, forget
from graphagg.store.work import WorkFolder, work_folder

_ROWS = ("vertices.", "elements.", "sets.", "holders.")


def compact(publication: Publication, before: Opened, progress: Progress) -> None:
    """Publish the version without a segment.

    Raises:
        ParametersDiffer: an unfinished job in the work folder is another.
        WriteFailed: the disk has no room for new sketches.
    """
    work = WorkFolder(work_folder(publication.root), progress)
    try:
        claim(work, {"compact": before.artifact.manifest.data}, force=False)
        folder = work.folder / "index"
        folder.mkdir(exist_ok=True)
        config, kind = before.config, GRAPH_KIND[before.config.kind]
        n = len(before.vertices)
        check_space(
            folder,
            n * (2 * config.permutations + 4 * config.bands + 4) + (config.bands << 18),
            f"signatures and tables ({2 * config.permutations} + {4 * config.bands} + 4 bytes for "
            f"each of {n:,} vertices)",
        )
        for name in before.artifact.manifest.files:
            if name.startswith(_ROWS):
                (folder / name).unlink(missing_ok=True)
                (folder / name).hardlink_to(before.artifact.path(name))
        files = Files(folder, kind, config.kind == "directed-in")
        graph = before.graph()
        digest = work.note("digest", graph.digest)
        finish(publication, Unfinished(work, config, files), graph, digest, _signer(before))
    finally:
        work.release()
    work.remove()


def _signer(before: Opened) -> Signer:
    def sign(low: int, high: int) -> Array:
        """Signatures of a range of rows; the pages that were read are given back."""
        signed = before.sketches.of(np.arange(low, high))
        forget(before.sketches.sig)
        return signed

    return sign
