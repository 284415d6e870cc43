"""Split a document at sections that are valid from a date: they are versions of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from graphagg.rag.documents.dates import DATED_BY, undated, valid_from
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.reading.document import Document, Link, Mark


def by_validity(document: Document) -> Iterator[Document]:
    """Yield a document without its sections "valid from" a date, and each such section by itself.

    At least two sections must have the same heading, except for the date, below the same headings.

    Examples:
        >>> marks = (Mark(0, ("Valid from 2023",)), Mark(9, ("Valid from May 2025",)))
        >>> parts = by_validity(Document("fees.md", "Ten euro. Twelve.", marks=marks))
        >>> [(part.text, part.metadata["when"]) for part in parts]
        [('Ten euro.', '2023-01-01'), (' Twelve.', '2025-05-01')]
    """
    sections = [(), *(_dated(mark.heading) for mark in document.marks)]
    family = {s: "/".join((document.id, *s[:-1], undated(s[-1]))) for s in sections if s}
    sizes = Counter(family.values())
    edges = [0, *(mark.offset for mark in document.marks), len(document.text)]
    spans: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for section, span in zip(sections, pairwise(edges), strict=True):
        is_version = section and sizes[family[section]] > 1
        spans.setdefault(section if is_version else (), []).append(span)
    for section, own in spans.items():
        part = _part(document, own) if len(spans) > 1 else document
        if section:
            dates = {WHEN: valid_from(section[-1]), DATED_BY: "heading"}
            metadata = {"version_of": family[section], **document.metadata, **dates}
            part = replace(part, id="/".join((document.id, *section)), metadata=metadata)
        if part.text.strip() or len(spans) == 1:
            yield part


def _dated(heading: tuple[str, ...]) -> tuple[str, ...]:
    """Return the headings from the top to the first that states a date; () if none does."""
    return heading[: next((n for n, each in enumerate(heading, 1) if valid_from(each)), 0)]


def _part(document: Document, spans: Sequence[tuple[int, int]]) -> Document:
    """Return a document with only these spans of the text, in order."""
    text, marks, links, anchors = "", list[Mark](), list[Link](), dict[str, int]()
    for start, end in spans:
        shift, inside = len(text) - start, range(start, end + (end == len(document.text)))
        text += document.text[start:end]
        marks += [e._replace(offset=e.offset + shift) for e in document.marks if e.offset in inside]
        links += [e._replace(offset=e.offset + shift) for e in document.links if e.offset in inside]
        anchors |= {name: at + shift for name, at in document.anchors.items() if at in inside}
    return replace(document, text=text, marks=tuple(marks), links=tuple(links), anchors=anchors)
