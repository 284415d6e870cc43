"""Build an index in this process, block by block; memory does not grow with the corpus.

`Recipe` holds what the manifest records about a build, in this process or with Spark.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks, MemoryBlocks
from graphagg.execution.runner import InProcessRunner, Stats
from graphagg.progress import Progress, silent
from graphagg.rag.config.limits import DEFAULT_LIMITS, BuildLimits
from graphagg.rag.corpus.versions import write_families
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.passages import corpus_digest
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.indexing.arrays import SEGMENT_STAGE, BuildArrays
from graphagg.rag.indexing.block import block_of
from graphagg.rag.indexing.engine import TableStages
from graphagg.rag.indexing.passage_files import PassageFiles, write_id_order, write_text_order
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.snapshot.snapshot import KIND, REVISION
from graphagg.rag.tables.segments import (
    PassageTable,
    Segment,
    StoredCorpus,
    segment_prefix,
    table_name,
)
from graphagg.store import Artifact, Publication
from graphagg.store.artifact import current_manifest
from graphagg.store.manifest import Manifest
from graphagg.store.reading import ArrayFolder
from graphagg.store.work import FolderStorage, work_folder
from graphagg.store.writing import ArrayWriter

_FOLDER = "blocks"
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux only
MIN_PASSAGES, MIN_BLOCKS = 16, 16  # passages per block; blocks of a large corpus
_UNEVEN = 1.2  # maximum text of a block, relative to as many average passages
_STAGE = "indexing"
BLOCK_SHARE = 0.95  # share of blocks in the work; the rest are the stages over all of them


def build(
    publication: Publication,
    passages: PassageFiles,
    recipe: Recipe,
    scratch: Path,
    progress: Progress,
    limits: BuildLimits = DEFAULT_LIMITS,
) -> Manifest:
    """Write and publish an index of the passages that are in the folder of the publication.

    Temporary files go to `scratch`.
    """
    writer = publication.writer
    # A killed build loses one block: about 6 % of a larger corpus.
    most = min(limits.passages, max(MIN_PASSAGES, len(passages) // MIN_BLOCKS))
    average = passages.table.texts.offsets[-1] / max(len(passages), 1)
    cut = passages.blocks(most, min(limits.characters, math.ceil(_UNEVEN * most * average)))
    starts = [rows.start for rows in cut] + [len(passages)]
    with _blocks(publication, cut, passages, recipe) as blocks:
        arrays = BuildArrays(blocks, FileArrays(scratch), FileArrays(writer.folder))
        engine = TableStages(starts, arrays, InProcessRunner(silent), limits.entries)
        annotated = _annotate(arrays, cut, passages, recipe, progress)
        counts = engine.run(annotated)
        progress(_STAGE, len(passages), len(passages))
        metadata = (json.loads(line) for line in passages.table.metadata)
        MetadataTable.build(metadata).save(writer, table_name(0))
        segment = Segment.open(ArrayFolder(writer.folder), 0)
        digests = segment.passages.text_digests
        write_text_order(writer, digests, np.ones(len(digests), np.bool_))
        counts |= {"passages": len(passages), "sentences": len(segment.sentence_vectors)}
        return publish_build(publication, recipe, passages.digest(), counts)


@contextmanager
def _blocks(
    publication: Publication, cut: Sequence[range], passages: PassageFiles, recipe: Recipe
) -> Iterator[Blocks]:
    """Context manager: the arrays of blocks, removed once the build is complete.

    Several blocks survive a killed build, and the same build resumes from there: they are in a
    folder next to the index, named by a digest of everything that they depend on. Files are not
    synced, so the digest includes the boot id: a crash of the machine may have lost some files.
    """
    if len(cut) == 1:
        yield MemoryBlocks()
        return
    recorded = [recipe.parameters(), recipe.models.to_json(), [rows.stop for rows in cut]]
    digest = hashlib.sha256(json.dumps(recorded, sort_keys=True).encode())
    if _BOOT.exists():
        digest.update(_BOOT.read_bytes())
    digest.update(np.ascontiguousarray(passages.table.digests).data)
    folder = work_folder(publication.location) / _FOLDER
    current = folder / digest.hexdigest()[:32]
    for other in folder.glob("*"):
        if other != current:
            shutil.rmtree(other)
    blocks = Blocks(FolderStorage(current))
    try:
        yield blocks
    except BaseException as error:
        done = [blocks.noted(SEGMENT_STAGE, i) is not None for i in range(len(cut))]
        rows = sum(map(len, compress(cut, done)))
        error.add_note(
            f"{rows:,} of {cut[-1].stop:,} passages are finished; the same build resumes"
        )
        raise
    shutil.rmtree(folder)
    with suppress(OSError):  # the folder is not empty
        folder.parent.rmdir()


def _annotate(
    arrays: BuildArrays,
    cut: Sequence[range],
    passages: PassageFiles,
    recipe: Recipe,
    progress: Progress,
) -> list[Stats]:
    """Stage `segment`: annotate and encode block after block."""
    stage, done, ends = arrays.stage(SEGMENT_STAGE), [], passages.table.texts.offsets
    for i, rows in enumerate(cut):
        stats = stage.known(i)
        if stats is None:
            block = block_of(passages[rows.start : rows.stop], recipe.models, silent)
            stats = stage.save(i, block)
            share = BLOCK_SHARE * ends[rows.stop] / ends[-1]  # by the length of texts
            progress(_STAGE, int(share * len(passages)), len(passages))
        done.append({"block": i} | stats)
    return done


@dataclass(frozen=True)
class Recipe:
    """Models and parameters of a build; `chunking` is None if the passages were not split.

    `columns` are the names of the fields, which `add`, `update` and `sync` will also read.
    """

    models: Models
    chunking: ChunkConfig | None
    columns: RowConfig

    def parameters(self) -> dict[str, object]:
        """Return the manifest's parameters: the settings that the index depends on."""
        return {
            "revision": REVISION,
            "profile": self.models.profile,
            "language": self.models.language,
            "chunking": None if self.chunking is None else asdict(self.chunking),
            "columns": self.columns.names,
        }

    def is_built(self, directory: str | os.PathLike[str], digest: str) -> bool:
        """Whether the current version was built with this recipe from passages of this digest."""
        manifest = current_manifest(directory, KIND)
        return (
            manifest is not None
            and manifest.inputs == {"passages": digest}
            and manifest.counts.get("segments") == 1
            and manifest.parameters == self.parameters()
            and manifest.models == self.models.to_json()
        )


def publish_build(
    publication: Publication, recipe: Recipe, digest: str, counts: dict[str, int]
) -> Manifest:
    """Publish a version with one segment, whose files are already written."""
    folder = ArrayFolder(publication.writer.folder)
    passages = PassageTable.open(folder, f"{segment_prefix(0)}passages")
    write_families(publication.writer, [passages], np.ones(len(passages), np.bool_))
    manifest = Manifest(
        kind=KIND,
        parameters=recipe.parameters(),
        inputs={"passages": digest},
        models=recipe.models.to_json(),
        counts=counts | {"segments": 1},
    )
    return publication.publish(manifest)


def write_orders(writer: ArrayWriter, corpus: StoredCorpus, by_id: Array) -> Mask:
    """Write orders and families of the live rows, `by_id` in id order; returns their mask."""
    alive = write_id_order(writer, by_id, len(corpus))
    digests = np.concatenate([s.passages.text_digests for s in corpus.segments])
    write_text_order(writer, digests, alive)
    write_families(writer, [segment.passages for segment in corpus.segments], alive)
    return alive


def publish_segments(
    publication: Publication,
    before: Artifact,
    corpus: StoredCorpus,
    by_id: Array,
    counts: dict[str, int],
) -> Manifest:
    """Publish a version with several segments, whose files and tables are already written.

    `before` has the same parameters and models; `by_id` holds the live rows in the order of their
    ids.
    """
    alive, manifest = write_orders(publication.writer, corpus, by_id), before.manifest
    every = np.concatenate([segment.passages.digests for segment in corpus.segments])
    digest = corpus_digest([every[alive].tobytes()])
    sentences = int(np.diff(corpus.sentence_bounds)[alive].sum())
    segments = len(corpus.segments)
    counts |= {"passages": len(by_id), "sentences": sentences, "segments": segments}
    return publication.publish(replace(manifest, inputs={"passages": digest}, counts=counts))
