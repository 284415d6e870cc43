"""Questions to a passage index: one, many, by documents, and why a passage is a hit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from graphagg.arrays import Mask
from graphagg.checks import integer
from graphagg.rag.config.modes import Config, Mode
from graphagg.rag.models.reranker import Reranker
from graphagg.rag.modes.registry import AnyRetriever, retriever_of
from graphagg.rag.opened.base import Opened, ask
from graphagg.rag.question.checks import (
    When,
    check_min_score,
    check_request,
    questions_of,
    selection_of,
)
from graphagg.rag.question.rescoring import RERANKED, Recency, Rescoring
from graphagg.rag.question.results import DocumentHit, Explanation, Hit, Hits
from graphagg.rag.question.selection import Selection
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.spark.frames import passages_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_EVERYTHING = Selection()


class RequestOptions(TypedDict, total=False):
    """How a question is answered: options of `Asking.retrieve`, which explains them."""

    mode: Mode
    config: Config | None
    filter: Mapping[str, Any] | None
    include: Sequence[str] | None
    exclude: Sequence[str]
    bridge_through_filtered: bool
    as_of: When | None
    recency: Recency | None
    reranker: Reranker | None
    rerank_first: int


class RetrieveOptions(RequestOptions, total=False):
    """The options of `Asking.retrieve`."""

    window: int
    min_score: float | None


@dataclass(frozen=True)
class Request:
    """How questions are answered: the mode with its settings, what is visible, what is added.

    Attributes:
        mode: by name.
        config: its settings; None: its defaults.
        selection: what is visible.
        rescoring: what is added to scores.
        window: how many chunks on each side a hit brings along.
        min_score: what scores less is left out; None: nothing.
    """

    mode: Mode
    config: Config | None
    selection: Selection
    rescoring: Rescoring
    window: int
    min_score: float | None

    @classmethod
    def of(
        cls,
        mode: Mode = "multihop",
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
    ) -> Request:
        """From the options of `Asking.retrieve`, and with its errors."""
        integer("window", window, 0)
        check_min_score(min_score)
        selection = selection_of(filter, include, exclude, bridge_through_filtered, as_of)
        rescoring = Rescoring(recency, reranker, rerank_first, selection.as_of)
        return cls(mode, config, selection, rescoring, window, min_score)

    def retriever(self, snapshot: Snapshot) -> AnyRetriever:
        """The retriever of the mode over what a version has visible."""
        return retriever_of(snapshot, self.selection, self.mode, self.config)


class Asking(Opened):
    """The questions of a `PassageIndex`."""

    def retrieve(
        self,
        question: str,
        k: int = 5,
        *,
        mode: Mode = "multihop",
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
            mode: `multihop` follows links between passages; `broad` covers several themes of the
                corpus, `auto` chooses between the two by the question; `linearrag` is LinearRAG as
                published; `dense` ranks by cosine, `bm25` by words alone, `rrf` by both. The former
                names `best` (`multihop`) and `faithful` (`linearrag`) are taken too.
            config: `MultihopConfig` for `multihop`, `BroadConfig` for `broad`, `LinearRAGConfig`
                for `linearrag` (`PRESETS`); None: the defaults, for `multihop` those of the index's
                profile.
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
        return self.retrieve_batch(
            [question], k, mode=mode, config=config, filter=filter, include=include,
            exclude=exclude, bridge_through_filtered=bridge_through_filtered, as_of=as_of,
            recency=recency, reranker=reranker, rerank_first=rerank_first, window=window,
            min_score=min_score,
        )[0]  # fmt: skip

    def retrieve_batch(
        self,
        questions: Iterable[str],
        k: int = 5,
        **options: Unpack[RetrieveOptions],
    ) -> list[Hits]:
        """Retrieve for many questions by one call of the model; the same answers as one by one.

        Takes the options of `retrieve`. Scores of `linearrag` are the same to 1e-8: a block of
        questions is walked together.
        """
        request = Request.of(**options)
        asked = questions_of(questions)
        check_request(asked, k)
        snapshot, models = self._version.snapshot, self._version.models
        retriever = request.retriever(snapshot)
        if not asked:
            return []
        encoded = ask(retriever, asked, models)
        answers = retriever.answer(encoded, k, request.min_score, request.rescoring)
        if not request.window:
            return [Hits(hits) for hits in answers]
        visible = snapshot.mask(request.selection)
        return [
            Hits(with_neighbors(snapshot, hit, request.window, visible) for hit in hits)
            for hits in answers
        ]

    def retrieve_on_spark(
        self,
        frame: DataFrame,
        column: str = "question",
        k: int = 5,
        **options: Unpack[RetrieveOptions],
    ) -> DataFrame:
        """`retrieve` for a column of questions: a row a hit, as a lazy DataFrame.

        Each worker opens the index and loads its models once. The executors see its directory by
        the same path, or it is one of a store. Takes the options of `retrieve`.

        Args:
            frame: its columns are kept; `rank` (from 1), `passage` (an id), `score`, `title` and
                `text` come after them.
            column: of the questions.
            k: as for `retrieve`.
            options: of `retrieve`.
        """
        Request.of(**options).retriever(self.snapshot)  # raises for what it does not take
        given = {**options, "k": integer("k", k, 1)}
        return passages_frame(frame, self, column, self._given, given)

    async def aretrieve(
        self,
        question: str,
        k: int = 5,
        **options: Unpack[RetrieveOptions],
    ) -> Hits:
        """`retrieve` in a thread of its own, for callers with an event loop."""
        import asyncio  # here, as it takes longer to load than a question takes

        return await asyncio.to_thread(self.retrieve, question, k, **options)

    def retrieve_documents(
        self, question: str, k: int = 5, *, chunks: int = 10, **options: Unpack[RetrieveOptions]
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
        **options: Unpack[RequestOptions],
    ) -> Explanation:
        """Why a passage is, or is not, among the `k` best for a question.

        Takes the options of `retrieve` but `window` and `min_score`.

        Raises:
            UnknownPassage: there is no such passage.
            GraphAggError: what `retrieve` raises.
        """
        request = Request.of(**options)
        check_request([question], k)
        snapshot, models = self._version.snapshot, self._version.models
        retriever = request.retriever(snapshot)
        row = snapshot.known_row(passage_id)
        (asked,) = ask(retriever, [question], models)
        return retriever.explain(asked, row, k, request.rescoring)

    def retriever(
        self,
        mode: Mode = "multihop",
        config: Config | None = None,
        selection: Selection = _EVERYTHING,
    ) -> AnyRetriever:
        """The stages of answering one by one, over the opened version."""
        return retriever_of(self.snapshot, selection, mode, config)


def with_neighbors(snapshot: Snapshot, hit: Hit, window: int, visible: Mask) -> Hit:
    """A hit with the visible chunks up to `window` places beside it in its document."""
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, window, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))
