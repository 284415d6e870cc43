"""The token budget `max_tokens`: the best passages that fit, and whole sentences of the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphagg.rag.models.by_rule.extractor import sentences
from graphagg.rag.question.excerpts import Span, tokens_of
from graphagg.rag.question.results import Hit


def fitting_hits(hits: Iterable[Hit], max_tokens: int) -> list[Hit]:
    """Return the first hits with at most `max_tokens` in total; the last one may be cut."""
    chosen = list[Hit]()
    for hit in hits:
        text = hit.passage.text
        if tokens_of(text) > max_tokens:
            span = whole_sentences(text, hit.match, max_tokens)
            return chosen if span is None else [*chosen, replace(hit, span=span)]
        chosen.append(hit)
        max_tokens -= tokens_of(text)
    return chosen


def whole_sentences(text: str, match: Span, max_tokens: int) -> Span | None:
    """Return a matching sentence with the sentences around it that fit, later sentences first.

    Returns None if the match alone does not fit.
    """
    others = [each for each in sentences(text) if each[1] <= match.start or each[0] >= match.end]
    spans = sorted([match, *map(Span._make, others)])
    first = last = spans.index(match)

    def fits(first: int, last: int) -> bool:
        return tokens_of(text[spans[first].start : spans[last].end]) <= max_tokens

    if not fits(first, last):
        return None
    while True:
        if last + 1 < len(spans) and fits(first, last + 1):
            last += 1
        elif first and fits(first - 1, last):
            first -= 1
        else:
            span = Span(spans[first].start, spans[last].end)
            return span if span.end > span.start else None
