"""The arrays of a passage index; `indices/README.md` documents each of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from graphagg.arrays import offsets
from graphagg.errors import CorruptArtifact
from graphagg.rag.documents.languages import CODES
from graphagg.rag.tables.segments import MEASURED, segment_prefix
from graphagg.rag.tables.view import IS_TITLE
from graphagg.store import Artifact
from graphagg.store.layout import ANY_END, NARROW, ArrayRule, Arrays, array, bounds, strings

_ROWS = 1 << 16  # passages whose mentions are checked at once


def check_layout(artifact: Artifact) -> None:
    """Check dtypes and shapes, and declare checks of values; raises `CorruptArtifact`."""
    manifest = artifact.manifest
    segments = range(min(manifest.counts["segments"], len(manifest.files)))
    sizes = artifact.declare(rule for i in segments for rule in _of_segment(i))
    rows = sum(sizes[f"P{i}"] for i in segments)
    artifact.declare(_of_all(rows), [partial(_check_sentences, segments), _check_view])
    for count, where in (
        (manifest.counts["passages"], "manifest.json"),
        (int(artifact.array("view.counts")[0]), "view.counts.npy"),
    ):
        if count != sizes["alive"]:
            raise CorruptArtifact(
                f"{artifact.folder}: {where} has {count} passages, expected {sizes['alive']}; "
                "build the index again"
            )


def _check_sentences(segments: range, array_of: Arrays) -> tuple[str, str] | None:
    """Check that the sentence of each mention exists in its passage."""
    bounds, sentence = array_of("gazetteer.bounds"), array_of("gazetteer.sentence")
    of_segments = (array_of(f"{segment_prefix(i)}sentences.bounds") for i in segments)
    sentences = np.concatenate([np.diff(ends) for ends in of_segments])
    for low in range(0, len(sentences), _ROWS):
        ends = bounds[low : low + _ROWS + 1]
        rows = np.flatnonzero(ends[1:] > ends[:-1])
        largest = np.maximum.reduceat(sentence[: ends[-1]], ends[rows]) if len(rows) else rows
        if (largest >= sentences[low + rows]).any():
            return "gazetteer.sentence", "refers to a sentence that its passage lacks"
    return None


def _check_view(array_of: Arrays) -> tuple[str, str] | None:
    """Check that the counts and titles of the view match its ties."""
    names = ("gazetteer.pair_bounds", "view.tie", "view.df", "view.titled")
    bounds, tie, df, titled = map(array_of, names)
    differs, first = "differs from view.tie.npy", 0
    for low in range(0, len(df), _ROWS):
        ends = bounds[low : low + _ROWS + 1]
        ties = tie[ends[0] : ends[-1]]
        titles = ends[0] + np.flatnonzero(ties & IS_TITLE)
        if not np.array_equal(titles, titled[first : first + len(titles)]):
            return "view.titled", differs
        first += len(titles)
        counts = offsets(ties > 0)[ends - ends[0]]
        if not np.array_equal(np.diff(counts), df[low : low + _ROWS]):
            return "view.df", differs
    return None if first == len(titled) else ("view.titled", differs)


def _of_segment(i: int) -> Iterator[ArrayRule]:
    """Yield rules of segment i: P passages, S sentences, F entities; `Segment` checks vectors."""
    prefix = segment_prefix(i)
    p, s, f = (f"{letter}{i}" for letter in "PSF")
    for column in ("ids", "titles", "metadata", "documents"):
        yield from strings(f"{prefix}passages.{column}", p)
    yield array(f"{prefix}passages.texts.zlib", "|u1", f"text{i}")
    yield array(f"{prefix}passages.texts.blocks", "<i8", f"blocks{i}", 2)
    yield bounds(f"{prefix}passages.texts.offsets", p, ANY_END)
    yield array(f"{prefix}passages.positions", "<i4", p)
    yield array(f"{prefix}passages.digests", "|u1", p, 32)
    yield array(f"{prefix}passages.text_digests", "<u8", p)
    for name, count in (("sentences", s), ("found", f)):
        yield bounds(f"{prefix}{name}.bounds", p, count)
        yield array(f"{prefix}{name}", NARROW, count, 2, least=0)
    yield bounds(f"{prefix}windows.bounds", p, ANY_END)
    yield array(f"{prefix}{MEASURED}", "<f8", 2, optional=True)


def _of_all(rows: int) -> Iterator[ArrayRule]:
    """Yield rules of all other arrays: E entities, m mentions, k entity-passage pairs, T terms."""
    yield array("rows.alive", "|b1", rows)
    yield array("rows.rank", "<i4", rows, least=-1, below=rows)
    for order in ("by_id", "by_text"):
        yield array(f"rows.{order}", "<i4", "alive", least=0, below=rows)
    yield from strings("entities.keys", "E")
    yield array("gazetteer.kind", "|u1", "E")
    yield array("gazetteer.title_tokens", NARROW, rows, least=0)
    yield bounds("gazetteer.bounds", rows, "m")
    yield array("gazetteer.entity", "<i4", "m", least=0, below="E")
    for column, dtypes in (("start", NARROW), ("length", "|u1"), ("sentence", NARROW)):
        yield array(f"gazetteer.{column}", dtypes, "m", least=0)
    yield array("gazetteer.flags", "|u1", "m")
    yield bounds("gazetteer.pair_bounds", "E", "k")
    yield array("gazetteer.row", "<i4", "k", least=0, below=rows, rows="gazetteer.pair_bounds")
    yield array("gazetteer.count", NARROW, "k", least=0)
    yield array("gazetteer.pair_flags", "|u1", "k")
    yield from strings("lexicon.terms", "T")
    yield bounds("lexicon.bounds", "T", "postings")
    yield array("lexicon.rows", "<i4", "postings", least=0, below=rows, rows="lexicon.bounds")
    yield array("lexicon.counts", NARROW, "postings", least=0)
    yield array("lexicon.context", "|u1", "postings")
    yield array("lexicon.lengths", "<i4", rows, least=0)
    yield array("lexicon.languages", "|u1", rows, least=0, below=len(CODES), optional=True)
    yield array("view.title", "|b1", "E")
    yield array("view.df", "<i4", "E", least=0, below=rows + 1)
    yield array("view.mentions", "|u1", "m")
    yield array("view.tie", "|u1", "k")
    yield array("view.titled", "<i8", "titled", least=0, below="k")
    yield array("view.counts", "<i8", 2, least=0)
    yield array("families.member", "<i4", rows, least=-1, below="members")
    yield bounds("families.bounds", "families", "members")
    yield array("families.when", "<i8", "members")
    yield array("families.changed", "|b1", "members")
    yield array("families.version", "<i8", "members", least=0)
    yield array("families.successor", "<i4", "members", least=-1, below="members")
    yield array("families.file", "<u8", "members")
    yield array("families.links", "<u8", "members", "links")
