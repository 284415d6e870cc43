"""Methods that answer and explain questions, for an index or for several parts as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Unpack

from graphagg.rag.modes.protocol import Retriever
from graphagg.rag.operations.answering import (
    DistinctHits,
    answer,
    answers,
    distinct_hits,
    encode,
    matched,
    rescored,
    retriever_for,
)
from graphagg.rag.question.request import Request, RequestFields, check_request
from graphagg.rag.question.results import Explanation, Hit, Hits
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.store.reading import names_damage

_DEFAULT = Request()


class Retrieval(ABC):
    """Answers questions from the opened version."""

    @property
    @abstractmethod
    def _version(self) -> PassageSnapshot:
        """The opened version; raises `IndexClosed`."""

    def retrieve(
        self,
        question: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Hits:
        """Retrieve the `k` best passages for a question, best first.

        Args:
            question: at most 10,000 characters.
            k: number of passages with distinct texts; a hit lists other visible passages with the
                same text as `copies`.
            request: mode, visible passages and more; see `Request`.
            fields: fields of `Request`, such as `mode="bm25"`; they override `request`.

        Raises:
            InvalidQuestion: the question is empty, too long, or not a string.
            InvalidParameter: `k` or a field is out of range, `config` belongs to another mode, or
                `as_of` or `recency` is set and no passage has a date.
            InvalidVectors: the encoder returned values that are not finite.
            InvalidFilter: the filter has an unknown key or a value of another type.
            ModelMismatch: the installed model is not the one of the build.
        """
        return answers(self._version, [question], k, request.with_fields(**fields))[0]

    def retrieve_batch(
        self,
        questions: Iterable[str],
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> list[Hits]:
        """Retrieve for many questions with one call of the model.

        Scores equal those of `retrieve` to 1e-5.
        """
        return answers(self._version, questions, k, request.with_fields(**fields))

    async def aretrieve(
        self,
        question: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Hits:
        """Run `retrieve` in a thread, for callers with an event loop."""
        import asyncio  # imported here, since the import takes longer than a question

        return await asyncio.to_thread(self.retrieve, question, k, request, **fields)

    def explain(
        self,
        question: str,
        passage_id: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Explanation:
        """Explain why a passage is, or is not, among the `k` best for a question.

        Arguments are those of `retrieve`; `neighbors`, `max_tokens` and `min_score` have no effect.

        Raises:
            UnknownPassage: the passage does not exist.
            GraphAggError: the errors of `retrieve`.
        """
        request = request.with_fields(**fields)
        return explanation(self._version, question, passage_id, k, request)

    def retriever(self, request: Request = _DEFAULT, **fields: Unpack[RequestFields]) -> Retriever:
        """Make the retriever of a request, to run its stages one by one."""
        return retriever_for(self._version, request.with_fields(**fields))


_READ = 50  # number of hits that are searched for the passage
_MOVED = frozenset(("version", "repeats"))


@names_damage
def explanation(
    snapshot: PassageSnapshot, question: str, passage_id: str, k: int, request: Request
) -> Explanation:
    """Explain why a passage is, or is not, among the `k` best."""
    check_request([question], k)
    retriever = retriever_for(snapshot, request)
    row = snapshot.known_row(passage_id)
    (readings,) = encode(retriever, [question], request)
    if not retriever.view.visible[row]:
        threshold = _threshold(answer(retriever, readings, k, _DEFAULT))
        reason = f"passage {passage_id!r} is left out by the filter"
        return Explanation(question, None, k, reason, None, threshold)
    ranking = distinct_hits(retriever, readings, k)
    plain = _explained(ranking, readings[0].text, row, k)
    explanation = _rescored(ranking, plain, passage_id, request)
    assert explanation.hit is not None, "a visible passage has a score"
    hit = matched(retriever, readings[0], [explanation.hit])[0]
    return replace(explanation, question=question, hit=hit)


def _explained(ranking: DistinctHits, question: str, row: int, k: int) -> Explanation:
    """Explain a visible passage by the ranking of its mode only."""
    retriever, hits = ranking.retriever, ranking.take(k)
    identifier, threshold = retriever.snapshot.corpus.id(row), _threshold(hits)
    rank, hit = _rank_in(hits, identifier)
    if hit is not None and hit.passage.id != identifier:
        reason = f"rank {rank}: it has the very text of passage {hit.passage.id!r}"
    elif hit is not None:
        reason = f"rank {rank}: {ranking.ranking.reason(row) or f'ranked by {retriever.mode}'}"
    elif missed := ranking.ranking.missed(row, ranking.read):
        hit, reason = missed
        if threshold is not None:
            reason += f"; it scores {hit.score:.4f}, the last hit {threshold:.4f}"
    else:
        rank, hit = _rank_in(ranking.take(len(retriever.snapshot)), identifier)
        reason = f"rank {rank}: {k} passages score higher"
    return Explanation(question, rank, k, reason, hit, threshold)


def _rescored(
    ranking: DistinctHits, plain: Explanation, identifier: str, request: Request
) -> Explanation:
    """Explain the rank of a passage after changes for recency and versions."""
    k, additions = plain.k, "recency" if request.recency else "other files or versions first"
    hits = rescored(ranking, plain.question, max(k, _READ), request)
    threshold, (rank, hit) = _threshold(hits[:k]), _rank_in(hits, identifier)
    if not request.recency and (hit is None or _MOVED.isdisjoint(hit.components)):
        return plain
    if hit is None:
        reason = f"not among the {len(hits)} first with {additions}: {plain.reason}"
        return replace(plain, rank=None, reason=reason, threshold=threshold)
    if rank is not None and rank > k:
        reason = f"{k} passages score higher with {additions}"
        return replace(plain, rank=None, reason=reason, hit=hit, threshold=threshold)
    reason = f"rank {rank}: ranked by {ranking.retriever.mode} with {additions}"
    return replace(plain, rank=rank, reason=reason, hit=hit, threshold=threshold)


def _threshold(hits: Sequence[Hit]) -> float | None:
    """The score of the last hit."""
    return hits[-1].score if hits else None


def _rank_in(hits: Sequence[Hit], identifier: str) -> tuple[int | None, Hit | None]:
    """Return rank (from 1) and hit of a passage or a copy of it; None if it is not there."""
    for rank, hit in enumerate(hits, start=1):
        if identifier in (hit.passage.id, *hit.copies):
            return rank, hit
    return None, None
