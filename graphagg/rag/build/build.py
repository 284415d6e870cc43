"""The stages of a build, and the version that they make; see the package for what each does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphagg.arrays import Array, narrow_type
from graphagg.progress import Progress, renamed
from graphagg.rag.build.block import Arrays, block_of
from graphagg.rag.build.blocks import Blocks, block_name
from graphagg.rag.build.files import Allocated, join, join_bounds
from graphagg.rag.build.names import write_gazetteer
from graphagg.rag.build.passages import PassageFiles
from graphagg.rag.build.publish import KIND, parameters
from graphagg.rag.build.segment import Encoding
from graphagg.rag.build.words import write_lexicon
from graphagg.rag.config.limits import DEFAULT_LIMITS, Limits
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.snapshot import dense
from graphagg.rag.snapshot.snapshot import INVERTED_FILE
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.segments import Corpus, Segment, segment_prefix, table_name
from graphagg.rag.tables.vectors import Vectors
from graphagg.rag.tables.view import View
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.manifest import Manifest
from graphagg.store.ranges import GrowingFile, GrowingStrings
from graphagg.store.reading import ArrayFolder
from graphagg.store.work import work_folder

_SEGMENT = segment_prefix(0)
_FOLDER = "blocks"
_NAMES = 65_536  # names that are read together


@dataclass(frozen=True)
class Recipe:
    """How an index is built.

    Attributes:
        models: find entities and give vectors.
        chunking: how the passages were split.
        with_faithful: whether entity names get vectors.
    """

    models: Models
    chunking: ChunkConfig | None
    with_faithful: bool = False

    def parameters(self) -> dict[str, object]:
        """As the manifest records them."""
        return parameters(self.models, self.chunking, self.with_faithful)


def build(
    publication: Publication,
    passages: PassageFiles,
    recipe: Recipe,
    scratch: Path,
    progress: Progress,
    vectors: Vectors | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Manifest:
    """Write and publish an index of exactly the passages that were written.

    Args:
        publication: where it goes.
        passages: in its folder.
        recipe: how it is built.
        scratch: a folder for files that do not last.
        progress: called with stage, done, total.
        vectors: those of the passages, `[P, d]`, if they are known.
        limits: what memory holds.
    """
    folder, models = publication.writer.folder, recipe.models
    cut = passages.blocks(limits.passages, limits.characters)
    # What outlasts a kill lies beside the index, like the work of other builds.
    kept = work_folder(publication.location) / _FOLDER if len(cut) > 1 else None
    blocks = Blocks(kept)
    _annotate(blocks, cut, passages, recipe, vectors, progress)
    starts = [rows.start for rows in cut] + [len(passages)]
    _join_segment(blocks, folder)
    analyzers = Analyzers(models.language)
    names = write_gazetteer(
        blocks, starts, folder, scratch, analyzers, recipe.with_faithful,
        lambda done: progress("mentions", done, len(passages)), limits.entries,
    )  # fmt: skip
    terms = write_lexicon(blocks, starts, folder, analyzers.is_mixed, limits.entries)
    _write_name_vectors(folder, recipe, progress)
    opened = ArrayFolder(folder)
    segment = Segment.open(opened, 0)
    alive = np.ones(len(passages), np.bool_)
    _write_view(folder, opened, alive)
    MetadataTable.build(json.loads(line) for line in passages.table.metadata).save(
        publication.writer, table_name(0)
    )
    windows = len(segment.windows.values)
    if models.storage.inverted and windows > dense.FLAT_LIMIT:
        dense.train(Corpus([segment]), alive, publication.writer.path(INVERTED_FILE))
    table = getattr(models.encoder, "table", None)
    if table is not None:
        table.write(publication.writer)
    counts = {
        "passages": len(passages),
        "sentences": len(segment.sentence_vectors),
        "entities": names.entities,
        "mentions": names.mentions,
        "terms": terms,
        "segments": 1,
    }
    manifest = publication.publish(_manifest(recipe, passages, counts))
    blocks.forget()
    return manifest


def _manifest(recipe: Recipe, passages: PassageFiles, counts: dict[str, int]) -> Manifest:
    return Manifest(
        kind=KIND,
        parameters=recipe.parameters(),
        inputs={"passages": passages.digest()},
        models=recipe.models.to_json(),
        counts=counts,
    )


def _annotate(
    blocks: Blocks,
    cut: list[range],
    passages: PassageFiles,
    recipe: Recipe,
    vectors: Vectors | None,
    progress: Progress,
) -> None:
    """Annotate and encode block after block; takes what a killed build has finished."""
    digests, recorded = passages.table.digests, [recipe.parameters(), recipe.models.to_json()]
    for rows in cut:
        given = None if vectors is None else vectors[rows.start : rows.stop]
        name = block_name(recorded, digests[rows.start : rows.stop], given)

        def make(rows: range = rows, given: Vectors | None = given) -> Arrays:
            onto = _in_passages(progress, rows, len(passages))
            return block_of(passages[rows.start : rows.stop], recipe.models, given, onto)

        if blocks.add(name, make):
            progress("passages", rows.stop, len(passages))


def _in_passages(progress: Progress, rows: range, whole: int) -> Progress:
    """Report what is done of a block as passages of the whole, whatever its stage counts."""

    def report(stage: str, done: int, total: int) -> None:
        progress(stage, rows.start + done * len(rows) // max(total, 1), whole)

    return report


def _join_segment(blocks: Blocks, folder: Path) -> None:
    """Write the files of the segment that depend on single passages."""
    for name in ("sentences", "found", "windows"):
        join_bounds(blocks, folder, f"{_SEGMENT}{name}")
    for name in ("sentences", "found", "windows", "sentences.vectors"):
        first, dtype = blocks.array(0, f"{_SEGMENT}{name}"), None
        if name in ("sentences", "found"):
            parts = (blocks.array(i, f"{_SEGMENT}{name}") for i in range(len(blocks)))
            dtype = narrow_type(max(int(part.max(initial=0)) for part in parts))
        join(blocks, folder, f"{_SEGMENT}{name}", dtype or first.dtype, first.shape[1:])


def _write_name_vectors(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Write the names that mode linearrag compares, and their vectors."""
    opened, encoder = ArrayFolder(folder), recipe.models.encoder
    keys, rows = opened.strings("entities.keys"), Gazetteer.open(opened).name_row
    names = GrowingStrings(folder, f"{_SEGMENT}names")
    own = np.flatnonzero(rows >= 0)
    for first in range(0, len(own), _NAMES):
        names.append(keys.take(own[first : first + _NAMES]))
    names.close()
    file: GrowingFile | None = None
    encoding = Encoding(encoder, recipe.models.storage.packed)
    texts = iter(opened.strings(f"{_SEGMENT}names"))
    for part in encoding.parts(texts, len(own), renamed(progress, "names")):
        if file is None:
            path = folder / f"{_SEGMENT}names.vectors.npy"
            file = GrowingFile(path, part.dtype, width=part.shape[1:])
        file.append(part)
    assert file is not None, "there is a part at least"
    file.close()


def _write_view(folder: Path, opened: ArrayFolder, alive: Array) -> None:
    """Write the view of all passages: over mapped files, into mapped files."""
    gazetteer, lexicon = Gazetteer.open(opened), Lexicon.open(opened)
    View.of(gazetteer, lexicon, alive, Allocated(folder)).save(ArtifactWriter(folder))
