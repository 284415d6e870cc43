"""Gazetteer and lexicon of a build are those that plain Python reads out of the passages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings

from graphagg.rag import Passage
from graphagg.rag.documents.languages import language_of_text
from graphagg.rag.documents.tokens import is_capital
from graphagg.rag.tables.gazetteer import DEFINES, kind_of
from graphagg.rag.tables.mentions import (
    CAPITAL,
    INITIAL,
    TITLE,
    RowTokens,
    found_keys,
    linked_keys,
    title_keys,
)
from tests.fakes import InMemory
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, corpora

Mention = tuple[int, int, int, str, int, int]
"""Row, start, minus the length, key, sentence and flags: in the order of the gazetteer."""


def mentions_of(index: InMemory, passages: list[Passage]) -> list[Mention]:
    """Every place of every key, by looking at every run of tokens."""
    spans = index.corpus.segments[0].entities
    tokens = [RowTokens.of(passage) for passage in passages]
    named = [
        [
            *found_keys(tokens[row], passage.full_text, spans.row(row).tolist()),
            *linked_keys(passage, tokens[row]),
        ]
        for row, passage in enumerate(passages)
    ]
    titles = [title_keys(passage.title) for passage in passages]
    keys = {each.key for row in named for each in row} | {key for row in titles for key in row}
    mentions: list[Mention] = []
    for row, passage in enumerate(passages):
        t = tokens[row]
        found: dict[tuple[int, int, str], set[int]] = {}
        for f in named[row]:  # a passage may link to itself: its target and the link
            found.setdefault((f.start, f.length, f.key), set()).add(f.flags)
        places = set(found)
        for begin, end in ((0, t.titles), (t.titles, len(t.words))):
            runs = ((i, j) for i in range(begin, end) for j in range(i + 1, end + 1))
            some = {(i, j - i, " ".join(t.words[i:j])) for i, j in runs}
            places |= {place for place in some if place[2] in keys}
        begins = index.corpus.segments[0].sentences.row(row)[:, 0]
        for start, length, key, own in [(*p, f) for p in places for f in found.get(p, {0})]:
            capital = any(is_capital(passage.full_text[a]) for a, _ in t.spans[start:][:length])
            flags = CAPITAL if capital or start < t.titles else 0
            if start < t.titles:
                flags |= TITLE
                flags |= titles[row].get(key, 0)
            flags |= own
            at, before = (
                max(int(np.searchsorted(begins, t.spans[i][0], side="right")) - 1, 0)
                for i in (start, max(start - 1, 0))
            )
            sentence = at
            text = passage.full_text[t.spans[start - 1][1] if start else 0 : t.spans[start][0]]
            opens = any(mark in text for mark in "\n\t|:;") or any(
                a.isspace() and b.isspace() for a, b in pairwise(text)
            )
            first = start == t.titles or (start > t.titles and (at != before or opens))
            line = passage.full_text[: t.spans[start][0]].rpartition("\n")[2]
            in_code = start >= t.titles and line.startswith("\t")
            if (capital and first) or in_code:
                flags |= INITIAL
            mentions.append((row, start, -length, key, sentence, flags))
    defined = {m[3] for m in mentions if m[5] & DEFINES}  # a code in small letters alone is none
    kept = [m for m in mentions if m[3] in defined]
    return sorted(kept, key=lambda m: (*m[:3], m[3].encode()))


@settings(deadline=None, max_examples=30)
@given(corpora("abcdefgh"))
def test_the_gazetteer_has_every_place_of_every_name(passages: list[Passage]) -> None:
    index = InMemory.of(passages, ENCODER, EXTRACTOR)
    g, expected = index.gazetteer, mentions_of(index, passages)
    rows = np.repeat(np.arange(len(passages)), np.diff(g.bounds))
    columns = (g.start, -g.length.astype(int), g.entity, g.sentence, g.flags)
    found = [
        (row, start, length, g.keys[entity], sentence, flags)
        for row, start, length, entity, sentence, flags in zip(
            rows.tolist(), *(column.tolist() for column in columns), strict=True
        )
    ]
    assert found == expected
    assert {m[3] for m in expected} == set(g.keys)
    assert g.kind.tolist() == [kind_of(key.split(" "), index.analyzers) for key in g.keys]
    pairs = Counter((m[3].encode(), m[0]) for m in expected)
    entity = np.repeat(np.arange(len(g.keys)), np.diff(g.pair_bounds)).tolist()
    assert [(g.keys.raw(e), row) for e, row in zip(entity, g.row.tolist(), strict=True)] == sorted(
        pairs
    )
    assert g.count.tolist() == [pairs[pair] for pair in sorted(pairs)]
    for i, (key, row) in enumerate(sorted(pairs)):
        flags = [m[5] for m in expected if m[3].encode() == key and m[0] == row]
        assert g.pair_flags[i] == np.bitwise_or.reduce(flags)


@settings(deadline=None, max_examples=30)
@given(corpora("abcdefgh"))
def test_the_lexicon_counts_every_stem(passages: list[Passage]) -> None:
    index = InMemory.of(passages, ENCODER, EXTRACTOR)
    lexicon, counts = index.lexicon, {}
    for row, passage in enumerate(passages):
        code = language_of_text(passage.full_text)
        t, stem = RowTokens.of(passage), index.analyzers.for_language(code).stem
        of_all = Counter(map(stem, [*t.words, *t.inner]))
        context, above = {*map(stem, t.context)}, {}
        for word, size in t.headings.items():
            above[stem(word)] = min(size, above.get(stem(word), 127))
        assert lexicon.lengths[row] == of_all.total()
        counts |= {
            (term, row): (of_all[term], 128 * (term in context) + above.get(term, 0))
            for term in {*of_all, *context}
        }
    assert list(lexicon.terms) == sorted({term for term, _ in counts}, key=str.encode)
    found = {}
    for term in lexicon.terms:
        postings = lexicon.find(term)
        assert postings is not None and postings.rows.tolist() == sorted(postings.rows.tolist())
        columns = (postings.rows, postings.counts, postings.context)
        for row, count, context in zip(*(column.tolist() for column in columns), strict=True):
            found[term, row] = count, context
    assert found == counts
