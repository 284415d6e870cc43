"""Answers to questions from one version of an index, and why a passage is or is not a hit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphagg.arrays import Mask
from graphagg.rag.modes.protocol import Asked
from graphagg.rag.modes.registry import AnyRetriever, retriever_of
from graphagg.rag.opened.version import Version
from graphagg.rag.question.checks import check_request, questions_of
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import DocumentHit, Explanation, Hit, Hits
from graphagg.rag.snapshot.snapshot import Snapshot


def retriever_for(version: Version, request: Request) -> AnyRetriever:
    """The retriever of the request's mode over the passages that it leaves visible."""
    return retriever_of(version.snapshot, request.selection, request.mode, request.config)


def answers(version: Version, questions: Iterable[str], k: int, request: Request) -> list[Hits]:
    """Answer questions by one call of the model; see `PassageIndex.retrieve_batch`."""
    asked = questions_of(questions)
    check_request(asked, k)
    retriever = retriever_for(version, request)
    if not asked:
        return []
    encoded = _encode(retriever, asked, version)
    answered = retriever.answer(encoded, k, request.min_score, request.rescoring)
    if not request.window:
        return [Hits(hits) for hits in answered]
    snapshot = version.snapshot
    visible = snapshot.mask(request.selection)
    return [
        Hits(_with_neighbors(snapshot, hit, request.window, visible) for hit in hits)
        for hits in answered
    ]


def explanation(
    version: Version, question: str, passage_id: str, k: int, request: Request
) -> Explanation:
    """Explain the rank of a passage; see `PassageIndex.explain`."""
    check_request([question], k)
    retriever = retriever_for(version, request)
    row = version.snapshot.known_row(passage_id)
    (encoded,) = _encode(retriever, [question], version)
    return retriever.explain(encoded, row, k, request.rescoring)


def by_document(hits: Iterable[Hit], k: int) -> list[DocumentHit]:
    """Group hits by document; each document scores as its best hit.

    Args:
        hits: best first. A passage without a document is a document of its own, also where another
            document has its id.
        k: number of documents.
    """
    grouped: dict[tuple[bool, str], list[Hit]] = {}
    for hit in hits:
        alone = not hit.passage.document
        name = hit.passage.id if alone else hit.passage.document
        grouped.setdefault((alone, name), []).append(hit)
    return [
        DocumentHit(name, group[0].score, tuple(group))
        for (_, name), group in list(grouped.items())[:k]
    ]


def _encode(retriever: AnyRetriever, questions: Sequence[str], version: Version) -> list[Asked]:
    """Read and encode questions; threads take turns at the models."""
    models = version.models
    with models.lock:
        encoded: list[Asked] = retriever.encode(retriever.read(questions, models), models)
    return encoded


def _with_neighbors(snapshot: Snapshot, hit: Hit, window: int, visible: Mask) -> Hit:
    """Add the visible chunks up to `window` positions before and after a hit in its document."""
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, window, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))
