"""Corpora of several languages: stems, stop words and names by the language of each passage."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.nearest.vectors import decode, encode
from graphagg.rag import Hit, MultihopConfig, Passage, PassageIndex, SpacyExtractor
from graphagg.rag.documents.analyzer import Analyzer, Analyzers
from graphagg.rag.documents.languages import AUTO, CODES, LANGUAGES, language_of_text, likeliest
from graphagg.rag.documents.passages import language_of_corpus
from graphagg.rag.models.by_name import ByLanguage, extractor_named
from graphagg.rag.models.by_rule.extractor import RuleExtractor
from graphagg.rag.models.packaged import DEFAULT_ENCODER
from graphagg.store.manifest import read_manifest
from tests.fakes import FakeEncoder, assert_same_hits

TEXTS = {
    "en": (
        "The rivers of the north were frozen in the winter of that year.",
        "Manning was reading the houses' inventories in York.",
        "She writes about the manners of her neighbors in London.",
    ),
    "de": (
        "Die Häuser am Fluss wurden im letzten Jahrhundert gebaut.",
        "Manning wohnte viele Jahre in einem alten Haus in München.",
        "Der Bürgermeister eröffnete die neuen Brücken über den Rhein.",
    ),
    "es": (
        "Las casas de la ciudad fueron construidas en el siglo pasado.",
        "Manning escribió varios libros sobre los ríos de España.",
        "El alcalde inauguró los puentes nuevos sobre el río Ebro.",
    ),
    "zh": ("北京是中华人民共和国的首都\uff0c也是全国的政治中心。",),
    "": ("Rzeka Wisła płynie przez Warszawę i wpada do Morza Bałtyckiego.",),
}
QUESTIONS = (
    "Wer hat die Brücke über den Rhein eröffnet?",
    "Which houses was Manning reading about?",
    "¿Quién inauguró el puente sobre el río?",
    "中国的首都在哪里\uff1f",
    "Wisła Warszawę",
)
PASSAGES = st.lists(
    st.sampled_from(list(itertools.chain.from_iterable(TEXTS.values()))),
    min_size=2, max_size=9,
).map(lambda texts: [Passage(f"p{i}", f"{text} {i}") for i, text in enumerate(texts)])  # fmt: skip


class Named:
    """Capitalized words by `rule:xx`: a real extractor of no language that loads at once."""

    extractor = RuleExtractor("xx")


ENGLISH = FakeEncoder(DEFAULT_ENCODER)
"""An encoder of which it is known that it knows English."""


def build(
    passages: Sequence[Passage], directory: Path, language: str, encoder: FakeEncoder = ENGLISH
) -> PassageIndex:
    return PassageIndex.build(
        passages, directory, language=language, encoder=encoder, extractor=Named.extractor
    )


def answers(index: PassageIndex, **options: object) -> list[list[Hit]]:
    return [
        list(index.retrieve(question, 5, mode=mode, **options))  # type: ignore[arg-type]
        for question in QUESTIONS
        for mode in ("multihop", "bm25", "rrf")
    ]


def assert_same_answers(found: list[list[Hit]], expected: list[list[Hit]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert_same_hits(one, other, 1e-12)


def test_texts_and_questions_are_recognized() -> None:
    for code, texts in TEXTS.items():
        assert [language_of_text(text) for text in texts] == [code] * len(texts)
    assert [likeliest(question, ("de", "en", "es")) for question in QUESTIONS[:3]] == [
        "de", "en", "es",
    ]  # fmt: skip
    assert likeliest("12 34", ("es",)) == "es"
    assert likeliest("Gdzie leży Warszawa?", ("", "zh")) == ""


@pytest.mark.parametrize("code", ["en", "de", "es"])
def test_a_corpus_of_one_language_is_answered_as_by_an_index_of_it(
    tmp_path: Path, code: str
) -> None:
    passages = [Passage(f"p{i}", text) for i, text in enumerate(TEXTS[code])]
    assert_same_answers(
        answers(build(passages, tmp_path / "mixed", AUTO)),
        answers(build(passages, tmp_path / "one", code)),
    )


def test_similarity_tells_less_where_the_encoder_does_not_know_most_passages(
    tmp_path: Path,
) -> None:
    passages = [
        Passage(f"{code}{i}", text)
        for code in ("de", "en", "")
        for i, text in enumerate(TEXTS[code])
    ]
    mixed, plain = build(passages, tmp_path / "mixed", AUTO), MultihopConfig()

    def share(index: PassageIndex, *shown: str) -> float:
        answers = (
            index.retrieve(QUESTIONS[0], 9, include=shown or None, config=config)
            for config in (None, plain)
        )
        found, usual = ({hit.passage.id: hit for hit in hits} for hits in answers)
        for hit in found.values():
            assert sum(hit.components.values()) == pytest.approx(hit.score, abs=1e-12)
        shares = {
            round(found[name].components["sentence"] / usual[name].components["sentence"], 6)
            for name in found.keys() & usual.keys()
            if ("link" in found[name].components) == ("link" in usual[name].components)
        }
        (only,) = shares
        return only

    def expected(*shown: str) -> float:
        """(1 - mean cosine)^2, pair by pair."""
        texts = [p.text for p in passages if p.id in shown or not shown]
        vectors = decode(encode(ENGLISH.encode(texts)))
        pairs = [float(a @ b) for a, b in itertools.combinations(vectors, 2)]
        return (1 - max(float(np.mean(pairs or [0])), 0.0)) ** 2

    for shown in (("de0", "de1", "en0"), ("de0",), ("0", "de0"), ()):
        assert share(mixed, *shown) == pytest.approx(expected(*shown), abs=1e-4)
    assert expected("de0", "de1", "en0") < 0.95
    assert share(mixed, "de0", "en0") == share(mixed, "0", "en0") == 1.0
    assert share(build(passages, tmp_path / "de", "de")) < 1.0
    assert share(build(passages, tmp_path / "en", "en")) == 1.0
    assert share(build(passages, tmp_path / "other", "de", FakeEncoder())) == 1.0


def test_a_word_meets_its_stem_in_the_language_of_each_passage(tmp_path: Path) -> None:
    passages = [
        Passage(f"{code}{i}", text) for code, ts in TEXTS.items() for i, text in enumerate(ts)
    ]
    index = build(passages, tmp_path / "i", AUTO)

    def found(question: str) -> set[str]:
        return {hit.passage.id for hit in index.retrieve(question, 20, mode="bm25") if hit.score}

    assert found("Welche Brücke?") == {"de2"}  # Brücken
    assert found("¿Qué puente?") == {"es2"}  # puentes
    assert found("Wer war Manning?") == {"en1", "de1", "es1"}  # `man` in English, and no manners
    assert found("首都") == {"zh0"} and found("Wisła") == {"0"}
    (held,) = {hit.sentence for hit in index.retrieve("Welche Brücke?", 1, mode="bm25")}
    assert held == TEXTS["de"][2]
    english = build(passages, tmp_path / "en", "en")
    assert not any(hit.score for hit in english.retrieve("Welche Brücke?", 20, mode="bm25"))


def test_stop_words_are_those_of_the_question() -> None:
    analyzers = Analyzers(AUTO)
    words = "wer hat die brucken gebaut".split()
    assert analyzers.terms("Wer hat die Brücken gebaut?", words, ("de", "en")) == (
        ("de:bruck", "en:brucken"),
        ("de:gebaut", "en:gebaut"),
    )
    (houses,) = analyzers.terms("Who is it?", ["who", "houses", "house"], ("de", "en"))
    assert [stem for stem in houses if stem.startswith("en")] == ["en:hous"]
    assert analyzers.terms("Wer?", ["wer"], ()) == ()


@settings(deadline=None, max_examples=4)
@given(PASSAGES, st.data())
def test_hidden_passages_of_other_languages_change_nothing(
    passages: list[Passage], data: st.DataObject
) -> None:
    shown = data.draw(st.sets(st.sampled_from([p.id for p in passages]), min_size=1))
    with tempfile.TemporaryDirectory() as folder:
        index = build(passages, Path(folder, "all"), AUTO)
        only = build([p for p in passages if p.id in shown], Path(folder, "some"), AUTO)
        assert_same_answers(answers(index, include=sorted(shown)), answers(only))


@settings(deadline=None, max_examples=4)
@given(PASSAGES, PASSAGES, st.data())
def test_a_change_is_a_rebuild(
    before: list[Passage], added: list[Passage], data: st.DataObject
) -> None:
    more = [Passage(f"q{i}", p.text, "Manning") for i, p in enumerate(added)]
    gone = data.draw(st.sets(st.sampled_from([p.id for p in before]), max_size=len(before) - 1))
    left = [p for p in [*before, *more] if p.id not in gone]
    with tempfile.TemporaryDirectory() as folder:
        index = build(before, Path(folder, "changed"), AUTO)
        index.add(more)
        index.delete(gone)
        rebuilt = build(left, Path(folder, "rebuilt"), AUTO)
        assert_same_answers(answers(index), answers(rebuilt))
        index.compact()
        one, other = (read_manifest(i.directory) for i in (index, rebuilt))
        assert one.to_json() == other.to_json()


def test_it_is_stored_and_opened_again(tmp_path: Path) -> None:
    passages = [Passage(f"{c}{i}", t) for c, ts in TEXTS.items() for i, t in enumerate(ts)]
    index = build(passages, tmp_path / "i", AUTO)
    assert index.manifest.parameters["language"] == AUTO
    opened = PassageIndex.open(tmp_path / "i", encoder=ENGLISH, extractor=Named.extractor)
    lexicon = opened.snapshot.lexicon
    assert [lexicon.language_of(row) for row in range(len(passages))] == [
        code for code, texts in TEXTS.items() for _ in texts
    ]
    assert lexicon.codes() == {code: len(TEXTS[code]) for code in sorted(TEXTS)}
    assert lexicon.codes(np.arange(len(passages)) < 3) == {"en": 3}
    assert_same_answers(answers(opened), answers(index))
    again = build(passages, tmp_path / "i", "de")  # another language is another index
    assert again.manifest.parameters["language"] == "de"
    assert again.snapshot.lexicon.codes() == {}


def test_names_are_found_by_the_language_of_the_passage(tmp_path: Path) -> None:
    passages = [
        Passage("en", "Yesterday Ada Lovelace wrote to Charles Babbage about the engine.", "Note"),
        Passage("de", "Gestern schrieb Ada Lovelace einen Brief an Konrad Zuse.", "Notiz"),
    ]
    index = PassageIndex.build(passages, tmp_path / "i", language=AUTO, encoder=FakeEncoder())
    assert index.manifest.models["extractor"]["language"] == AUTO
    keys = list(index.snapshot.gazetteer.keys)
    assert {"ada lovelace", "charles babbage", "konrad zuse"} <= set(keys)
    assert "brief" not in keys and "gestern" not in keys
    opened = PassageIndex.open(tmp_path / "i", encoder=FakeEncoder())
    assert isinstance(opened.models.extractor(), ByLanguage)
    opened.add([Passage("es", "Luego Ada Lovelace viajó con Leonardo Torres a Bilbao.")])
    assert "leonardo torres" in opened.snapshot.gazetteer.keys


def test_the_extractor_of_a_language() -> None:
    assert extractor_named("standard", None, None).spec == SpacyExtractor().spec
    assert extractor_named("standard", None, "en").spec == SpacyExtractor().spec
    for profile in ("standard", "fast"):
        assert extractor_named(profile, None, "de").spec == RuleExtractor("de").spec
        assert extractor_named(profile, "rule:fr", AUTO).spec == RuleExtractor("fr").spec
    mixed = extractor_named("standard", None, AUTO)
    assert mixed.spec.name == SpacyExtractor().spec.name
    assert mixed.spec.settings["language"] == AUTO
    assert mixed.spec.sha256 != SpacyExtractor().spec.sha256


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_rules_and_words(code: str) -> None:
    extractor = extractor_named("standard", None, code)
    (note,) = extractor.annotate(["12. 34."])
    assert note.sentences
    analyzer = Analyzer(code)
    stemmed = [analyzer.stem(word) for word in ("bridges", "brucken", "puentes", "мосты")]
    assert all(stemmed)
    assert code in CODES


@pytest.mark.parametrize(
    ("counts", "language", "doubt"),
    [
        ({"de": 9, "en": 1}, "de", ""),
        ({"es": 5}, "es", ""),
        ({"en": 91, "es": 9}, None, ""),
        ({"en": 8, "es": 2}, AUTO, "in several languages (en 8, es 2): using auto"),
        ({"de": 5, "es": 5}, AUTO, "(de 5, es 5): using auto"),
        ({"de": 18, "en": 1, "es": 1, "": 1}, "de", "(de 18, en 1, es 1, other 1): using de"),
        ({"en": 18, "de": 1, "es": 1, "": 1}, None, ": using en; set `language`"),
        ({"": 9}, AUTO, ""),
        ({"de": 4}, None, ""),
        ({}, None, ""),
    ],
    ids=str,
)
def test_a_corpus_tells_its_language(
    counts: dict[str, int], language: str | None, doubt: str
) -> None:
    corpus = [
        Passage(f"{code}{i}", TEXTS[code][i % len(TEXTS[code])])
        for code, count in counts.items()
        for i in range(count)
    ]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert language_of_corpus(corpus) == language
    assert bool(told) == bool(doubt) and all(doubt in str(each.message) for each in told)


def test_an_index_without_a_language_takes_that_of_its_corpus(tmp_path: Path) -> None:
    """And keeps it for what is added; models and languages that are given stay."""
    corpus = [Passage(f"p{i}", f"{TEXTS['de'][i % 3]} {i}") for i in range(6)]
    with PassageIndex.build(corpus, tmp_path / "i", encoder=FakeEncoder()) as index:
        assert index.manifest.parameters["language"] == "de"
        index.add([Passage("en", TEXTS["en"][0])])
        assert index.manifest.parameters["language"] == "de"
    given = {"language": "en"}, {"extractor": RuleExtractor("en")}
    for number, options in enumerate(given):
        where = tmp_path / str(number)
        with PassageIndex.build(corpus, where, encoder=FakeEncoder(), **options) as index:
            assert index.manifest.parameters["language"] == "en"
