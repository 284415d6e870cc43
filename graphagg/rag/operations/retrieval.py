"""Answers to questions from one version of an index, by the retriever of the mode.

To add a mode, write a `Retriever` and add a line here and in `Mode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphagg.errors import InvalidParameter
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import BM25, RRF, Dense
from graphagg.rag.modes.protocol import EncodedQuestion, Retriever
from graphagg.rag.operations.answering import answer
from graphagg.rag.question.request import Request, check_request, questions_of
from graphagg.rag.question.results import Explanation, Hits
from graphagg.rag.snapshot.snapshot import PassageSnapshot

_LOADED: dict[Mode, type[Retriever]] = {
    "multihop": Multihop, "rrf": RRF, "dense": Dense, "bm25": BM25,
}  # fmt: skip


def retriever_of(mode: Mode) -> type[Retriever]:
    """The class of a mode; `linearrag` is imported only when it is used."""
    if mode == "linearrag":
        from graphagg.rag.modes.linearrag.mode import LinearRAG

        return LinearRAG
    return _LOADED[mode]


def retriever_for(snapshot: PassageSnapshot, request: Request) -> Retriever:
    """The retriever of the request's mode over the visible passages.

    Raises:
        InvalidParameter: `config` belongs to another mode, or ids are not a list.
        InvalidFilter: the filter has an unknown key or a value of another type.
    """
    config, retriever = request.config, retriever_of(request.mode)
    view, config_type = snapshot.view_of(request.selection), retriever.config_type
    if config_type is MultihopConfig and config is None:
        config = snapshot.multihop_config(view)
    elif config_type is not None and config is None:
        config = config_type()
    if config_type is not None and not isinstance(config, config_type):
        raise InvalidParameter(
            f"config is a {type(config).__name__}, {request.mode!r} needs a {config_type.__name__}"
        )
    return retriever(snapshot, view, config)


def answers(
    snapshot: PassageSnapshot, questions: Iterable[str], k: int, request: Request
) -> list[Hits]:
    """Answer questions with one call of the model."""
    texts = questions_of(questions)
    check_request(texts, k)
    retriever = retriever_for(snapshot, request)
    if not texts:
        return []
    return [answer(retriever, each, k, request) for each in _encode(retriever, texts, request)]


def explanation(
    snapshot: PassageSnapshot, question: str, passage_id: str, k: int, request: Request
) -> Explanation:
    """Explain the rank of a passage."""
    from graphagg.rag.operations.explaining import explain

    check_request([question], k)
    retriever = retriever_for(snapshot, request)
    row = snapshot.known_row(passage_id)
    (readings,) = _encode(retriever, [question], request)
    return replace(explain(retriever, readings, row, k, request), question=question)


def _encode(
    retriever: Retriever, questions: Sequence[str], request: Request
) -> list[list[EncodedQuestion]]:
    """Read and encode the readings of questions, one thread at a time."""
    models, readings = retriever.snapshot.models, [request.readings(each) for each in questions]
    with models.lock:
        read = retriever.read([text for texts in readings for text in texts], models)
        encoded = iter(retriever.encode(read, models))
    return [[next(encoded) for _ in texts] for texts in readings]
