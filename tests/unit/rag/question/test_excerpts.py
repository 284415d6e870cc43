"""What is shown of a hit: the place that matched, within a budget, each text once."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphagg.errors import DuplicateId, InvalidParameter
from graphagg.rag import ChunkConfig, Hit, Hop, Passage, PassageIndex
from graphagg.rag.config.modes import MODES
from graphagg.rag.documents.tokens import code_blocks, tokenize
from graphagg.rag.models.by_rule.extractor import RuleExtractor
from graphagg.rag.modes.protocol import PassageSource
from graphagg.rag.question.budget import whole_sentences
from graphagg.rag.question.excerpts import Span, excerpt, fitting, tokens_of
from tests.fakes import FakeEncoder
from tests.unit.rag.corpora import EXTRACTOR, QUESTIONS, SENTENCES, build, corpora

TEXTS = st.text("ab \n.", min_size=1, max_size=200)


@st.composite
def matched(draw: st.DrawFn) -> tuple[str, Span]:
    text = draw(TEXTS)
    start = draw(st.integers(0, len(text)))
    return text, Span(start, draw(st.integers(start, len(text))))


@given(matched(), st.integers(1, 250))
def test_an_excerpt_is_a_piece_around_the_match(given: tuple[str, Span], longest: int) -> None:
    text, match = given
    shown = excerpt(text, match, longest)
    assert shown.text == text[shown.span.start : shown.span.end]
    assert len(shown.text) <= longest and shown.characters == len(text)
    assert shown.is_cut == (shown.text != text)
    if len(text) <= longest:
        assert shown.text == text and shown.match == match
        return
    piece = shown.text[shown.match.start : shown.match.end]
    assert piece in text[match.start : match.end]
    if match.end - match.start <= longest:
        assert piece.strip() == text[match.start : match.end].strip()
    else:
        assert text[match.start : match.end].lstrip().startswith(piece)


def test_an_excerpt_cuts_between_words() -> None:
    text = "alpha beta gamma delta epsilon zeta eta theta"
    shown = excerpt(text, Span(text.index("delta"), text.index("delta") + 5), 20)
    assert shown.marked == "...gamma delta...".replace("gamma delta", shown.text)
    assert set(shown.text.split()) <= set(text.split()) and "delta" in shown.text
    assert excerpt("x" * 50, Span(0, 0), 10).text == "x" * 10


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(0, 8), st.integers(0, 40))
def test_neighbors_fill_the_budget_from_the_nearest_on(
    sizes: list[int], position: int, budget: int
) -> None:
    chunks = [Passage(str(i), "x" * n, "", {}, "d", i) for i, n in enumerate(sizes)]
    around = [chunk for chunk in chunks if chunk.position != position]
    taken = fitting(around, position, budget)
    assert sum(len(p.text) for p in taken) <= budget
    places = [p.position for p in taken]
    assert places == sorted(places)
    whole = sorted({*places, position})
    assert whole == list(range(whole[0], whole[-1] + 1)) or position >= len(sizes)
    left = budget - sum(len(p.text) for p in taken)
    for place in (whole[0] - 1, whole[-1] + 1):  # what would come next does not fit
        if 0 <= place < len(sizes) and position < len(sizes):
            assert len(chunks[place].text) > left


def test_json_under_a_budget_is_small_whatever_a_hit_holds() -> None:
    text = "word " * 200_000
    metadata = {f"k{i}" * 100: "v" * 100_000 for i in range(50)}
    passage = Passage("id", text, "T" * 100_000, metadata, "d", 1)
    around = tuple(Passage(f"n{i}", text, "", {}, "d", i) for i in (0, 2))
    path = (Hop("sentence", text, 1.0), Hop("passage", "title", 1.0, passage_id="id"))
    copies = tuple(f"copy{i}" for i in range(10_000))
    hit = Hit(passage, 1.0, {}, path, "multihop", around, Span(500_000, 500_004), copies)
    shown = hit.to_json(2_000)
    assert len(json.dumps(shown)) < 2_000 + 25 * 700
    assert shown["cut"]["characters"] == len(text) and len(shown["text"]) <= 2_000
    match = shown["match"]
    assert shown["text"][match["start"] : match["end"]] == "word"
    assert "cut" not in hit.to_json() and hit.to_json()["text"] == text


def asked(hits: list[Hit], characters: int) -> str:
    """What a model is given of these hits."""
    return "\n\n".join(f"{each.place.title}\n{each.context(characters)}" for each in hits)


def test_a_model_is_given_the_place_that_matched_and_its_neighbors() -> None:
    chunks = [Passage(f"d#{i}", f"Part {i}.", "", {}, "d", i) for i in range(3)]
    hit = Hit(chunks[1], 1.0, {}, (), "multihop", (chunks[0], chunks[2]), Span(0, 7))
    given = asked([hit], 100)
    assert "Part 0.\nPart 1.\nPart 2." in given
    assert "Part 1.\nPart 2." not in asked([hit], 15)
    long = replace(hit, passage=Passage("l", "No. " * 100 + "This one. " + "No. " * 100),
                   match=Span(400, 409))  # fmt: skip
    assert "...No. This one. No...." in asked([long], 20).replace("No. No", "No")


@settings(max_examples=10, deadline=None)
@given(corpus=corpora("abcdef"), budget=st.integers(1, 60))
def test_max_tokens_takes_as_many_passages_as_fit(
    corpus: list[Passage], budget: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never more tokens, never a passage less than fits, in the order of the whole answer."""
    with build(corpus, tmp_path_factory.mktemp("budget") / "i") as index:
        for mode in MODES:
            whole = index.retrieve(QUESTIONS[0], 6, mode=mode)
            hits = index.retrieve(QUESTIONS[0], 6, mode=mode, max_tokens=budget, neighbors=1)
            assert hits.tokens == sum(tokens_of(hit.text) for hit in hits) <= budget
            assert [hit.passage for hit in hits] == [hit.passage for hit in whole[: len(hits)]]
            sizes = [tokens_of(hit.passage.text) for hit in whole]
            fitting = sum(total <= budget for total in accumulate(sizes))
            assert fitting <= len(hits) <= fitting + 1 and hits.confidence == whole.confidence
            assert hits[:fitting] == whole[:fitting]
            for piece in hits[fitting:]:
                assert piece.sentence in piece.text and piece.text in piece.passage.text
                shown = piece.to_json()
                assert shown["text"] == piece.text == hits.to_arrow()["text"][-1].as_py()
                assert piece.passage.text[shown["cut"]["start"] : shown["cut"]["end"]] == piece.text
            if len(hits) == fitting < len(whole):  # not even the sentence that matched
                left = budget - sum(sizes[:fitting])
                assert tokens_of(whole[fitting].sentence) > left or not whole[fitting].sentence


def test_whole_sentences_grow_from_the_match() -> None:
    text = "One. Two two. Three three three. Four. Five."
    match = Span(text.index("Three"), text.index(" Four"))
    shown = {most: whole_sentences(text, match, most) for most in (4, 5, 7, 8, 100)}
    pieces = [span and text[slice(*span)] for span in shown.values()]
    assert pieces == [
        None, "Three three three.", "Three three three. Four.", "Three three three. Four. Five.",
        text,
    ]  # fmt: skip


WRITTEN_AS_ONE = [  # "newyork" is one more term of a question that names New York
    Passage("a", SENTENCES[8], "Ada's Engine", {"path": "a/NewYork_may-1999.pdf"}),
    Passage("e", " ".join([SENTENCES[2], SENTENCES[17], SENTENCES[5]]), "ada"),
]


@settings(max_examples=10, deadline=None)
@given(corpus=corpora("abcdef"))
@example(corpus=WRITTEN_AS_ONE)
def test_the_match_is_the_closest_sentence_and_min_score_leaves_out_the_rest(
    corpus: list[Passage], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By brute force over the sentences that the extractor finds."""
    with build(corpus, tmp_path_factory.mktemp("match") / "i") as index:
        for question in QUESTIONS:
            for mode in ("dense", "bm25", "multihop", "rrf"):
                for hit in index.retrieve(question, 4, mode=mode):
                    assert hit.sentence == hit.sentence.strip()
                    blocks = code_blocks(hit.passage.text)
                    if any(start <= hit.match.start < end for start, end in blocks):
                        continue  # see test_places
                    closeness, place = _closeness(index, hit, question)
                    assert closeness[place] == pytest.approx(max(closeness), abs=0.02)
        for mode in MODES:  # a least score leaves out what scores less
            hits = index.retrieve(QUESTIONS[0], 5, mode=mode)
            for least in np.linspace(-1.0, 3.0, 5).tolist():
                found = index.retrieve(QUESTIONS[0], 5, mode=mode, min_score=least)
                assert found == [hit for hit in hits if hit.score >= least]
        with pytest.raises(InvalidParameter, match="min_score is nan, expected a finite number"):
            index.retrieve(QUESTIONS[0], min_score=float("nan"))


def _terms(index: PassageIndex, text: str) -> set[str]:
    source = PassageSource(index.snapshot, index.snapshot.view(None))
    return {stem for term in source.read_terms(text).terms for stem in term}


def _closeness(index: PassageIndex, hit: Hit, question: str) -> tuple[list[float], int]:
    """How close each sentence of a hit is by its mode, and the sentence that is shown."""
    encoder, passage, terms = FakeEncoder(), hit.passage, _terms(index, question)
    (note,) = EXTRACTOR.annotate([passage.text])
    texts = [" ".join(passage.text[a:b].split()) for a, b in note.sentences]
    stem = index.snapshot.analyzers.for_language("").stem
    years = {term for term in terms if re.fullmatch(r"(?:19|20)\d\d", term)}
    terms = (terms - years - set(map(stem, tokenize(passage.title)))) or terms
    held = [terms.intersection(map(stem, tokenize(text))) for text in texts]
    shares = [len(each) / max(len(terms), 1) for each in held]
    if len(texts) > 1 and passage.title and tokenize(texts[0]) in ([], tokenize(passage.title)):
        shares[0] = -np.inf
    if passage.title:
        texts[0] = f"{passage.title}\n{texts[0]}"
    similar = (encoder.encode(texts) @ encoder.encode([question])[0]).tolist()
    both = [a + b for a, b in zip(similar, shares, strict=True)]
    place = next(i for i, (a, b) in enumerate(note.sentences) if a <= hit.match.start < b)
    return {"dense": similar, "bm25": shares}.get(hit.method, both), place


def test_the_heading_of_a_passage_is_not_its_match(tmp_path: Path) -> None:
    passages = [
        Passage("d#0", "# Inspection\n\nAnna looks at the crane in May.", "Cranes > Inspection"),
        Passage("e", "Inspection", "Inspection"),
    ]
    with build(passages, tmp_path / "i", extractor=RuleExtractor("en")) as index:
        hits = {hit.passage.id: hit.sentence for hit in index.retrieve("Inspection of the crane?")}
        assert hits == {"d#0": "Anna looks at the crane in May.", "e": "Inspection"}


def test_code_between_a_title_and_the_first_sentence_is_not_shown(tmp_path: Path) -> None:
    passage = Passage("d", "\tdraw(line)\n\nAda wrote it.\n\nIt ran.", "Engines")
    for extractor in (EXTRACTOR, RuleExtractor("en")):
        with build([passage], tmp_path / extractor.spec.name, extractor=extractor) as index:
            (hit,) = index.retrieve("Who wrote about engines?", mode="bm25")
            assert hit.sentence == "Ada wrote it."


def test_a_match_in_a_long_document_is_found(tmp_path: Path) -> None:
    text = " ".join(f"Line {i} says nothing of use." for i in range(60))
    text = text.replace("Line 40 says nothing of use.", "The Engine was built by Babbage.")
    with build([Passage("d", text)], tmp_path / "i", chunking=None) as index:
        for mode in MODES:
            (hit,) = index.retrieve("Who built the Engine?", mode=mode)
            assert hit.sentence == "The Engine was built by Babbage.", mode
        said = index.explain("Who built the Engine?", "d").hit
        assert said is not None and said.sentence == hit.sentence


FEW = st.sampled_from(SENTENCES[:4])
YEARS = st.integers(1, 2)


@settings(max_examples=12, deadline=None)
@given(
    texts=st.lists(st.tuples(FEW, YEARS), min_size=1, max_size=12),
    k=st.integers(1, 5),
    year=st.none() | YEARS,
)
def test_equal_texts_are_shown_once(
    texts: list[tuple[str, int]], k: int, year: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    corpus = [Passage(f"p{i}", text, "", {"year": y}) for i, (text, y) in enumerate(texts)]
    visible = [p for p in corpus if year in (None, p.metadata["year"])]
    options = {} if year is None else {"filter": {"year": year}}
    if year is not None and not any(p.metadata["year"] == year for p in corpus):
        visible = []
    with build(corpus, tmp_path_factory.mktemp("copies") / "i") as index:
        for mode in MODES:
            for question in QUESTIONS[:3]:
                hits = index.retrieve(question, k, mode=mode, **options)
                shown = [hit.passage.text for hit in hits]
                assert len(shown) == len(set(shown)) == min(k, len({p.text for p in visible}))
                for hit in hits:
                    same = [p.id for p in visible if p.text == hit.passage.text]
                    assert sorted([hit.passage.id, *hit.copies]) == sorted(same)
                    assert list(hit.copies) == sorted(hit.copies)


def test_a_copy_is_explained_by_the_hit_that_stands_for_it(tmp_path: Path) -> None:
    corpus = [Passage("a", "Ada saw York."), Passage("b", "Ada saw York."), Passage("c", "No.")]
    with build(corpus, tmp_path / "i") as index:
        for mode in MODES:
            (hit, _) = index.retrieve("Who saw York?", mode=mode)
            assert (hit.passage.id, hit.copies) == ("a", ("b",)), mode
            said = index.explain("Who saw York?", "b", mode=mode)
            assert said.rank == 1 and "very text of passage 'a'" in said.reason
            alone = index.retrieve("Who saw York?", mode=mode, exclude=["a"])
            assert alone[0].passage.id == "b" and not alone[0].copies


def test_an_index_splits_what_is_added_as_it_was_built(tmp_path: Path) -> None:
    chunking = ChunkConfig(8, 2)
    long = Passage("d", "Ada saw York. Babbage saw it too. The Engine ran. It was in London.")
    short = Passage("s", "Nobody is here.")
    with build([long, short], tmp_path / "i", chunking=chunking) as index:
        assert [p.id for p in index] == ["d#0", "d#1", "s"] and index.config.chunking == chunking
        assert index.update([Passage("d", "Ada saw York.")]).replaced == 1
        assert sorted(p.id for p in index) == ["d", "s"]
        assert index.add([long], replace=True).replaced == 1
        assert index.add([Passage("t", long.text)]).replaced == 0
        index.compact()
        rebuilt = [p for p in (short, long, Passage("t", long.text))]
        with build(rebuilt, tmp_path / "j", chunking=chunking) as other:
            assert list(index) == list(other)
            assert index.manifest == other.manifest
        with pytest.raises(DuplicateId, match="'d' is already in the index"):
            index.add([Passage("d", "Short.")])
        with pytest.raises(DuplicateId, match="chunk 'n#0' has the id of a passage"):
            index.add([Passage("n#0", "Ada.")])
            index.add([replace(long, id="n")])
        part = index["d#1"]
        index.update([part])  # a chunk that is given as such stands for itself
        assert index["d#1"] == part and "d#0" in index
        snapshot = index.snapshot
        everything = np.ones(len(snapshot.corpus), bool)
        for passage in index:
            for window in (1, 10**9):
                row = snapshot.known_row(passage.id)
                around = [snapshot.corpus[r] for r in snapshot.neighbors(row, window, everything)]
                assert around == sorted(
                    (p for p in index if p == passage or (passage.document == p.document != ""
                     and abs(p.position - passage.position) <= window)),
                    key=lambda p: p.position,
                )  # fmt: skip
    with build([long], tmp_path / "k", chunking=None) as whole:
        assert list(whole) == [long] and whole.config.chunking is None
