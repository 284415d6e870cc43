"""Texts that a model reads letter by letter: vector 0, and answers by words."""
# ruff: noqa: RUF001

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from graphagg.rag import MultihopConfig, Passage, PassageIndex, SentenceTransformerEncoder
from graphagg.rag.models import encoder as encoders
from graphagg.rag.models.by_rule.extractor import RuleExtractor
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.encoding.center import centered
from graphagg.rag.models.encoding.legible import legible
from graphagg.rag.models.static.encoder import StaticEncoder
from tests.fakes import assert_same_hits

READ = {
    "en": "The castle above the river was built by the kings of the north. 北京",
    "de": "Die Brücken über den Fluss wurden im letzten Jahrhundert gebaut.",
    "vi": "Sông Hồng chảy qua Hà Nội, thủ đô của nước Việt Nam, rồi ra biển.",
    "tr": "Köprü geçen yüzyılda ırmağın üzerine kuruldu ve hâlâ duruyor.",
    "numbers": "١٢٣ — 2026 🎉",
    "empty": "",
}
UNREAD = {
    "ar": "بنى ملوك الشمال القلعة فوق النهر قبل مئة عام. ثم عبر الجيش الجسر.",
    "el": "Το κάστρο πάνω από το ποτάμι χτίστηκε από τους βασιλιάδες.",
    "hi": "नदी के ऊपर का किला उत्तर के राजाओं ने बनवाया था।",
    "ja": "川の上の城は北の王たちによって建てられました。橋はまだあります。",
    "ko": "강 위의 성은 북쪽의 왕들이 지었습니다.",
    "ru": "Замок над рекой построили короли севера сто лет назад.",
    "th": "ปราสาทเหนือแม่น้ำถูกสร้างโดยกษัตริย์แห่งแดนเหนือ",
    "zh": "河上的城堡是由北方的国王们在一百年前建造的。",
}
TEXTS = [*READ.values(), *UNREAD.values()]
PASSAGES = [
    Passage("castle", UNREAD["ar"], "القلعة"),
    Passage("bridge", "عبر الجيش الجسر القديم في المدينة. Ada Lovelace كانت هناك.", "الجسر"),
    Passage("market", "يبيع التجار الفواكه والخضروات في سوق المدينة كل صباح."),
    Passage("english", "Ada Lovelace crossed the old bridge in the town.", "Bridge"),
]
QUESTION = "من بنى القلعة فوق النهر؟"


def packaged() -> list[Encoder]:
    return [StaticEncoder(), SentenceTransformerEncoder()]


@pytest.mark.parametrize("encoder", packaged(), ids=["static", "default"])
def test_an_unread_text_has_the_vector_0_and_changes_no_other(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert [bool(vector.any()) for vector in vectors[: len(READ) - 2]] == [True] * (len(READ) - 2)
    assert not vectors[len(READ) :].any()
    np.testing.assert_array_equal(encoder.encode(list(READ.values())), vectors[: len(READ)])
    questions, names = encoder.encode_query(TEXTS, [READ["en"], UNREAD["ru"]])
    assert not questions[len(READ) :].any() and names[0].any() and not names[1].any()
    spans = [np.array([[0, len(text)]]) for text in TEXTS]
    pooled = encoder.encode_passages(TEXTS, spans)  # type: ignore[attr-defined]
    for text, (windows, sentences) in zip(TEXTS, pooled, strict=True):
        assert windows.any() == sentences.any() and len(windows) == len(sentences) == 1
        assert not windows.any() or text in READ.values()


def test_nothing_is_computed_of_unread_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, forward = list[str](), encoders.forward

    def watched(runner: object, windows: object, texts: list[str], *rest: object) -> object:
        seen.extend(texts)
        return forward(runner, windows, texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(encoders, "forward", watched)
    SentenceTransformerEncoder().encode(TEXTS)
    assert sorted(seen) == sorted(READ.values())


@pytest.mark.parametrize("code", UNREAD)
def test_any_tokenizer_reads_what_it_was_trained_on(code: str) -> None:
    text, english = UNREAD[code], READ["en"]
    for texts in ([english], [english, text]):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(use_regex=False)
        tokenizer.train_from_iterator(
            texts * 20,
            trainers.BpeTrainer(
                vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            ),
        )  # fmt: skip
        assert legible(tokenizer, [english, text]).tolist() == [True, len(texts) > 1]


def test_centered_vectors_keep_0() -> None:
    vectors = np.array([[0.0, 0.0], [1.0, 0.0]], np.float32)
    assert not centered(vectors, np.array([0.5, 0.5], np.float32))[0].any()


def build(passages: list[Passage], directory: Path) -> PassageIndex:
    return PassageIndex.build(
        passages, directory, profile="fast", language="ar", extractor=RuleExtractor("ar")
    )


def test_an_unread_question_is_answered_by_words(tmp_path: Path) -> None:
    index = build(PASSAGES, tmp_path / "i")
    by_words = [hit.passage.id for hit in index.retrieve(QUESTION, 4, mode="bm25")]
    assert by_words[0] == "castle"
    for mode in ("multihop", "rrf"):
        hits = index.retrieve(QUESTION, 4, mode=mode)  # type: ignore[arg-type]
        assert [hit.passage.id for hit in hits][:1] == by_words[:1]
        for hit in hits:
            assert not {"similarity", "sentence", "link", "coverage"} & set(hit.components)
            assert sum(hit.components.values()) == pytest.approx(hit.score, abs=1e-12)
    fused = index.retrieve(QUESTION, 4, mode="rrf")
    assert [hit.passage.id for hit in fused] == by_words
    read = index.retrieve("Who crossed the old bridge?", 4)[0]
    assert read.passage.id == "english" and "similarity" in read.components


def test_settings_of_a_caller_meet_no_vector(tmp_path: Path) -> None:
    """The weights of a request count, as far as they need no vector."""
    index = build(PASSAGES, tmp_path / "i")
    for config in (MultihopConfig(), MultihopConfig(beam=5, coverage=2.0).without("lexical")):
        hits = index.retrieve(QUESTION, 4, config=config)
        assert len(hits) == 4 and all(np.isfinite(hit.score) for hit in hits)
        assert index.explain(QUESTION, "market", 1, config=config).rank is None


def test_a_change_is_a_rebuild(tmp_path: Path) -> None:
    changed = build(PASSAGES[:2], tmp_path / "changed")
    changed.add(PASSAGES[2:])
    changed.delete(["bridge"])
    rebuilt = build([p for p in PASSAGES if p.id != "bridge"], tmp_path / "rebuilt")
    for mode in ("multihop", "dense", "rrf"):
        for question in (QUESTION, "Who crossed the old bridge?"):
            found, wanted = (i.retrieve(question, 4, mode=mode) for i in (changed, rebuilt))  # type: ignore[arg-type]
            assert_same_hits(list(found), list(wanted), 1e-12)
    changed.compact()
    for name in ("s0.windows.faiss", "s0.sentences.faiss"):
        one, other = (next(i.directory.glob(f"v-*/{name}")) for i in (changed, rebuilt))
        assert one.read_bytes() == other.read_bytes()
