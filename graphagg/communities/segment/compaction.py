"""Makes an index with a segment the one that a build of all its edges writes, byte for byte.

It goes over files as a build of a large graph does, and goes on like one after a kill; signatures
of sets that were not touched are copied.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import GRAPH_KIND
from graphagg.communities.large import Signer, Unfinished, claim, finish
from graphagg.communities.opened import Opened
from graphagg.communities.segment.grown import Entries, Numbering, write_grown
from graphagg.graph.added import GrownRows
from graphagg.graph.graph import ReadReport
from graphagg.graph.large.load import Files
from graphagg.progress import Progress
from graphagg.store import Publication
from graphagg.store.paging import will_need
from graphagg.store.ranges import check_space, forget
from graphagg.store.work import WorkFolder, work_folder

_IDS = ("vertices.", "elements.")


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
        n, grown = len(before.vertices), _grown_rows(before)
        merged = sum(8 * len(rows.indptr) + 4 * int(rows.indptr[-1]) for rows in grown.values())
        check_space(
            folder,
            n * (2 * config.permutations + 4 * config.bands + 4) + (config.bands << 18) + merged,
            f"signatures and tables ({2 * config.permutations} + {4 * config.bands} + 4 bytes for "
            f"each of {n:,} vertices) and merged rows ({merged:,} bytes)",
        )
        files = Files(folder, kind, config.kind == "directed-in")
        for name, rows in grown.items():
            work.stage(name, partial(_write_rows, work, before, files, name, rows))
        for name in before.artifact.manifest.files:
            if name.startswith(_IDS) or (name.startswith(files.names) and not grown):
                (folder / name).unlink(missing_ok=True)
                (folder / name).hardlink_to(before.artifact.path(name))
        graph = files.graph(ReadReport())
        digest = work.note("digest", graph.digest)
        finish(publication, Unfinished(work, config, files), graph, digest, _signer(before))
    finally:
        work.release()
    work.remove()


def _grown_rows(before: Opened) -> dict[str, GrownRows]:
    """The rows that lie apart from what was added to them, by name; all or none."""
    rows = {"sets": before.hoods.sets, "holders": before.hoods.holders}
    if before.config.kind == "undirected":
        rows.pop("holders")
    return {name: each for name, each in rows.items() if isinstance(each, GrownRows)}


def _write_rows(work: WorkFolder, before: Opened, files: Files, name: str, rows: GrownRows) -> None:
    """Write rows with what was added to them."""
    same = Numbering.same(before.vertices if name == "sets" else before.elements)
    paths = files.path(f"{name}.indptr"), files.path(f"{name}.indices")
    write_grown(rows.base, Entries(*rows.added[:3]), same, same, paths, work.step(name))


def _signer(before: Opened) -> Signer:
    def sign(low: int, high: int) -> Array:
        """Signatures of a range of rows; the pages that were read are given back."""
        will_need(before.sketches.sig[low:high])
        signed = before.sketches.of(np.arange(low, high))
        forget(before.sketches.sig)
        return signed

    return sign
