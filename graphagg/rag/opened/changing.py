"""Changes of a passage index: each is one new version, and equals a rebuild."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy.typing as npt

from graphagg.errors import DuplicateId, EmptyCorpus, InvalidParameter, UnknownPassage
from graphagg.progress import Progress, silent
from graphagg.rag.build.change import change_passages, compact
from graphagg.rag.build.sync import Difference, SyncReport, difference
from graphagg.rag.documents.passages import Passage, check_corpus, iterable
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import Source, chunk_documents, split_documents
from graphagg.rag.models.given import Given, checked_vectors, rows_and_vectors
from graphagg.rag.opened.base import Opened
from graphagg.rag.question.selection import Selection
from graphagg.rag.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    pass

_EVERYTHING = Selection()
_COLUMNS = RowConfig()


class Changing(Opened):
    """The changes of a `PassageIndex`."""

    def add(
        self,
        passages: Iterable[Source],
        *,
        columns: RowConfig = _COLUMNS,
        vectors: Given | None = None,
        replace: bool = False,
        progress: Progress = silent,
    ) -> int:
        """Add passages and move on to the version that holds them.

        All are added or none is. Every answer is then that of an index built anew. Long texts are
        split as the index was built (`chunking`).

        Args:
            passages: as for `build`.
            columns: as for `build`.
            vectors: as for `build`; passages that have some stay whole.
            replace: what is given takes the place of passages of its id, and a document that of
                all its chunks; else an id that is there is an error.
            progress: called with stage, done, total.

        Returns:
            How many of the given were there before.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            ModelMismatch: it holds an index by other models now than the given ones.
        """
        named, given = rows_of(passages, columns, vectors)
        rows = list(named)
        with self._changing() as (publication, newest):
            before = newest.snapshot
            split = list(split_documents(rows, before.chunking if given is None else None))
            new = check_corpus(chain.from_iterable(split))
            found = _replaced(before, split)
            there = {name: rows for name, rows in found.items() if rows}
            if there and not replace:
                first = next(iter(there))
                raise DuplicateId(
                    f"passage {first!r} is in the index ({len(there)} of {len(found)} are); "
                    "nothing was added. Use update, or replace=True (--replace), or other ids"
                )
            gone = _all_rows(there, True, "")
            _check_free(before, new, gone)
            models, known = newest.models, None
            if given is not None:
                known = checked_vectors(given, new, models.encoder())
            change_passages(publication, before, gone, new, models.both, progress, known)
        return len(there)

    def update(self, passages: Iterable[Source], *, progress: Progress = silent) -> None:
        """Replace passages of the same ids, and documents with all their chunks.

        Raises:
            UnknownPassage: one is not there; nothing was changed.
            GraphAggError: what `add` raises.
        """
        given = list(iterable(passages))
        with self._changing() as (publication, newest):
            before = newest.snapshot
            split = list(split_documents(given, before.chunking))
            new = check_corpus(chain.from_iterable(split))
            rows = _all_rows(_replaced(before, split), False, "nothing was changed")
            _check_free(before, new, rows)
            change_passages(publication, before, rows, new, newest.models.both, progress)

    def sync(
        self,
        passages: Iterable[Source],
        *,
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> SyncReport:
        """Make the index hold exactly these passages, by one new version; none if it does.

        What is not given is deleted, what differs is replaced, and what is equal costs nothing.
        Only texts are encoded that the index does not hold. Every answer is then that of an index
        built anew. Long texts are split as the index was built (`chunking`).

        Args:
            passages: all that the index should hold, as for `build`; of a folder, what
                `read_documents` gives.
            dry_run: only say what would be done.
            progress: called with stage, done, total.

        Raises:
            EmptyCorpus: there is no passage; nothing was deleted.
            InvalidPassage, DuplicateId: about the passages.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            ModelMismatch: it holds an index by other models now than the given ones.
        """
        given = list(iterable(passages))

        def compared(before: Snapshot) -> Difference:
            return difference(before, check_corpus(chunk_documents(given, before.chunking)))

        if dry_run:
            self.reopen()
            return compared(self.snapshot).report
        with self._changing() as (publication, newest):
            before = newest.snapshot
            found = compared(before)
            if not found.report.is_empty:
                change_passages(
                    publication, before, found.gone, found.new, newest.models.both, progress
                )
        return found.report

    def delete(self, ids: Iterable[str], *, ignore_missing: bool = False) -> int:
        """Delete passages and move on to the version without them.

        Entities and words that nothing else holds go with them; the texts themselves leave the disk
        with `compact`.

        Args:
            ids: of passages, or of documents, whose chunks all go.
            ignore_missing: pass over ids that are not there; else that is an error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidParameter: an id is no string.
            UnknownPassage: an id is not there; nothing was deleted.
            EmptyCorpus: no passage would be left.
        """
        wanted = [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
        if not all(isinstance(name, str) for name in wanted):
            raise InvalidParameter(f"ids are {wanted!r}, wanted a list of strings")
        with self._changing() as (publication, newest):
            before = newest.snapshot
            found = {name: before.rows_named(name) for name in wanted}
            rows = _all_rows(found, ignore_missing, "nothing was deleted")
            if len(rows) == len(before):
                raise EmptyCorpus(
                    "no passage would be left and nothing was deleted; remove the index's folder, "
                    "or build another one in its place"
                )
            if rows:
                change_passages(publication, before, rows, (), newest.models.both)
        return len(rows)

    def compact(self) -> None:
        """Join all segments into one without a trace of what was deleted.

        Byte for byte what `build` writes of the passages that are left, given that the vectors of
        an encoder of your own depend on their text alone. An inverted file is trained anew.
        """
        with self._changing() as (publication, newest):
            compact(publication, newest.snapshot)


def _replaced(before: Snapshot, new: Sequence[Sequence[Passage]]) -> dict[str, list[int]]:
    """The rows that documents take the place of, by id: theirs, and those of their chunks."""
    found = {}
    for passages in new:
        first = passages[0]
        if len(passages) == 1 and first.document:  # a chunk that the caller made stands for itself
            row = before.row_of(first.id)
            found[first.id] = [] if row is None else [row]
        else:
            name = first.document or first.id
            found[name] = before.rows_split_from(name)
    return found


def _check_free(before: Snapshot, new: Sequence[Passage], gone: Sequence[int]) -> None:
    """Refuse a chunk that would have the id of a passage that stays."""
    leaving = set(gone)
    for passage in new:
        row = before.row_of(passage.id)
        if row is not None and row not in leaving:
            raise DuplicateId(
                f"chunk {passage.id!r} of document {passage.document!r} has the id of a passage in "
                "the index; nothing was changed. Rename one of them"
            )


def rows_of(
    passages: Iterable[Source], columns: RowConfig, vectors: Given | None
) -> tuple[Iterator[Source], npt.ArrayLike | None]:
    """Passages and documents with fields as `as_passage` knows them, and vectors that are given.

    They are read one by one; where a field holds vectors, all at once.
    """
    rows, given = iterable(passages), None
    if vectors is not None:
        rows, given = rows_and_vectors(rows, vectors)
    named = (
        columns.record(row, f"passage {number}") if isinstance(row, Mapping) else row
        for number, row in enumerate(rows)
    )
    return named, given


def _all_rows(found: Mapping[str, Sequence[int]], ignore_missing: bool, outcome: str) -> list[int]:
    """The rows found of each id, each once; an id without any is an error unless ignored."""
    missing = [identifier for identifier, rows in found.items() if not rows]
    if missing and not ignore_missing:
        shown = ", ".join(repr(identifier) for identifier in missing[:5])
        raise UnknownPassage(
            f"{len(missing)} of {len(found)} ids are not in the index ({shown}"
            f"{', ...' if len(missing) > 5 else ''}); {outcome}"
        )
    return list(dict.fromkeys(row for rows in found.values() for row in rows))
