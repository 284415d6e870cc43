"""`PassageIndex`: build, open, ask and change a passage index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from graphagg.arrays import Mask
from graphagg.checks import integer, one_of
from graphagg.errors import (
    DuplicateId,
    EmptyCorpus,
    InvalidParameter,
    UnknownPassage,
)
from graphagg.progress import Progress, silent
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.documents.languages import check_language
from graphagg.rag.documents.metadata import ValueType
from graphagg.rag.documents.passages import (
    Passage,
    check_corpus,
    corpus_digest,
    iterable,
    passage_digest,
)
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.graph import CorpusGraph, GraphConfig, corpus_graph
from graphagg.rag.likeness.similar import By, Likes, similar_entities, similar_passages
from graphagg.rag.models.chunking import (
    DEFAULT_CHUNKING,
    ChunkConfig,
    Source,
    chunk_documents,
    split_documents,
)
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.models.given import Given, checked_vectors, rows_and_vectors
from graphagg.rag.models.named import encoder_of, extractor_named
from graphagg.rag.models.reranker import Reranker
from graphagg.rag.models.vector_cache import VectorCache, cached
from graphagg.rag.modes import AnyRetriever, Asked, retriever_of
from graphagg.rag.profile import DEFAULT_PROFILE, PROFILES, Profile
from graphagg.rag.requests import (
    When,
    check_min_score,
    check_request,
    questions_of,
    selection_of,
)
from graphagg.rag.rescoring import RERANKED, Recency, Rescoring
from graphagg.rag.results import DocumentHit, Explanation, Hit, Hits
from graphagg.rag.settings import Config, Mode
from graphagg.rag.themes.config import MapConfig
from graphagg.rag.themes.made import current_map, map_of_view
from graphagg.rag.themes.results import ThemeMap
from graphagg.rag.version.loading import IndexModels, is_built, read_snapshot
from graphagg.rag.version.publish import (
    KIND,
    Models,
    build,
    change_passages,
    compact,
    set_weights,
)
from graphagg.rag.version.snapshot import Selection, Snapshot
from graphagg.rag.version.sync import Difference, SyncReport, difference
from graphagg.store import Artifact, open_artifact, write_artifact
from graphagg.store.index import Index

if TYPE_CHECKING:
    from graphagg.rag.answer.endpoint import Endpoint
    from graphagg.rag.best.tuning.fit import TuneReport
    from graphagg.rag.evaluation.questions import GoldQuestion

_EVERYTHING = Selection()
_COLUMNS = RowConfig()
_GRAPH = GraphConfig()
_MAP = MapConfig()


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
        cache: VectorCache | None = None,
    ) -> None:
        self._given = encoder, extractor, cache
        super().__init__(artifact)

    def _read(self, artifact: Artifact, before: _Version | None) -> _Version:
        snapshot = read_snapshot(artifact)
        models = before.models.of(artifact) if before else IndexModels(artifact, *self._given)
        return _Version(snapshot, models)

    # --- making and opening ----------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        passages: Iterable[Source],
        directory: str | os.PathLike[str],
        *,
        chunking: ChunkConfig | None = DEFAULT_CHUNKING,
        columns: RowConfig = _COLUMNS,
        vectors: Given | None = None,
        language: str | None = None,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        cache: VectorCache | None = None,
        weights: BestConfig | None = None,
        profile: Profile = DEFAULT_PROFILE,
        with_faithful: bool = False,
        progress: Progress = silent,
        force: bool = False,
    ) -> PassageIndex:
        """Index a corpus into `directory` and open it.

        Where the directory holds an index of the same passages by the same models, nothing is done
        unless `force`. Until the new index is complete, and if anything fails, the old one stays.

        Args:
            passages: passages, or mappings with `id`, `text` and optionally `title`, `metadata`,
                `document`, `position`; documents, as `read_documents` gives them; or a data frame
                or Arrow table, a row a passage.
            directory: where the index goes; made if it is not there.
            chunking: how a text that is longer than a chunk is split; None keeps all whole. The
                index remembers it for `add` and `update`.
            columns: which fields of mappings and tables are what, where they have other names.
            vectors: `[P, d]` of the passages by this very encoder, or the field of each row that
                holds its own: they are not encoded again, and none is split. Sentences still are.
            language: code of the language that all passages are in, such as `de`; `auto`: that of
                each passage is recognized. None: that of the extractor, English by default.
            encoder: default that of the profile; of `standard`, `SentenceTransformerEncoder()`.
            extractor: default that of the profile; of `standard`, `SpacyExtractor()`, in another
                language than English rules, and in several these two by the language of each
                passage.
            cache: keeps the vectors of texts, so that an interrupted build goes on; None: nowhere.
            weights: what mode `best` takes without a config, such as `weights` of an index that was
                tuned; None: those of the profile.
            profile: `standard`; `fast`: static vectors and names by rule, to be searched without
                PyTorch; `exact`: float32 throughout.
            with_faithful: keep the vectors of entity names, which mode `faithful` compares names
                with that no passage holds. Without them it computes them at its first such
                question, of at most 50,000 names.
            progress: called with stage, done, total.
            force: build also where nothing changed.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            InvalidParameter: about the vectors or the language.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            MissingExtra: an optional dependency or a default model is not installed.
        """
        check_language(language)
        rows, given = _rows(passages, columns, vectors)
        one_of("profile", profile, PROFILES)
        chunking = chunking if given is None else None
        corpus = check_corpus(chunk_documents(rows, chunking))
        digest = corpus_digest(map(passage_digest, corpus))
        with write_artifact(directory) as publication:
            extractor = extractor or extractor_named(profile, None, language)
            encoder = encoder or encoder_of(profile)
            models = Models(cached(encoder, cache), extractor, language, profile)
            built = given is None and is_built(
                directory, digest, models, chunking, weights, with_faithful
            )
            if force or not built:
                known = None if given is None else checked_vectors(given, corpus, encoder)
                build(
                    publication, corpus, models, chunking, progress, known, weights, with_faithful
                )
        return cls.open(directory, encoder=encoder, extractor=extractor, cache=cache)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        cache: VectorCache | None = None,
        verify: bool = False,
    ) -> PassageIndex:
        """Open an index in milliseconds; no model is loaded.

        Args:
            directory: the index.
            encoder: the encoder it was built with; None loads it by name at the first question.
            extractor: likewise.
            cache: keeps the vectors of texts that changes bring; None: nowhere.
            verify: compare every file's checksum first.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: about the directory.
            ModelMismatch: a given model is not the one the index was built with.
        """
        return cls(open_artifact(directory, kind=KIND, verify=verify), encoder, extractor, cache)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Sent to another process, it opens the directory there, with the models it was given."""
        return _reopened, (str(self.directory), *self._given)

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
    def chunking(self) -> ChunkConfig | None:
        """How long texts are split; None: not at all."""
        return self.snapshot.chunking

    @property
    def weights(self) -> BestConfig:
        """What mode `best` takes without a config: those of the profile, unless it is tuned."""
        return self.snapshot.best_weights

    @property
    def profile(self) -> Profile:
        """What the index was built for: `standard`, `fast` or `exact`."""
        return self.snapshot.profile

    @property
    def is_tuned(self) -> bool:
        """Whether the index has weights of its own."""
        return self.snapshot.weights is not None

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
        rows, given = _rows(passages, columns, vectors)
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

    def tune(
        self,
        questions: Sequence[GoldQuestion],
        *,
        dry_run: bool = False,
        random_state: int = 0,
        progress: Progress = silent,
    ) -> TuneReport:
        """Fit a few weights of mode `best` to questions, and write them if that is a gain.

        They are written, as a new version, if on questions that the fit did not see (five folds)
        recall@5 rises beyond chance: the 95 % interval of the gain begins above 0. Changes and
        `compact` keep them; a build starts from the defaults unless they are given (`weights`).

        Args:
            questions: at least 30 different ones with gold ids, as `read_questions` gives them.
            dry_run: write nothing.
            random_state: of the folds and the intervals.
            progress: called with stage, done, total.

        Raises:
            InvalidParameter: there are too few questions.
            InvalidQuestion: one has no gold ids, or the index holds none of all.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
        """
        integer("random_state", random_state, 0)
        if dry_run:
            self.reopen()
            return self._fitted(self._version, questions, random_state, progress)
        with self._changing() as (publication, newest):
            report = self._fitted(newest, questions, random_state, progress)
            if report.is_gain:
                set_weights(publication, newest.snapshot, report.weights)
        return report

    def reset_weights(self) -> bool:
        """Go back to the default weights of mode `best`; returns whether there were others."""
        with self._changing() as (publication, newest):
            was_tuned = newest.snapshot.weights is not None
            if was_tuned:
                set_weights(publication, newest.snapshot, None)
        return was_tuned

    def _fitted(
        self,
        version: _Version,
        questions: Sequence[GoldQuestion],
        random_state: int,
        progress: Progress,
    ) -> TuneReport:
        from graphagg.rag.best.tuning.fit import check_labeled, tune

        snapshot = version.snapshot
        check_labeled(snapshot, questions)  # before a model is loaded
        best = retriever_of(snapshot, _EVERYTHING, "best", None)
        texts = [question.text for question in questions]
        asked: list[Any] = _asked(best, texts, version.models)  # as `best` encodes them
        return tune(snapshot, questions, asked, random_state, progress)

    # --- the corpus as a whole -------------------------------------------------------------------

    def graph(
        self,
        *,
        config: GraphConfig = _GRAPH,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> CorpusGraph:
        """The graph of passages and entities; no model is loaded.

        What `filter`, `include` or `exclude` leave out is no part of it and changes no weight: it
        is the graph of an index of exactly the passages that are visible.

        Args:
            config: how entities are tied.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.

        Raises:
            InvalidFilter: the filter names an unknown key or does not fit its type.
            InvalidParameter: ids are no list.
        """
        snapshot = self.snapshot
        view = snapshot.scope(selection_of(filter, include, exclude, False)).view
        return corpus_graph(snapshot, view, config)

    def map(
        self,
        *,
        config: MapConfig = _MAP,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        update: bool = True,
        labels: Endpoint | None = None,
        progress: Progress = silent,
    ) -> ThemeMap:
        """The themes of the corpus at several resolutions; no model is loaded.

        The map of all passages is kept in the folder `map` of the index, and made anew only where
        the passages, the models or the settings changed. Under a filter it is made in memory: that
        of an index of exactly the passages that are visible.

        Args:
            config: resolutions, and what is shown of a theme.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.
            update: make a map that is old anew; else it is given as it is, and says `is_old`.
            labels: a language model that names the themes; None: their distinctive words do.
            progress: called with stage, done, total.

        Raises:
            InvalidFilter: the filter names an unknown key or does not fit its type.
            InvalidParameter: ids are no list, or `config.when` dates no passage.
            EndpointError: the language model did not answer; nothing was written.
            ArtifactBusy, ArtifactError, WriteFailed: about the folder of the map.
            MissingExtra: scikit-network is not installed.
        """
        selection = selection_of(filter, include, exclude, False)
        if selection.is_all:
            return current_map(self.snapshot, config, update, labels, progress)
        return map_of_view(self.snapshot, selection, config, labels, progress)

    def similar_passages(
        self,
        passage_id: str,
        k: int = 10,
        *,
        by: By = "text",
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> Likes:
        """The `k` visible passages most like one; no model is loaded.

        Args:
            passage_id: the passage.
            k: how many.
            by: `text`: the vectors of their texts; `graph`: what they name.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.

        Raises:
            UnknownPassage: there is no such passage, or it is not visible.
            InvalidParameter: `k` is under 1, or `by` is unknown.
            InvalidFilter: the filter names an unknown key or does not fit its type.
        """
        selection = selection_of(filter, include, exclude, False)
        return similar_passages(self.snapshot, selection, passage_id, k, by)

    def similar_entities(
        self,
        name: str,
        k: int = 10,
        *,
        by: By = "graph",
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> Likes:
        """The `k` entities most like one, by its name in any case; no model is loaded.

        Args:
            name: the entity.
            k: how many.
            by: `graph`: what names them, and what they share sentences with; `text`: the vectors
                of the passages that name them.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.

        Raises:
            UnknownEntity: no visible passage names it.
            InvalidParameter: `k` is under 1, or `by` is unknown.
            InvalidFilter: the filter names an unknown key or does not fit its type.
        """
        selection = selection_of(filter, include, exclude, False)
        return similar_entities(self.snapshot, selection, name, k, by)

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
        as_of: When | None = None,
        recency: Recency | None = None,
        reranker: Reranker | None = None,
        rerank_first: int = RERANKED,
        window: int = 0,
        min_score: float | None = None,
    ) -> Hits:
        """Retrieve the `k` best passages for a question, best first: a list, and a table.

        A passage that `filter`, `include` or `exclude` leave out neither scores nor leads anywhere:
        the answer is that of an index of exactly the passages that are visible.

        Args:
            question: at most 10,000 characters.
            k: how many passages of distinct texts; all where fewer are visible. A hit names its
                `copies`, the other visible passages with exactly its text.
            mode: `best`; `broad` covers several themes of the corpus, `auto` chooses between the
                two by the question; `faithful` is LinearRAG; `dense` ranks by cosine, `bm25` by
                words alone, `rrf` by both.
            config: `BestConfig` for `best`, `BroadConfig` for `broad`, `RetrievalConfig` for
                `faithful` (`PRESETS`); None: of `best` the `weights` of the index, else the
                defaults.
            filter: conditions on metadata, such as `{"year": {"gte": 2000}, "lang": "en"}`.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.
            bridge_through_filtered: what is left out may still lead to hits; it then appears in
                paths and changes scores.
            as_of: a moment; passages whose metadata `when` is later are not visible. Those without
                a date are.
            recency: adds to the scores of passages with a `when`, the newer the more, as the
                component `recency`; ages run to `as_of`, or to the newest visible passage.
            reranker: reads the question with each of the first hits; its scores are added as the
                component `reranker`. An object with `score(question, texts)`, such as a
                `CrossEncoderReranker`.
            rerank_first: how many hits it reads, `k` at least.
            window: give each hit the chunks up to so many places beside it in its document.
            min_score: leave out hits that score less. Scores are of one question and one mode: they
                have no scale across questions.

        Raises:
            InvalidQuestion: it is empty, too long, or no string.
            InvalidParameter: `k` is under 1, `mode` unknown, or `config` of another mode; or
                `as_of` is no date, or no passage has one.
            InvalidScores: the reranker gave not one finite number a text.
            InvalidFilter: the filter names an unknown key or does not fit its type.
            ModelMismatch: the installed model is not the one the index was built with.
        """
        selection = selection_of(filter, include, exclude, bridge_through_filtered, as_of)
        rescoring = Rescoring(recency, reranker, rerank_first, selection.as_of)
        return self._retrieve([question], k, mode, config, selection, rescoring, window, min_score)[
            0
        ]

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
        as_of: When | None = None,
        recency: Recency | None = None,
        reranker: Reranker | None = None,
        rerank_first: int = RERANKED,
        window: int = 0,
        min_score: float | None = None,
    ) -> list[Hits]:
        """Retrieve for many questions by one call of the model; the same answers as one by one.

        Scores of `faithful` are the same to 1e-8: a block of questions is walked together.
        """
        selection = selection_of(filter, include, exclude, bridge_through_filtered, as_of)
        rescoring = Rescoring(recency, reranker, rerank_first, selection.as_of)
        return self._retrieve(
            questions_of(questions), k, mode, config, selection, rescoring, window, min_score
        )

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
        as_of: When | None = None,
        recency: Recency | None = None,
        reranker: Reranker | None = None,
        rerank_first: int = RERANKED,
        window: int = 0,
        min_score: float | None = None,
    ) -> Hits:
        """`retrieve` in a thread of its own, for callers with an event loop."""
        import asyncio  # here, as it takes longer to load than a question takes

        selection = selection_of(filter, include, exclude, bridge_through_filtered, as_of)
        rescoring = Rescoring(recency, reranker, rerank_first, selection.as_of)
        (hits,) = await asyncio.to_thread(
            self._retrieve, [question], k, mode, config, selection, rescoring, window, min_score
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
        as_of: When | None = None,
        recency: Recency | None = None,
        reranker: Reranker | None = None,
        rerank_first: int = RERANKED,
    ) -> Explanation:
        """Why a passage is, or is not, among the `k` best for a question.

        Raises:
            UnknownPassage: there is no such passage.
            GraphAggError: what `retrieve` raises.
        """
        selection = selection_of(filter, include, exclude, bridge_through_filtered, as_of)
        rescoring = Rescoring(recency, reranker, rerank_first, selection.as_of)
        check_request([question], k)
        snapshot, models = self._version.snapshot, self._version.models
        retriever = retriever_of(snapshot, selection, mode, config)
        row = snapshot.known_row(passage_id)
        (asked,) = _asked(retriever, [question], models)
        return retriever.explain(asked, row, k, rescoring)

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
        rescoring: Rescoring,
        window: int,
        min_score: float | None,
    ) -> list[Hits]:
        integer("window", window, 0)
        check_min_score(min_score)
        check_request(questions, k)
        snapshot, models = self._version.snapshot, self._version.models
        retriever = retriever_of(snapshot, selection, mode, config)
        if not questions:
            return []
        answers = retriever.answer(_asked(retriever, questions, models), k, min_score, rescoring)
        if not window:
            return [Hits(hits) for hits in answers]
        visible = snapshot.mask(selection)
        return [
            Hits(with_neighbors(snapshot, hit, window, visible) for hit in hits) for hits in answers
        ]


def _reopened(
    directory: str,
    encoder: Encoder | None,
    extractor: EntityExtractor | None,
    cache: VectorCache | None,
) -> PassageIndex:
    return PassageIndex.open(directory, encoder=encoder, extractor=extractor, cache=cache)


def _asked(retriever: AnyRetriever, questions: Sequence[str], models: IndexModels) -> list[Asked]:
    """Questions, read and encoded; threads take turns at the models."""
    with models.lock:
        asked: list[Asked] = retriever.encode(retriever.read(questions, models), models)
    return asked


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


def _rows(
    passages: Iterable[Source], columns: RowConfig, vectors: Given | None
) -> tuple[list[Source], npt.ArrayLike | None]:
    """Passages and documents with fields as `as_passage` knows them, and vectors that are given."""
    rows, given = list(iterable(passages)), None
    if vectors is not None:
        rows, given = rows_and_vectors(rows, vectors)
    named = [
        columns.record(row, f"passage {number}") if isinstance(row, Mapping) else row
        for number, row in enumerate(rows)
    ]
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


def with_neighbors(snapshot: Snapshot, hit: Hit, window: int, visible: Mask) -> Hit:
    """A hit with the visible chunks up to `window` places beside it in its document."""
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, window, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))
