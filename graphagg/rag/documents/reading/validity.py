"""Splits a document at its sections that are valid from a date: they are versions of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from graphagg.rag.documents.dates import DATED_BY, undated, valid_from
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.passages import TRAIL, trail
from graphagg.rag.documents.reading.document import Document, Link, Mark


def by_validity(document: Document) -> Iterator[Document]:
    """Yield a document without its sections "valid from" a date, and each of these as a document.

    Two sections at least must have one heading, except for the date, below the same headings.

    Examples:
        >>> from graphagg.rag.documents.reading.document import Mark
        >>> marks = (Mark(0, ("Valid from 2023",)), Mark(9, ("Valid from May 2025",)))
        >>> parts = by_validity(Document("fees.md", "Ten euro. Twelve.", marks=marks))
        >>> [(part.text, part.metadata["when"]) for part in parts]
        [('Ten euro.', '2023-01-01'), (' Twelve.', '2025-05-01')]
    """
    sections = [_dated(mark.heading) for mark in document.marks]
    families: dict[str, set[tuple[str, ...]]] = {}
    for section in filter(None, sections):
        name = trail(document.id, (*section[:-1], undated(section[-1])))
        families.setdefault(name, set()).add(section)
    family = {each: name for name, own in families.items() if len(own) > 1 for each in own}
    edges = [0, *(mark.offset for mark in document.marks), len(document.text)]
    spans: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for section, span in zip([(), *sections], pairwise(edges), strict=True):
        spans.setdefault(section if section in family else (), []).append(span)
    for section, own_spans in spans.items():
        part = _part(document, own_spans, len(section)) if family else document
        if section:
            name, title = f"{document.id}/{TRAIL.join(section)}", trail(document.title, section)
            dates = {WHEN: valid_from(section[-1]), DATED_BY: "heading"}
            metadata = {"version_of": family[section], **document.metadata, **dates}
            part = replace(part, id=name, title=title, metadata=metadata)
        if part.text.strip() or not family:
            yield part


def _dated(heading: tuple[str, ...]) -> tuple[str, ...]:
    """A heading with those above it, down to one that states a date; () without."""
    lengths = (n for n, each in enumerate(heading, 1) if valid_from(each))
    return heading[: next(lengths, 0)]


def _part(document: Document, spans: Sequence[tuple[int, int]], depth: int) -> Document:
    """Some spans of a document, in order, without the `depth` outermost headings."""
    text, anchors = "", dict[str, int]()
    marks, links = list[Mark](), list[Link]()
    for start, end in spans:
        shift, is_last = len(text) - start, end == len(document.text)
        inside = range(start, end + is_last)
        text += document.text[start:end]
        for mark in document.marks:
            if mark.offset in inside:
                marks.append(
                    mark._replace(offset=mark.offset + shift, heading=mark.heading[depth:])
                )
        links += [e._replace(offset=e.offset + shift) for e in document.links if e.offset in inside]
        anchors |= {name: at + shift for name, at in document.anchors.items() if at in inside}
    return replace(document, text=text, marks=tuple(marks), links=tuple(links), anchors=anchors)
