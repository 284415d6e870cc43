"""Answers questions: picks the retriever of a mode and turns its ranking into hits.

`answers` reads and encodes questions. `answer` makes the hits of one question: it ranks a follow-up
by both readings, removes equal texts, applies recency and versions, computes the confidence, and
finds the matching sentences. To add a mode, write a `Retriever`, and a line here and in `Mode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from graphagg.arrays import Mask
from graphagg.errors import InvalidParameter
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.tokens import CODE, name_words
from graphagg.rag.modes.confidence import JUDGED, confidence_of, features_of
from graphagg.rag.modes.follow_up import rank_follow_up
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import BM25, RRF, Dense
from graphagg.rag.modes.protocol import (
    EncodedQuestion,
    PassageSource,
    Ranking,
    Retriever,
    closest_lines,
    sentence_span,
)
from graphagg.rag.operations.order import HitOrder
from graphagg.rag.parts.snapshot import JoinedSnapshot, JoinedView
from graphagg.rag.parts.source import JoinedSource
from graphagg.rag.question.budget import fitting_hits
from graphagg.rag.question.request import Request, check_request, questions_of
from graphagg.rag.question.results import Hit, Hits
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View
from graphagg.store.reading import names_damage

_LOADED: dict[Mode, type[Retriever]] = {
    "multihop": Multihop, "rrf": RRF, "dense": Dense, "bm25": BM25,
}  # fmt: skip


def retriever_of(mode: Mode) -> type[Retriever]:
    """Return the retriever class of a mode; `linearrag` is imported only when it is used."""
    if mode == "linearrag":
        from graphagg.rag.modes.linearrag.mode import LinearRAG

        return LinearRAG
    return _LOADED[mode]


@names_damage
def retriever_for(snapshot: PassageSnapshot, request: Request) -> Retriever:
    """Make the retriever of the request's mode over the visible passages.

    Raises:
        InvalidParameter: `config` belongs to another mode, ids are not a list, or `as_of` or
            `recency` is set and no passage has a date.
        InvalidFilter: the filter has an unknown key or a value of another type.
    """
    config, retriever = request.config, retriever_of(request.mode)
    if request.mode == "linearrag" and isinstance(snapshot, JoinedSnapshot):
        raise InvalidParameter("mode is 'linearrag', which needs one index; merge the parts")
    if request.recency is not None:
        snapshot.check_dates("recency")
    view, config_type = snapshot.view_of(request.selection), retriever.config_type
    if config_type is MultihopConfig and config is None:
        config = snapshot.multihop_config(view)
    elif config_type is not None and config is None:
        config = config_type()
    if config_type is not None and not isinstance(config, config_type):
        raise InvalidParameter(
            f"config is a {type(config).__name__}, {request.mode!r} needs a {config_type.__name__}"
        )
    return retriever(source_of(snapshot, view), config)


def source_of(snapshot: PassageSnapshot, view: View) -> PassageSource:
    """Return the source of one index, or of several parts."""
    if isinstance(snapshot, JoinedSnapshot) and isinstance(view, JoinedView):
        return JoinedSource(snapshot, view)
    return PassageSource(snapshot, view)


@names_damage
def answers(
    snapshot: PassageSnapshot, questions: Iterable[str], k: int, request: Request
) -> list[Hits]:
    """Answer questions; the model encodes them in one call."""
    texts = questions_of(questions)
    check_request(texts, k)
    retriever = retriever_for(snapshot, request)
    if not texts:
        return []
    return [answer(retriever, each, k, request) for each in encode(retriever, texts, request)]


def encode(
    retriever: Retriever, questions: Sequence[str], request: Request
) -> list[list[EncodedQuestion]]:
    """Read and encode the readings of questions, one thread at a time."""
    models, readings = retriever.snapshot.models, [request.readings(each) for each in questions]
    with models.lock:
        read = retriever.read([text for texts in readings for text in texts], models)
        encoded = iter(retriever.encode(read, models))
    return [[next(encoded) for _ in texts] for texts in readings]


@names_damage
def answer(
    retriever: Retriever, readings: Sequence[EncodedQuestion], k: int, request: Request
) -> Hits:
    """Find the `k` best passages for a question, best first, without duplicate texts.

    `readings` are the encoded `Request.readings` of the question.
    """
    if not retriever.view.passages:
        return Hits(confidence=None if retriever.mode == "bm25" else 0.0)
    ranking = distinct_hits(retriever, readings, k)
    hits = rescored(ranking, readings[0].text, k, request)
    confidence = ranking.confidence(k)
    if confidence is not None and confidence < (request.min_confidence or 0.0):
        return Hits((), confidence)
    if request.min_score is not None:
        hits = [hit for hit in hits if hit.score >= request.min_score]
    if len(retriever.snapshot.families.when):
        hits = list(map(HitOrder(retriever, readings[0].text).labeled, hits))
    hits = add_distinguishing_paths(matched(retriever, readings[0], hits))
    if request.max_tokens is not None:
        hits = fitting_hits(hits, request.max_tokens)
    elif request.neighbors:
        visible = retriever.view.visible
        hits = [_with_neighbors(retriever.snapshot, h, request.neighbors, visible) for h in hits]
    return Hits(hits, confidence)


class DistinctHits:
    """The hits of a ranking that have distinct texts, each with the ids of its copies.

    Attributes:
        read: number of hits of the ranking that were read.
    """

    def __init__(self, retriever: Retriever, ranking: Ranking) -> None:
        self.retriever, self.ranking, self.read = retriever, ranking, 0
        self._hits, self._is_all = list[Hit](), False

    def take(self, n: int) -> list[Hit]:
        """Return the first `n` hits, or all if there are fewer."""
        count = n
        while len(self._hits) < n and not self._is_all:
            hits = self.ranking.take(count)
            self._hits, copied = self._without_copies(hits)
            self.read, self._is_all = count, len(hits) < count
            more = n + len(copied)  # more than before, since every dropped hit is a copy
            self._is_all |= len(self._hits) < n and more <= count  # copies of damaged values
            count = more
        return self._hits[:n]

    def _without_copies(self, hits: Iterable[Hit]) -> tuple[list[Hit], set[str]]:
        snapshot, visible = self.retriever.snapshot, self.retriever.view.visible
        distinct, copied = list[Hit](), set[str]()
        for hit in hits:
            if hit.passage.id not in copied:
                rows = snapshot.copies(snapshot.known_row(hit.passage.id), visible)
                copies = tuple(snapshot.corpus.id(row) for row in rows)
                copied.update(copies)
                distinct.append(replace(hit, copies=copies) if copies else hit)
        return distinct, copied

    def features(self) -> dict[str, float] | None:
        """Compute the features of `graphagg.rag.modes.confidence`; None without hits or vectors."""
        scores, hits, snapshot = self.ranking.scores, self.take(JUDGED), self.retriever.snapshot
        if scores is None or not hits:
            return None
        rows = [snapshot.known_row(hit.passage.id) for hit in hits]
        view, families = self.retriever.view, snapshot.families
        foreign, spread = snapshot.is_foreign(view), self.ranking.spread
        has_versions = any(families.versions(row, view.visible) for row in rows)
        return features_of(scores, hits, rows, spread, foreign, has_versions, view.passages)

    def confidence(self, k: int) -> float | None:
        """Return the confidence of the first `k` hits; None in a mode without vectors."""
        scores, features = self.ranking.scores, self.features()
        if scores is None or features is None:
            return None if scores is None else 0.0
        return confidence_of(
            features, self.retriever.snapshot.profile if scores.has_vector else None, k
        )


def distinct_hits(
    retriever: Retriever, readings: Sequence[EncodedQuestion], k: int
) -> DistinctHits:
    """Rank passages for a question; a follow-up is ranked by both readings."""
    if len(readings) == 1:
        return DistinctHits(retriever, retriever.rank(readings[0], k))
    question, with_history = readings
    return DistinctHits(retriever, rank_follow_up(retriever, question, with_history, k))


def rescored(ranking: DistinctHits, question: str, k: int, request: Request) -> list[Hit]:
    """Return the `k` best hits after recency and the reordering of repeats and versions.

    Each change is a component of the score and also counts in the last hop's contribution.
    """
    orders_versions, as_of = request.versions == "auto", request.selection.as_of
    hits = _recent(ranking, k, request)
    order = HitOrder(ranking.retriever, question, ranking.ranking.scores, as_of)
    pool = order.pool(hits, orders_versions)  # more hits are made only where needed
    if len(hits) == k < pool:
        hits = _recent(ranking, pool, request)
    return order.ordered(hits, k, orders_versions) if pool else hits[:k]


def _recent(ranking: DistinctHits, count: int, request: Request) -> list[Hit]:
    """Return the `count` best hits by score plus recency, which adds at most its weight.

    We can stop once the remaining hits score lower by at least that weight.
    """
    recency = request.recency
    if recency is None:
        return ranking.take(count)
    now, retriever = request.selection.as_of, ranking.retriever
    if now is None:
        now = retriever.snapshot.newest(retriever.view.visible)
    if now is None:  # no passage has a date
        return ranking.take(count)
    limit = 2 * count
    while True:
        before = ranking.take(limit)
        hits = _ordered(
            hit.with_part("recency", recency.gain(hit.passage.metadata.get(WHEN), now))
            for hit in before
        )[:count]
        # Hits beyond `limit` score at most as much as the last one, and gain at most the weight.
        if len(before) < limit or hits[-1].score >= before[-1].score + recency.weight:
            return hits
        limit *= 2


def _ordered(hits: Iterable[Hit]) -> list[Hit]:
    """Sort hits, best first; ties go to the lower id."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id.encode()))


def matched(retriever: Retriever, question: EncodedQuestion, hits: Sequence[Hit]) -> list[Hit]:
    """Set the span of the sentence closest to the question in each hit."""
    if not hits:
        return []
    snapshot, passages = retriever.snapshot, [hit.passage for hit in hits]
    rows = [snapshot.known_row(passage.id) for passage in passages]
    sentences = retriever.closest(question, np.array(rows, np.int64), passages)
    with_match = []
    for hit, row, sentence in zip(hits, rows, sentences, strict=True):
        hit = replace(hit, match=sentence_span(snapshot.corpus, row, sentence, hit.passage))
        if CODE in hit.passage.text:
            hit = replace(hit, match=closest_lines(snapshot, row, hit, question.text))
        with_match.append(hit)
    return with_match


def _with_neighbors(snapshot: PassageSnapshot, hit: Hit, count: int, visible: Mask) -> Hit:
    """Add the visible chunks at most `count` positions from a hit in its document."""
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, count, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))


_COMPARED = 50  # hits


def add_distinguishing_paths(hits: Sequence[Hit]) -> list[Hit]:
    """Add to each hit the words of its file path that similar paths of other hits lack.

    Two paths are similar if they share half of their words. Only the first hits are compared.
    """
    paths = [str(hit.passage.metadata.get("path", "")) for hit in hits]
    words = {path: name_words(path) for path in paths[:_COMPARED]}
    apart = dict[str, tuple[str, ...]]()
    for path, own in words.items():
        others = [each for each in words.values() if each != own]
        similar = [each for each in others if 3 * len({*own} & {*each}) >= len(own) + len(each)]
        apart[path] = tuple(word for word in own if not all(word in each for each in similar))
    pairs = zip(hits, paths, strict=True)
    return [replace(hit, apart=apart[path]) if apart.get(path) else hit for hit, path in pairs]
