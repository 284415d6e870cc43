"""Split documents into passages at sentence boundaries.

A document that fits in one chunk stays one passage and keeps its id. A passage with a `document`
field is already a chunk and is not split. A chunk consists of whole sentences, up to `max_words`
words. It ends before the last heading in its second half, else at the last paragraph break there,
else at the last sentence that fits, and not in a heading if it has other text. Exceptions:

- A code block counts as a sentence; a longer one is split between lines. A table row also counts as
  a sentence (see `table_heads`). A longer sentence is split between words into similar pieces.
- If a document has marks, a chunk holds one section, a part of one, or short adjacent sections
  under one parent (siblings, or a section and its direct subsections). Headings without text
  belong to the next section.
- A last chunk with fewer than `min_words` words is joined to the previous one.

A word is a run without white space; in scripts without spaces (Chinese, Japanese, Thai) it is two
characters. A blank line, a heading or a list item starts a new sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import accumulate, groupby, islice, pairwise, takewhile
from operator import itemgetter
from typing import Any, NamedTuple

from graphagg.checks import integer
from graphagg.errors import DuplicateId, EmptyCorpus, InvalidParameter
from graphagg.rag.documents.passages import Passage, checked_passage, iterable, trail
from graphagg.rag.documents.reading.document import Document, Mark, mark_at
from graphagg.rag.documents.tokens import UNSPACED, code_blocks
from graphagg.rag.models.by_rule.extractor import sentences as sentences_by_rule
from graphagg.rag.models.table_heads import TextTable, tables_of

_WORD = re.compile(rf"(?:[{UNSPACED}][^\w\s]*){{1,2}}|[^\s{UNSPACED}]+")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n|[\f\u2029]")
_HEADING = re.compile(r"^ {0,3}#{1,6}[^\S\n]\S?.*$", re.MULTILINE)
_ITEM = re.compile(r"^[^\S\n\t]*(?:[-*+\u2022]|\d{1,3}[.)])[^\S\n]", re.MULTILINE)


@dataclass(frozen=True)
class ChunkConfig:
    """Limits on the length of chunks.

    Attributes:
        max_words: maximum number of words in a chunk.
        min_words: a last chunk with fewer words is joined to the previous chunk.

    Examples:
        >>> ChunkConfig(max_words=80)
        ChunkConfig(max_words=80, min_words=20)
    """

    max_words: int = 150
    min_words: int = 20

    def __post_init__(self) -> None:
        integer("max_words", self.max_words, 1)
        integer("min_words", self.min_words, 0)
        if self.min_words > self.max_words:
            raise InvalidParameter(
                f"min_words is {self.min_words}, expected at most max_words ({self.max_words})"
            )


DEFAULT_CHUNKING = ChunkConfig()


class _UnitStart(IntEnum):
    """What starts at a sentence: a paragraph, a section or nothing."""

    NOTHING = 0
    PARAGRAPH = 1
    SECTION = 2


class _Sentence(NamedTuple):
    """A sentence without the white space around it: `text[start:end]`."""

    start: int
    end: int
    words: int
    opens: _UnitStart
    heading: bool


class _ChunkSpan(NamedTuple):
    """A chunk `text[start:end]` under `heading`; `head`: header of the table in which it starts."""

    start: int
    end: int
    heading: tuple[str, ...]
    head: Sequence[str] = ()


Source = Passage | Document | Mapping[str, Any]
"""A document to split: `id`, `text`, optional `title`, `metadata`; a `Document` also has marks."""


def chunk_documents(
    documents: Iterable[Source], config: ChunkConfig | None = DEFAULT_CHUNKING
) -> Iterator[Passage]:
    """Split documents into passages, one document at a time, in near linear time.

    A chunk's id is the document's id, `#` and the chunk's position. Its text is a part of the
    document's text. Its title is the document's title and, if the document has marks, the headings
    shared by the whole chunk: "Travel policy > Trains". If it starts inside a table of a plain text
    or PDF, the title also has the header lines: caption, unit and columns. Its metadata are those
    of the document plus `heading` (a list, outermost first), `page`, `anchor`, and with offsets
    `links`, `anchors` and, if heading or page change inside it, `marks`; see `Hit.place`.

    Args:
        documents: the result of `read_passages`, or mappings with `id`, `text`, ...
        config: the limits; None does not split documents.

    Raises:
        InvalidPassage: a document is invalid or has no text.
        DuplicateId: two documents, or a chunk and a document, have the same id.
        EmptyCorpus: there are no documents.

    Examples:
        >>> document = {"id": "d", "text": "Ada was born. Ada wrote. Ada died."}
        >>> limits = ChunkConfig(max_words=5, min_words=0)
        >>> [(chunk.id, chunk.text) for chunk in chunk_documents([document], limits)]
        [('d#0', 'Ada was born. Ada wrote.'), ('d#1', 'Ada died.')]
    """
    for passages in split_documents(documents, config):
        yield from passages


def split_documents(
    documents: Iterable[Source], config: ChunkConfig | None
) -> Iterator[list[Passage]]:
    """Like `chunk_documents`, but yield one list of passages per document."""
    taken: dict[str, str] = {}  # ids of documents and chunks -> the document of a new chunk, or ""
    for position, source in enumerate(iterable(documents)):
        where = f"passage {position}"
        passages = split(source, config, where)
        names = {passages[0].id: ""}
        if len(passages) > 1:
            names = {passages[0].document: "", **{p.id: p.document for p in passages}}
        for name in filter(taken.__contains__, names):
            if document := names[name] or taken[name]:
                raise DuplicateId(clash(name, document, name, where))
            raise DuplicateId(
                f"{where}: id {name!r} was used before; ids must be unique in a corpus"
            )
        taken |= names
        yield passages
    if not taken:
        raise EmptyCorpus("the corpus holds no passages; give at least one")


def split(source: Source, config: ChunkConfig | None, where: str) -> list[Passage]:
    """Split one document into chunks; `where` is its name in error messages."""
    read = source if isinstance(source, Document) else Document("", "")
    document = checked_passage(source.record if isinstance(source, Document) else source, where)
    text = document.text
    headings = {mark.heading for mark in read.marks}
    spans = [_ChunkSpan(0, len(text), headings.pop() if len(headings) == 1 else ())]
    if config is not None and not document.document:
        words = _WORD.finditer(text)
        if next(islice(words, config.max_words, None), None) is not None:  # more than one chunk?
            tables = list(tables_of(text)) if isinstance(source, Document) else []
            spans = _spans(text, config, read.marks, tables)
    metadata = _metadata_of(read, document.metadata, spans)
    if len(spans) == 1:
        return [replace(document, metadata=next(metadata))]
    return [
        Passage(
            f"{document.id}#{position}",
            text[span.start : span.end],
            trail(document.title, (*span.heading, *span.head)),
            next(metadata),
            document.id,
            position,
        )
        for position, span in enumerate(spans)
    ]


def _metadata_of(
    read: Document, metadata: Mapping[str, Any], spans: Sequence[_ChunkSpan]
) -> Iterator[dict[str, Any]]:
    """Yield the metadata of each chunk; the document's own values take precedence.

    A link or anchor between two chunks is assigned to the later one.
    """
    links, anchors = deque(read.links), deque(sorted(read.anchors.items(), key=itemgetter(1)))
    anchor = ""  # last anchor before or at the start of the chunk
    for span in spans:
        marks = _marks_in(read, span)
        own: dict[str, Any] = {"heading": list(span.heading)} if span.heading else {}
        own |= {} if marks[0].page is None else {"page": marks[0].page}
        is_one = len(marks) == 1 and marks[0].heading == span.heading
        if not is_one and metadata.keys().isdisjoint(own):
            own["marks"] = [
                [max(0, mark.offset - span.start), list(mark.heading), mark.page] for mark in marks
            ]
        targets: dict[str, int] = {}
        while links and (links[0].offset < span.end or span is spans[-1]):
            link = links.popleft()
            target = f"{link.target}#{link.anchor}" if link.anchor else link.target
            targets.setdefault(target, max(0, link.offset - span.start))
        names: dict[str, int] = {}
        while anchors and (anchors[0][1] < span.end or span is spans[-1]):
            name, offset = anchors.popleft()
            names[name] = max(0, offset - span.start)
        first = next((name for name, at in names.items() if not at), anchor)
        own |= {"anchor": first} if first else {}
        anchor = next(reversed(names), anchor)
        own |= ({"links": targets} if targets else {}) | ({"anchors": names} if names else {})
        yield {**own, **metadata}


def _marks_in(read: Document, span: _ChunkSpan) -> list[Mark]:
    """Return the mark that applies at the start of a chunk, then the marks inside it."""
    first = bisect_right(read.marks, span.start, key=lambda mark: mark.offset)
    last = bisect_left(read.marks, span.end, key=lambda mark: mark.offset)
    return [mark_at(read.marks, span.start), *read.marks[first:last]]


def _shared(headings: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the common prefix of heading paths."""
    levels = zip(*headings, strict=False)
    return tuple(names[0] for names in takewhile(lambda names: len({*names}) == 1, levels))


def clash(chunk: str, document: str, other: str, where: str) -> str:
    """Return the error message for a chunk whose id is also the id of another document."""
    return (
        f"{where}: chunk {chunk!r} of document {document!r} has the id of document {other!r}; "
        "rename one of the documents"
    )


def _spans(
    text: str, config: ChunkConfig, marks: Sequence[Mark], tables: Sequence[TextTable]
) -> list[_ChunkSpan]:
    """Return the chunks of a text, with character offsets."""
    sentences = list(_sentences(text, config.max_words, marks, tables))
    spans = []
    for heading, group in _groups(sentences, marks, config.max_words):
        for first, last in _chunks(group, config):
            start, end = group[first].start, group[last - 1].end
            at = bisect_right(tables, start, key=lambda table: table.start)
            head = next((t.head for t in tables[:at][-1:] if start < t.end), ())
            spans.append(_ChunkSpan(start, end, heading, head))
    return spans


def _groups(
    sentences: Sequence[_Sentence], marks: Sequence[Mark], longest: int
) -> Iterator[tuple[tuple[str, ...], list[_Sentence]]]:
    """Group sentences by section; merge adjacent sections of one parent up to `longest` words.

    Yields the headings shared by the whole group, and its sentences.
    """
    group: list[_Sentence] = []
    paths: list[tuple[str, ...]] = []
    for path, section in _sections_with_text(sentences, marks):
        depth = len(_shared([*paths, path]))
        are_near = all(len(each) <= depth + 1 for each in (*paths, path))
        words = sum(sentence.words for sentence in (*group, *section))
        if group and not (are_near and words <= longest):
            yield _shared(paths), group
            group, paths = [], []
        group, paths = group + section, [*paths, path]
    if group:
        yield _shared(paths), group


def _sections_with_text(
    sentences: Sequence[_Sentence], marks: Sequence[Mark]
) -> Iterator[tuple[tuple[str, ...], list[_Sentence]]]:
    """Yield headings and sentences of each section; sections without text join the next one."""
    waiting: list[_Sentence] = []
    path: tuple[str, ...] = ()
    for path, run in groupby(sentences, key=lambda s: mark_at(marks, s.start).heading):
        waiting += run
        if not waiting[-1].heading:
            yield path, waiting
            waiting = []
    if waiting:
        yield path, waiting


def _sentences(
    text: str, longest: int, marks: Sequence[Mark], tables: Sequence[TextTable]
) -> Iterator[_Sentence]:
    """Split a text at sentences, table rows and layout; drop only white space."""
    headings = dict(match.span() for match in _HEADING.finditer(text))
    headings |= _marked_headings(text, marks)
    before = [(), *(mark.heading for mark in marks)]  # a page break alone starts no section
    changes = {m.offset for m, last in zip(marks, before, strict=False) if m.heading != last}
    sections = headings.keys() | changes
    opening = sections | {match.end() for match in _PARAGRAPH.finditer(text)}
    opening |= {table.start for table in tables}
    cuts = {row for table in tables for row in table.rows}
    cuts.update(start for start, _ in sentences_by_rule(text))
    items = {match.start() for match in _ITEM.finditer(text)}
    codes = dict(code_blocks(text))
    edges = sorted(
        {0, len(text), *opening, *headings.values(), *items, *cuts, *codes, *codes.values()}
    )
    opens = _UnitStart.PARAGRAPH
    for start, end in pairwise(edges):
        if start in opening:
            opens = max(opens, _UnitStart.SECTION if start in sections else _UnitStart.PARAGRAPH)
        if start in codes:
            yield from _code_pieces(text, start, end, longest, opens)
            opens = _UnitStart.NOTHING
            continue
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = left + len(piece.strip())
        if left < right:
            yield from _pieces(text, left, right, longest, opens, start in headings)
            opens = _UnitStart.NOTHING


def _code_pieces(
    text: str, start: int, end: int, longest: int, opens: _UnitStart
) -> Iterator[_Sentence]:
    """Yield a code block; split it between lines if it has more than `longest` words."""
    first, count = start, 0
    for line in text[start:end].splitlines(keepends=True):
        words = sum(1 for _ in _WORD.finditer(line))
        if count and count + words > longest:
            yield _Sentence(first, start, count, opens, False)
            first, count, opens = start, 0, _UnitStart.NOTHING
        start += len(line)
        count += words
    if count:
        yield _Sentence(first, end, count, opens, False)


def _marked_headings(text: str, marks: Sequence[Mark]) -> dict[int, int]:
    """Return `{start: end}` of the lines in the text that are marked headings."""
    spans = {}
    for mark in marks:
        last = mark.offset + len(mark.heading[-1]) + 16 if mark.heading else mark.offset
        line = text[mark.offset : last].split("\n", 1)[0]
        if mark.heading and line.strip(" \t#") == mark.heading[-1]:
            spans[mark.offset] = mark.offset + len(line)
    return spans


def _pieces(
    text: str, start: int, end: int, longest: int, opens: _UnitStart, heading: bool
) -> Iterator[_Sentence]:
    """Yield a sentence; split it into similar pieces if it has more than `longest` words."""
    words = [match.span() for match in _WORD.finditer(text, start, end)]
    count = -(-len(words) // longest)
    bounds = [len(words) * i // count for i in range(count + 1)]
    for first, last in pairwise(bounds):
        yield _Sentence(words[first][0], words[last - 1][1], last - first, opens, heading)
        opens, heading = _UnitStart.NOTHING, False


def _chunks(sentences: Sequence[_Sentence], config: ChunkConfig) -> list[tuple[int, int]]:
    """Group sentences into chunks `(first, end)`, as indices of sentences."""
    total = [0, *accumulate(sentence.words for sentence in sentences)]
    chunks: list[tuple[int, int]] = []
    end = 0
    while end < len(sentences):
        start, end = end, _end(sentences, total, end, config.max_words)
        chunks.append((start, end))
    while len(chunks) > 1 and total[-1] - total[chunks[-1][0]] < config.min_words:
        chunks[-2:] = [(chunks[-2][0], len(sentences))]
    return chunks


def _end(sentences: Sequence[_Sentence], total: Sequence[int], start: int, longest: int) -> int:
    """Return the end of the chunk that starts at sentence `start`."""
    end = start + 1
    while end < len(sentences) and total[end + 1] - total[start] <= longest:
        end += 1
    if end == len(sentences):
        return end
    at_paragraph = None
    for cut in range(end, start, -1):
        if 2 * (total[cut] - total[start]) < longest:
            break
        if sentences[cut].opens and not sentences[cut - 1].heading:
            if sentences[cut].opens is _UnitStart.SECTION:
                return cut
            at_paragraph = at_paragraph or cut
    if at_paragraph is not None:
        return at_paragraph
    cut = end
    while cut > start and sentences[cut - 1].heading:
        cut -= 1
    return cut if cut > start else end
