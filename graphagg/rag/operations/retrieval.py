"""Answers to questions from one version of an index, by the retriever of the mode.

To add a mode, write a `Retriever` and add a line here and in `Mode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from graphagg.arrays import Mask
from graphagg.errors import InvalidParameter
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import BM25, RRF, Dense
from graphagg.rag.modes.protocol import EncodedQuestion, Retriever
from graphagg.rag.operations.version import PassageVersion
from graphagg.rag.question.request import Request, check_request, questions_of
from graphagg.rag.question.results import Explanation, Hit, Hits
from graphagg.rag.snapshot.snapshot import PassageSnapshot

AnyRetriever = Retriever[Any, Any, Any]
_LOADED: dict[Mode, type[AnyRetriever]] = {
    "multihop": Multihop, "rrf": RRF, "dense": Dense, "bm25": BM25,
}  # fmt: skip


def retriever_of(mode: Mode) -> type[AnyRetriever]:
    """The class of a mode; `linearrag` is imported only when it is used."""
    if mode == "linearrag":
        from graphagg.rag.modes.linearrag.mode import LinearRAG

        return LinearRAG
    return _LOADED[mode]


def retriever_for(version: PassageVersion, request: Request) -> AnyRetriever:
    """The retriever of the request's mode over the visible passages.

    Raises:
        InvalidParameter: `config` belongs to another mode, or ids are not a list.
        InvalidFilter: the filter has an unknown key or a value of another type.
    """
    snapshot, config, retriever = version.snapshot, request.config, retriever_of(request.mode)
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
    version: PassageVersion, questions: Iterable[str], k: int, request: Request
) -> list[Hits]:
    """Answer questions with one call of the model."""
    texts = questions_of(questions)
    check_request(texts, k)
    retriever = retriever_for(version, request)
    if not texts:
        return []
    encoded = _encode(retriever, texts, version, request)
    answered = retriever.answer(encoded, k, request)
    if not request.window:
        return answered
    snapshot = version.snapshot
    visible = snapshot.mask(request.selection)
    return [
        Hits(
            (with_neighbors(snapshot, hit, request.window, visible) for hit in hits),
            hits.confidence,
        )
        for hits in answered
    ]


def explanation(
    version: PassageVersion, question: str, passage_id: str, k: int, request: Request
) -> Explanation:
    """Explain the rank of a passage."""
    check_request([question], k)
    retriever = retriever_for(version, request)
    row = version.snapshot.known_row(passage_id)
    (encoded,) = _encode(retriever, [question], version, request)
    return replace(retriever.explain(encoded, row, k, request.rescoring), question=question)


def _encode(
    retriever: AnyRetriever, questions: Sequence[str], version: PassageVersion, request: Request
) -> list[EncodedQuestion]:
    """Read and encode questions, one thread at a time."""
    models, readings = version.models, [request.readings(question) for question in questions]
    with models.lock:
        read = retriever.read([text for texts in readings for text in texts], models)
        encoded = iter(retriever.encode(read, models))
    return [followed([next(encoded) for _ in texts]) for texts in readings]


def followed(readings: Sequence[Any]) -> Any:
    """Join the encoded readings of a question (`Request.readings`) into one."""
    alone, *behind = readings
    return replace(alone, behind=behind[0]) if behind else alone


def with_neighbors(snapshot: PassageSnapshot, hit: Hit, window: int, visible: Mask) -> Hit:
    """Add the visible chunks within `window` positions of a hit in its document."""
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, window, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))
