"""The methods that answer questions: of an index, and of several parts that answer as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Unpack

from graphagg.rag.modes.protocol import Retriever
from graphagg.rag.operations import answering
from graphagg.rag.question.request import Request, RequestFields
from graphagg.rag.question.results import Explanation, Hits
from graphagg.rag.snapshot.snapshot import PassageSnapshot

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
        return answering.answers(self._version, [question], k, request.with_fields(**fields))[0]

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
        return answering.answers(self._version, questions, k, request.with_fields(**fields))

    async def aretrieve(
        self,
        question: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Hits:
        """Run `retrieve` in a thread, for callers with an event loop."""
        import asyncio  # here, as it takes longer to load than a question takes

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
        from graphagg.rag.operations.explaining import explanation

        request = request.with_fields(**fields)
        return explanation(self._version, question, passage_id, k, request)

    def retriever(self, request: Request = _DEFAULT, **fields: Unpack[RequestFields]) -> Retriever:
        """Make the retriever of a request, to run its stages one by one."""
        return answering.retriever_for(self._version, request.with_fields(**fields))
