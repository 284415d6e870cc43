"""`PassageIndex`: build, open, ask and change a passage index."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphagg.checks import integer
from graphagg.errors import (
    DuplicateId,
    EmptyCorpus,
    InvalidParameter,
    UnknownPassage,
)
from graphagg.progress import Progress, silent
from graphagg.rag.documents.metadata import ValueType
from graphagg.rag.documents.passages import Passage, check_corpus, corpus_digest, passage_digest
from graphagg.rag.models.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.models.extractor import EntityExtractor, SpacyExtractor
from graphagg.rag.modes import AnyRetriever, Asked, retriever_of
from graphagg.rag.requests import check_request, questions_of, selection_of
from graphagg.rag.results import DocumentHit, Explanation, Hit, Hits
from graphagg.rag.settings import Config, Mode
from graphagg.rag.version.loading import IndexModels, is_built, read_snapshot
from graphagg.rag.version.publish import KIND, Models, build, change_passages, compact
from graphagg.rag.version.snapshot import Selection, Snapshot
from graphagg.store import Artifact, open_artifact, write_artifact
from graphagg.store.index import Index

_EVERYTHING = Selection()


@dataclass(frozen=True)
class _Version:
    """One version of an index, and the models that it was built with."""

    snapshot: Snapshot
    models: IndexModels

    @property
    def artifact(self) -> Artifact:
        return self.snapshot.artifact


class PassageIndex(Index[_Version]):
    """An index of passages, opened from its directory.

    Use `PassageIndex.build` or `PassageIndex.open`. Models load at the first question. The index
    keeps the version it opened, also while another process publishes a newer one, until `reopen`
    or a change of its own. Reading is safe from several threads. `reopen` and changes raise
    `ModelMismatch` where the newest version was built with another model than the given one; the
    opened version then stays.
    """

    KIND = KIND

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
    ) -> None:
        self._given = encoder, extractor
        super().__init__(artifact)

    def _read(self, artifact: Artifact, before: _Version | None) -> _Version:
        snapshot = read_snapshot(artifact)
        models = before.models.of(artifact) if before else IndexModels(artifact, *self._given)
        return _Version(snapshot, models)

    # --- making and opening ----------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage | Mapping[str, Any]],
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        progress: Progress = silent,
        force: bool = False,
    ) -> PassageIndex:
        """Index a corpus into `directory` and open it.

        Where the directory holds an index of the same passages by the same models, nothing is done
        unless `force`. Until the new index is complete, and if anything fails, the old one stays.

        Args:
            passages: passages, or mappings with `id`, `text` and optionally `title`, `metadata`,
                `document`, `position`; see `graphagg.rag.models.chunking` for long documents.
            directory: where the index goes; made if it is not there.
            encoder: default `SentenceTransformerEncoder()`.
            extractor: default `SpacyExtractor()`.
            progress: called with stage, done, total.
            force: build also where nothing changed.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            MissingExtra: an optional dependency or a default model is not installed.
        """
        corpus = check_corpus(passages)
        digest = corpus_digest(map(passage_digest, corpus))
        with write_artifact(directory) as publication:
            extractor = extractor or SpacyExtractor()
            if force or not is_built(directory, digest, encoder, extractor):
                encoder = encoder or SentenceTransformerEncoder()
                build(publication, corpus, Models(encoder, extractor), progress)
        return cls.open(directory, encoder=encoder, extractor=extractor)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        verify: bool = False,
    ) -> PassageIndex:
        """Open an index in milliseconds; no model is loaded.

        Args:
            directory: the index.
            encoder: the encoder it was built with; None loads it by name at the first question.
            extractor: likewise.
            verify: compare every file's checksum first.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: about the directory.
            ModelMismatch: a given model is not the one the index was built with.
        """
        return cls(open_artifact(directory, kind=KIND, verify=verify), encoder, extractor)

    def __len__(self) -> int:
        return len(self.snapshot)

    def __contains__(self, identifier: str) -> bool:
        return self.snapshot.row_of(identifier) is not None

    def __iter__(self) -> Iterator[Passage]:
        """All passages, in the order in which they were added."""
        snapshot = self.snapshot
        return (snapshot.corpus[row] for row in snapshot.alive.nonzero()[0].tolist())

    def __getitem__(self, identifier: str) -> Passage:
        """The passage of an id; raises `UnknownPassage`."""
        snapshot = self.snapshot
        return snapshot.corpus[snapshot.known_row(identifier)]

    @property
    def schema(self) -> Mapping[str, ValueType]:
        """The keys that passages can be filtered by, and their types."""
        return self.snapshot.schema

    @property
    def snapshot(self) -> Snapshot:
        """The parts of the opened version."""
        return self._version.snapshot

    @property
    def models(self) -> IndexModels:
        """The models that questions and new passages need; each is loaded when first asked for."""
        return self._version.models

    def load_encoder(self) -> Encoder:
        """The encoder of the index; it is loaded by its recorded name unless it was given."""
        return self.models.encoder()

    def load_extractor(self) -> EntityExtractor:
        """The extractor of the index, likewise."""
        return self.models.extractor()

    # --- changes ---------------------------------------------------------------------------------

    def add(
        self,
        passages: Iterable[Passage | Mapping[str, Any]],
        *,
        replace: bool = False,
        progress: Progress = silent,
    ) -> int:
        """Add passages and move on to the version that holds them.

        All are added or none is. Every answer is then that of an index built anew.

        Args:
            passages: as for `build`.
            replace: passages whose ids are there take their place; else that is an error.
            progress: called with stage, done, total.

        Returns:
            How many passages were replaced.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            ModelMismatch: it holds an index by other models now than the given ones.
        """
        new = check_corpus(passages)
        with self._changing() as (publication, newest):
            before = newest.snapshot
            there = {p.id: row for p in new if (row := before.row_of(p.id)) is not None}
            if there and not replace:
                first = next(iter(there))
                raise DuplicateId(
                    f"passage {first!r} is in the index ({len(there)} of {len(new)} are); nothing "
                    "was added. Use update, or replace=True (--replace), or other ids"
                )
            change_passages(
                publication, before, there.values(), new, newest.models.both(), progress
            )
        return len(there)

    def update(
        self, passages: Iterable[Passage | Mapping[str, Any]], *, progress: Progress = silent
    ) -> None:
        """Replace passages of the same ids; raises `UnknownPassage` if one is not there."""
        new = check_corpus(passages)
        with self._changing() as (publication, newest):
            before = newest.snapshot
            known = {p.id: before.row_of(p.id) for p in new}
            found = {name: [] if row is None else [row] for name, row in known.items()}
            rows = _all_rows(found, False, "nothing was changed")
            change_passages(publication, before, rows, new, newest.models.both(), progress)

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
                change_passages(publication, before, rows, (), None)
        return len(rows)

    def compact(self) -> None:
        """Join all segments into one without a trace of what was deleted.

        Byte for byte what `build` writes of the passages that are left, given that the encoder
        gives a text the same vector in any batch. An inverted file is trained anew.
        """
        with self._changing() as (publication, newest):
            compact(publication, newest.snapshot)

    # --- questions -------------------------------------------------------------------------------

    def retrieve(
        self,
        question: str,
        k: int = 5,
        *,
        mode: Mode = "best",
        config: Config | None = None,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        bridge_through_filtered: bool = False,
        window: int = 0,
    ) -> Hits:
        """Retrieve the `k` best passages for a question, best first: a list, and a table.

        A passage that `filter`, `include` or `exclude` leave out neither scores nor leads anywhere:
        the answer is that of an index of exactly the passages that are visible.

        Args:
            question: at most 10,000 characters.
            k: how many passages; all of them where fewer are visible.
            mode: `best`; `faithful` is LinearRAG; `dense` ranks by cosine, `bm25` by words alone.
            config: `BestConfig` for `best`, `RetrievalConfig` for `faithful` (`PRESETS`).
            filter: conditions on metadata, such as `{"year": {"gte": 2000}, "lang": "en"}`.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.
            bridge_through_filtered: what is left out may still lead to hits; it then appears in
                paths and changes scores.
            window: give each hit the chunks up to so many places beside it in its document.

        Raises:
            InvalidQuestion: it is empty, too long, or no string.
            InvalidParameter: `k` is under 1, `mode` unknown, or `config` of another mode.
            InvalidFilter: the filter names an unknown key or does not fit its type.
            ModelMismatch: the installed model is not the one the index was built with.
        """
        selection = selection_of(filter, include, exclude, bridge_through_filtered)
        return self._retrieve([question], k, mode, config, selection, window)[0]

    def retrieve_batch(
        self,
        questions: Iterable[str],
        k: int = 5,
        *,
        mode: Mode = "best",
        config: Config | None = None,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        bridge_through_filtered: bool = False,
        window: int = 0,
    ) -> list[Hits]:
        """Retrieve for many questions by one call of the model; the same answers as one by one.

        Scores of `faithful` are the same to 1e-8: a block of questions is walked together.
        """
        selection = selection_of(filter, include, exclude, bridge_through_filtered)
        return self._retrieve(questions_of(questions), k, mode, config, selection, window)

    async def aretrieve(
        self,
        question: str,
        k: int = 5,
        *,
        mode: Mode = "best",
        config: Config | None = None,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        bridge_through_filtered: bool = False,
        window: int = 0,
    ) -> Hits:
        """`retrieve` in a thread of its own, for callers with an event loop."""
        selection = selection_of(filter, include, exclude, bridge_through_filtered)
        (hits,) = await asyncio.to_thread(
            self._retrieve, [question], k, mode, config, selection, window
        )
        return hits

    def retrieve_documents(
        self, question: str, k: int = 5, *, chunks: int = 10, **options: Any
    ) -> list[DocumentHit]:
        """Retrieve documents: the best `chunks * k` passages, grouped; each scores by its best.

        A passage without a document is one of its own, also where a document has its id. Takes the
        options of `retrieve`.
        """
        integer("k", k, 1)
        integer("chunks", chunks, 1)
        grouped: dict[tuple[bool, str], list[Hit]] = {}
        for hit in self.retrieve(question, chunks * k, **options):
            alone = not hit.passage.document
            name = hit.passage.id if alone else hit.passage.document
            grouped.setdefault((alone, name), []).append(hit)
        return [
            DocumentHit(name, hits[0].score, tuple(hits))
            for (_, name), hits in list(grouped.items())[:k]
        ]

    def explain(
        self,
        question: str,
        passage_id: str,
        k: int = 5,
        *,
        mode: Mode = "best",
        config: Config | None = None,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        bridge_through_filtered: bool = False,
    ) -> Explanation:
        """Why a passage is, or is not, among the `k` best for a question.

        Raises:
            UnknownPassage: there is no such passage.
            GraphAggError: what `retrieve` raises.
        """
        selection = selection_of(filter, include, exclude, bridge_through_filtered)
        check_request([question], k)
        snapshot, models = self._version.snapshot, self._version.models
        retriever = retriever_of(snapshot, selection, mode, config)
        row = snapshot.known_row(passage_id)
        (asked,) = _asked(retriever, [question], models)
        return retriever.explain(asked, row, k)

    def retriever(
        self,
        mode: Mode = "best",
        config: Config | None = None,
        selection: Selection = _EVERYTHING,
    ) -> AnyRetriever:
        """The stages of answering one by one, over the opened version."""
        return retriever_of(self.snapshot, selection, mode, config)

    def _retrieve(
        self,
        questions: Sequence[str],
        k: int,
        mode: Mode,
        config: Config | None,
        selection: Selection,
        window: int,
    ) -> list[Hits]:
        integer("window", window, 0)
        check_request(questions, k)
        snapshot, models = self._version.snapshot, self._version.models
        retriever = retriever_of(snapshot, selection, mode, config)
        if not questions:
            return []
        answers = retriever.answer(_asked(retriever, questions, models), k)
        if not window:
            return [Hits(hits) for hits in answers]
        visible = snapshot.mask(selection)
        return [
            Hits(_with_neighbors(snapshot, hit, window, visible) for hit in hits)
            for hits in answers
        ]


def _asked(retriever: AnyRetriever, questions: Sequence[str], models: IndexModels) -> list[Asked]:
    """Questions, read and encoded; threads take turns at the models."""
    with models.lock:
        asked: list[Asked] = retriever.encode(retriever.read(questions, models), models)
    return asked


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


def _with_neighbors(snapshot: Snapshot, hit: Hit, window: int, visible: Any) -> Hit:
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, window, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))
