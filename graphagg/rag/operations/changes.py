"""Builds and changes a passage index in this process.

Each change publishes one version, which equals a rebuild. A sync compares passages by digests of
all fields. Chunks with the same `document` form a document; a passage without `document` is a
document by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from graphagg.errors import DuplicateId, EmptyCorpus, UnknownPassage
from graphagg.progress import Progress
from graphagg.rag.documents.passages import Passage, iterable, language_of_corpus, passage_digest
from graphagg.rag.documents.rows import PLAIN, RowConfig
from graphagg.rag.indexing.build import Recipe, build
from graphagg.rag.indexing.change import change_passages
from graphagg.rag.indexing.passage_files import PassageFiles, reading
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import Source, chunk_documents, split_documents
from graphagg.rag.operations.config import PassageConfig
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.store import write_artifact
from graphagg.store.changes import ChangeReport
from graphagg.store.writing import Publication


def build_here(
    passages: Any,
    directory: str | os.PathLike[str],
    config: PassageConfig,
    progress: Progress,
    force: bool,
) -> Models:
    """Build in this process; returns the models."""
    rows = rows_of(passages, config.columns)
    with reading(), write_artifact(directory) as publication, publication.scratch() as scratch:
        corpus = PassageFiles(publication.writer)
        corpus.write(rows, config.chunking, progress)
        if config.language is None and config.extractor is None:
            config = replace(config, language=language_of_corpus(corpus))
        models = config.load()
        recipe = Recipe(models, config.chunking, config.columns)
        if force or not recipe.is_built(directory, corpus.digest()):
            build(publication, corpus, recipe, scratch, progress, config.limits)
    return models


def rows_of(
    passages: Iterable[Source], columns: RowConfig | None, usual: RowConfig = PLAIN
) -> Iterator[Source]:
    """Read passages and documents one by one, with renamed fields.

    Without `columns`, rows that have the columns of `usual` are renamed with `usual`.
    """

    def renamed(row: Any, where: str) -> Any:
        if not isinstance(row, Mapping):
            return row
        is_usual = usual.id_column in row and usual.text_column in row
        return (columns or (usual if is_usual else PLAIN)).record(row, where)

    return (renamed(row, f"passage {index}") for index, row in enumerate(iterable(passages)))


def add_passages(
    publication: Publication,
    before: PassageSnapshot,
    rows: Sequence[Source],
    replace: bool,
    progress: Progress,
    must_exist: bool = False,
) -> ChangeReport:
    """Add all passages, or none, to the newest version.

    With `must_exist`, each of them has to replace a passage of the index.
    """
    split = list(split_documents(rows, before.chunking))
    new = list(chain.from_iterable(split))
    rows_by_id = _rows_to_replace(before, split)
    present = {name: replaced for name, replaced in rows_by_id.items() if replaced}
    if present and not replace:
        first = next(iter(present))
        raise DuplicateId(
            f"passage {first!r} is already in the index ({len(present)} of {len(rows_by_id)} "
            "are); nothing was added; use `update`, pass `replace=True`, or give other ids"
        )
    removed = _all_rows(rows_by_id, not must_exist, "nothing was changed")
    _check_free(before, new, removed)
    change_passages(publication, before, removed, new, before.models.both, progress)
    added = tuple(name for name in rows_by_id if name not in present)
    return _report(new, removed, added=added, replaced=tuple(present))


def sync_passages(
    publication: Publication,
    before: PassageSnapshot,
    passages: Iterable[Source],
    progress: Progress,
) -> ChangeReport:
    """Add, update and delete so that an index has exactly these passages."""
    gone, new, report = difference(before, passages)
    if not report.is_empty:
        change_passages(publication, before, gone, new, before.models.both, progress)
    return report


def delete_passages(
    publication: Publication, before: PassageSnapshot, ids: Sequence[str], ignore_missing: bool
) -> ChangeReport:
    """Delete passages and documents by their ids."""
    rows_by_id = {name: before.rows_named(name) for name in ids}
    rows = _all_rows(rows_by_id, ignore_missing, "nothing was deleted")
    if len(rows) == len(before):
        raise EmptyCorpus(
            "nothing was deleted, as no passage would be left; remove the folder of the index"
        )
    if rows:
        change_passages(publication, before, rows, (), before.models.both)
    return _report((), rows, removed=tuple(name for name, own in rows_by_id.items() if own))


def _report(new: Sequence[Passage], rows: Sequence[int], **ids: tuple[str, ...]) -> ChangeReport:
    details = {"passages_added": len(new), "passages_removed": len(rows)}
    return ChangeReport.from_ids(0, details, **ids)


def _rows_to_replace(
    before: PassageSnapshot, new: Sequence[Sequence[Passage]]
) -> dict[str, list[int]]:
    """Map each document id to the rows it replaces: the row with that id, and its chunks."""
    rows_by_id = {}
    for passages in new:
        first = passages[0]
        if len(passages) == 1 and first.document:  # a single chunk replaces itself only
            row = before.row_of(first.id)
            rows_by_id[first.id] = [] if row is None else [row]
        else:
            name = first.document or first.id
            rows_by_id[name] = before.rows_split_from(name)
    return rows_by_id


def _check_free(before: PassageSnapshot, new: Sequence[Passage], removed: Sequence[int]) -> None:
    """Raise `DuplicateId` if a new chunk has the id of a passage that stays."""
    leaving = set(removed)
    for passage in new:
        row = before.row_of(passage.id)
        if row is not None and row not in leaving:
            raise DuplicateId(
                f"chunk {passage.id!r} has the id of a passage in the index; rename one of them"
            )


def _all_rows(
    rows_by_id: Mapping[str, Sequence[int]], ignore_missing: bool, outcome: str
) -> list[int]:
    """Return the distinct rows of all ids; raises `UnknownPassage` for ids without rows."""
    missing = [identifier for identifier, rows in rows_by_id.items() if not rows]
    if missing and not ignore_missing:
        examples = ", ".join(repr(identifier) for identifier in missing[:5])
        raise UnknownPassage(
            f"{len(missing)} of {len(rows_by_id)} ids are not in the index ({examples}"
            f"{', ...' if len(missing) > 5 else ''}); {outcome}"
        )
    return list(dict.fromkeys(row for rows in rows_by_id.values() for row in rows))


def difference(
    before: PassageSnapshot, passages: Iterable[Source]
) -> tuple[list[int], list[Passage], ChangeReport]:
    """Compare a corpus with an indexed version in linear time, split with the index's settings.

    Returns the rows that are not in the corpus, the passages that are not in the version, and a
    report with the counts of both.
    """
    corpus = list(chunk_documents(passages, before.chunking))
    digests = {p.id: passage_digest(p) for p in corpus}
    unchanged: set[str] = set()
    gone: list[int] = []
    touched: dict[str, None] = {}  # documents that lose or gain a passage; an ordered set
    documents: dict[str, None] = {}
    for row in np.flatnonzero(before.alive).tolist():
        segment, inside = before.corpus.locate(row)
        identifier = segment.passages.ids[inside]
        document = segment.passages.documents[inside] or identifier
        documents[document] = None
        if digests.get(identifier) == segment.passages.digests[inside].tobytes():
            unchanged.add(identifier)
        else:
            gone.append(row)
            touched[document] = None
    new = [p for p in corpus if p.id not in unchanged]
    touched |= dict.fromkeys(p.document or p.id for p in new)
    read = dict.fromkeys(p.document or p.id for p in corpus)
    report = ChangeReport.from_ids(
        sum(name in documents and name not in touched for name in read),
        {"passages_added": len(new), "passages_removed": len(gone)},
        added=tuple(name for name in read if name not in documents),
        replaced=tuple(name for name in read if name in documents and name in touched),
        removed=tuple(name for name in documents if name not in read),
    )
    return gone, new, report
