"""Chunks: nothing is lost, nothing is added, and each rule of the module holds."""

from __future__ import annotations

from itertools import pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import DuplicateId, InvalidParameter, InvalidPassage
from graphagg.rag.documents.passages import Passage, as_passage, passage_digest
from graphagg.rag.documents.reading.document import Document, Mark, mark_at
from graphagg.rag.models.chunking import ChunkConfig, chunk_documents
from graphagg.rag.models.table_heads import tables_of
from graphagg.rag.question.excerpts import Place, place_of

WORDS = st.text("xyzé", min_size=2, max_size=6)  # no initials, no titles
SENTENCES = st.lists(WORDS, min_size=1, max_size=12).map(lambda ws: " ".join(ws).capitalize() + ".")
ANY_TEXT = st.one_of(
    st.text(max_size=300), st.text("aB .!?\n#-1日本。กิ\u0301'\")\u3000", max_size=300)
).filter(str.strip)


@st.composite
def configs(draw: st.DrawFn) -> ChunkConfig:
    longest = draw(st.integers(1, 40))
    return ChunkConfig(longest, draw(st.integers(0, longest)))


def texts_of(text: str, config: ChunkConfig) -> list[str]:
    return [p.text for p in chunk_documents([Passage("d", text)], config)]


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT, configs())
def test_every_character_is_kept_in_order(text: str, config: ChunkConfig) -> None:
    chunks = texts_of(text, config)
    assert all(chunks) and chunks == texts_of(text, config)
    if chunks != [text]:  # else it fitted in one chunk, and so stayed as it is
        assert chunks == [chunk.strip() for chunk in chunks]
    assert "".join("".join(chunks).split()) == "".join(text.split())


@settings(max_examples=150, deadline=None)
@given(st.text("ab .!?\n#-", max_size=400).filter(str.strip), configs())
def test_no_chunk_is_over_the_limit(text: str, config: ChunkConfig) -> None:
    sizes = [len(chunk.split()) for chunk in texts_of(text, config)]
    assert all(size <= config.max_words for size in sizes[:-1])
    assert sizes[-1] <= config.max_words + max(config.min_words - 1, 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(SENTENCES, min_size=1, max_size=30), configs())
def test_a_chunk_takes_all_sentences_that_fit(sentences: list[str], config: ChunkConfig) -> None:
    numbered = [f"S{i} {s}" for i, s in enumerate(sentences)]
    sizes = [len(s.split()) for s in numbered]
    if max(sizes) > config.max_words:
        return
    chunks = texts_of(" ".join(numbered), config)
    spans = [
        [i for i in range(len(numbered)) if f"{numbered[i]} " in f"{chunk} "] for chunk in chunks
    ]
    for left, right in pairwise(spans):
        assert right[0] == left[-1] + 1
        assert sum(sizes[left[0] : right[0] + 1]) > config.max_words
    if len(spans) > 1:
        assert sum(sizes[spans[-2][-1] + 1 :]) >= config.min_words


def test_ids_titles_and_metadata() -> None:
    document = {"id": "d", "title": "T", "text": "One two. Three four. Five six.", "year": 3}
    chunks = list(chunk_documents([document], ChunkConfig(4, 2)))
    assert chunks == [
        Passage("d#0", "One two. Three four.", "T", {"year": 3}, "d", 0),
        Passage("d#1", "Five six.", "T", {"year": 3}, "d", 1),
    ]
    whole = list(chunk_documents([document]))
    assert whole == [Passage("d", document["text"], "T", {"year": 3})]
    assert list(chunk_documents([document], None)) == whole
    assert list(chunk_documents(chunks, None)) == chunks


def test_paragraphs_and_headings_are_kept_together() -> None:
    text = "One two three. Four five.\n\nSix seven eight. Nine ten. Eleven twelve."
    assert texts_of(text, ChunkConfig(8, 0)) == [
        "One two three. Four five.",
        "Six seven eight. Nine ten. Eleven twelve.",
    ]
    text = "One two three. Four five six.\n# Seven\nEight nine ten. Eleven twelve.\n"
    assert texts_of(text, ChunkConfig(9, 0)) == [
        "One two three. Four five six.",
        "# Seven\nEight nine ten. Eleven twelve.",
    ]
    text = "One.\n# Two\n\nThree four five six seven."  # the heading is not left behind
    assert texts_of(text, ChunkConfig(7, 0)) == ["One.", text[5:]]
    headings = "# One\n# Two\n# Three"
    assert texts_of(headings, ChunkConfig(4, 0)) == ["# One\n# Two", "# Three"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith met J. S. Bach of the U.S. Army.",
        "Er kam am 3. Oktober zu Prof. Weber.",
        '"Stop!" she cried, and he did.',
        "It cost 3.5 million, e.g. in 1999.",
        "Mme. Curie reçut deux prix ?",
        "ماري كوري هل تعرفها؟",
        "दिल्ली भारत की राजधानी है।",
    ],
)
def test_one_sentence_is_not_split(sentence: str) -> None:
    size = len(sentence.split())
    assert texts_of(f"{sentence} {sentence}", ChunkConfig(size, 0)) == [sentence, sentence]


def test_scripts_without_spaces() -> None:
    sentences = ["東京は日本の首都です。", "「大阪は大きい。」", "京都は古い。"]
    assert texts_of("".join(sentences), ChunkConfig(6, 0)) == sentences
    thai = "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย" * 30
    chunks = texts_of(thai, ChunkConfig(30, 0))
    assert "".join(chunks) == thai and len(chunks) > 10
    assert all(len(chunk) < 100 for chunk in chunks)


def test_long_sentences_are_cut_at_words_and_long_words_never() -> None:
    text = " ".join(f"word{i}" for i in range(25))
    assert [len(chunk.split()) for chunk in texts_of(text, ChunkConfig(10, 5))] == [8, 8, 9]
    word = "x" * 100_000
    assert texts_of(f"{word} {word}", ChunkConfig(1, 0)) == [word, word]


@pytest.mark.parametrize(
    ("unit", "count"),
    [
        ("Hello there world. ", 60_000),
        (".", 10**6),
        ("#", 10**6),
        (" \n", 500_000),
        ('."', 500_000),
    ],
)
def test_a_megabyte(unit: str, count: int) -> None:
    """With a step of quadratic cost, each of these takes hours."""
    text = "x" + unit * count + "x"
    chunks = texts_of(text, ChunkConfig())
    assert sum(len("".join(chunk.split())) for chunk in chunks) == len("".join(text.split()))


def test_documents_are_read_one_by_one() -> None:
    read = []

    def documents() -> object:
        for name in "ab":
            read.append(name)
            yield Passage(name, "Text.")

    chunks = chunk_documents(documents())  # type: ignore[arg-type]
    assert next(chunks).id == "a" and read == ["a"]


def test_faults_are_named() -> None:
    with pytest.raises(InvalidPassage, match=r"passage 1: passage 'b' has text str ' \\n'"):
        list(chunk_documents([Passage("a", "x"), {"id": "b", "text": " \n"}]))
    with pytest.raises(DuplicateId, match="passage 1: id 'a' was used before"):
        list(chunk_documents([Passage("a", "x"), Passage("a", "y")]))
    clash = "chunk 'a#0' of document 'a' has the id of document 'a#0'"
    two = ChunkConfig(1, 0)
    for names in (["a", "a#0"], ["a#0", "a"]):
        with pytest.raises(DuplicateId, match=clash):
            list(chunk_documents((Passage(name, "x y") for name in names), two))
        assert [p.id for p in chunk_documents(Passage(name, "x") for name in names)] == names
    ids = [p.id for p in chunk_documents((Passage(n, "x y") for n in ("a", "a#2")), two)]
    assert ids == ["a#0", "a#1", "a#2#0", "a#2#1"]


TABLE = """Acme Corporation
Consolidated Statement of Cash Flows
(Millions) 2018 2017
Cash Flows from Operating Activities
Net income $ 5,363 $ 4,869
Depreciation 1,488 (1,544)
Cash Flows from Investing Activities
Purchases of plants — (1,373)
Other — net 9 (6) %
The notes are an integral part of these statements and of all that follows them.
By region 2018 2017
North 1 2
"""


def test_rows_of_a_table_carry_its_head_and_are_not_cut() -> None:
    first, second = tables_of(TABLE)
    assert (first.head, second.head) == (TABLE.splitlines()[:4], ["By region 2018 2017"])
    assert [TABLE[row:].split("\n")[0] for row in first.rows] == TABLE.splitlines()[4:9]
    assert TABLE[first.start : first.end] == "".join(TABLE.splitlines(keepends=True)[:9])
    for words in (8, 12, 20):
        chunks = list(chunk_documents([Document("d", TABLE)], ChunkConfig(words, 0)))
        starts = [TABLE.index(chunk.text) for chunk in chunks]
        titles = [chunk.title for chunk in chunks]
        for start, title in zip(starts, titles, strict=True):
            inside = [t.head for t in (first, second) if t.start <= start < t.end]
            assert title == " > ".join(inside[0] if inside else [])
        assert {row for row in first.rows if row in starts}
        lines = {line for chunk in chunks for line in chunk.text.split("\n")}
        assert {TABLE[row:].split("\n")[0] for row in first.rows + second.rows} <= lines
    plain = list(chunk_documents([Passage("d", TABLE)], ChunkConfig(8, 0)))
    assert not any(chunk.title for chunk in plain)  # no file, no table


@given(st.lists(SENTENCES, min_size=1, max_size=30), configs())
def test_what_fits_and_what_is_a_chunk_already_stays_as_it_is(
    sentences: list[str], config: ChunkConfig
) -> None:
    text = "  " + " ".join(sentences) + "\n"
    alone, chunk = Passage("d", text, "T", {"a": 1}), Passage("c", text, "", {}, "doc", 7)
    assert list(chunk_documents([chunk], config)) == [chunk]
    assert list(chunk_documents([alone], None)) == [alone]
    passages = list(chunk_documents([alone], config))
    if len(text.split()) <= config.max_words:
        assert passages == [alone]
    else:
        assert passages == [alone] or [p.id for p in passages] == [
            f"d#{position}" for position in range(len(passages))
        ]


LEVELS = st.lists(
    st.tuples(st.sampled_from((0, 0, 1, 1, 2, 3)), SENTENCES), min_size=2, max_size=20
)


def marked(parts: list[tuple[int, str]]) -> tuple[str, list[Mark]]:
    """Each part is a sentence of its own page; those of a level begin a section of that level."""
    text, marks, path = "", list[Mark](), ()
    for page, (level, sentence) in enumerate(parts, 1):
        path = (*path[: level - 1], f"H{page}") if level else path
        marks.append(Mark(len(text), path, page))
        text += (f"H{page}\n\n" if level else "") + sentence + "\n"
    return text, marks


@settings(max_examples=200)
@given(LEVELS, configs())
def test_each_character_of_a_chunk_has_its_heading_and_page(
    parts: list[tuple[int, str]], config: ChunkConfig
) -> None:
    text, marks = marked(parts)
    document = Document("d", text, "T", {"kind": "pdf"}, tuple(marks))
    chunks = list(chunk_documents([document], config))
    assert {chunk.metadata["kind"] for chunk in chunks} == {"pdf"}
    place = 0
    for chunk in chunks:
        place = text.index(chunk.text, place)
        for offset in range(len(chunk.text)):
            mark, found = mark_at(marks, place + offset), place_of(chunk, offset)
            assert (found.heading, found.page) == (mark.heading, mark.page)
            assert found.title.endswith(" > ".join(("T", *mark.heading)) if len(chunks) > 1 else "")
        place += len(chunk.text)
    own = Document("d", text, "T", {"page": "own"}, tuple(marks))
    assert {p.metadata["page"] for p in chunk_documents([own], config)} == {"own"}


@settings(max_examples=200)
@given(LEVELS, configs())
def test_chunks_do_not_join_sections_of_different_parents(
    parts: list[tuple[int, str]], config: ChunkConfig
) -> None:
    """Each section has a text; so the headings of a chunk are those of one parent."""
    text, marks = marked(parts)
    chunks = list(chunk_documents([Document("d", text, marks=tuple(marks))], config))
    if len(chunks) == 1:
        return
    for chunk in chunks:
        paths = {place_of(chunk, offset).heading for offset in range(len(chunk.text))}
        levels = takewhile(lambda names: len({*names}) == 1, zip(*paths, strict=False))
        parent = [names[0] for names in levels]
        assert all(len(path) <= len(parent) + 1 for path in paths), (chunk.text, paths)
        assert chunk.metadata.get("heading", []) == parent


def test_a_chunk_says_its_page_and_heading() -> None:
    text = "Intro one two.\nUsage\nThree four five.\nSix seven eight.\nEnd\nNine ten eleven."
    marks = (
        Mark(0, (), 1),
        Mark(text.index("Usage"), ("Guide", "Usage"), 1),
        Mark(text.index("Six"), ("Guide", "Usage"), 2),
        Mark(text.index("End"), ("Guide", "End"), 2),
    )
    chunks = list(chunk_documents([Document("d", text, marks=marks)], ChunkConfig(5, 0)))
    assert [(p.text, p.metadata) for p in chunks] == [
        ("Intro one two.", {"page": 1}),
        ("Usage\nThree four five.", {"heading": ["Guide", "Usage"], "page": 1}),
        ("Six seven eight.", {"heading": ["Guide", "Usage"], "page": 2}),
        ("End\nNine ten eleven.", {"heading": ["Guide", "End"], "page": 2}),
    ]
    (whole,) = chunk_documents([Document("d", text, marks=marks)])
    listed = [[mark.offset, list(mark.heading), mark.page] for mark in marks]
    assert whole == Passage("d", text, metadata={"page": 1, "marks": listed})
    assert place_of(whole, len(text) - 1) == Place("Guide > End", ("Guide", "End"), 2, "")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_words": 0}, "max_words is 0, expected an integer of at least 1"),
        ({"min_words": True}, "min_words is True"),
        ({"max_words": 1.5}, r"max_words is 1\.5"),
        ({"max_words": 10, "min_words": 11}, r"min_words is 11, expected at most max_words \(10\)"),
    ],
)
def test_limits_are_checked(values: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        ChunkConfig(**values)


def test_the_place_in_a_document_is_checked_and_digested() -> None:
    record = {"id": "a", "text": "x", "document": "d", "position": 2}
    assert [as_passage(record, "")] == [Passage("a", "x", document="d", position=2)]
    variants = (Passage("a", "x", document=d, position=i) for d, i in (("", 0), ("d", 0), ("d", 1)))
    assert len({passage_digest(variant) for variant in variants}) == 3
    for name, value in (("document", 3.5), ("position", -1), ("position", True), ("position", "1")):
        with pytest.raises(InvalidPassage, match=f"passage 0: {name} is "):
            as_passage(record | {name: value}, "passage 0")
