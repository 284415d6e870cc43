"""Models of several families equal sentence-transformers, in any batch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from graphagg.errors import InvalidParameter
from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.models.encoding.center import TEXTS as SUBJECTS
from graphagg.rag.models.encoding.center import center_of, centered
from graphagg.rag.models.encoding.pooling import unit
from graphagg.rag.models.spec import files_sha256
from tests.unit.rag.models.test_alone import halves

TEXTS = [
    "Ada wrote notes on an engine . She met Babbage in London .",
    "london",
    "",
    "Babbage met Ada on an engine in London . " * 5,
    "She wrote notes .",
    "Ada met Babbage .",
    "An engine on notes .",
]
WORDS = sorted({word for text in TEXTS for word in text.split()} | {"query:", "passage:", "she"})
_SAVED = TemporaryDirectory()  # gone when the tests end
PROMPTS = {"query": "query: ", "document": "passage: "}
FAMILIES = ["bert", "xlm-roberta-cls", "modernbert"]


def tokenizer(padding: int, is_cased: bool) -> Any:
    from tokenizers import Tokenizer, normalizers
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    special = ["[CLS]", "[SEP]", "[UNK]"]
    special.insert(padding, "[PAD]")
    words = WORDS if is_cased else sorted({word.lower() for word in WORDS})
    ids = {token: i for i, token in enumerate([*special, *words])}
    fast = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    fast.pre_tokenizer = WhitespaceSplit()
    if not is_cased:
        fast.normalizer = normalizers.Lowercase()
    fast.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")]
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, unk_token="[UNK]", model_max_length=30, **names
    )


@cache
def folder(family: str) -> Path:
    """Save a model of a family with prompts."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    kind, is_cls = family.removesuffix("-cls"), family.endswith("-cls")
    padding = 1 if kind == "xlm-roberta" else 0
    words = tokenizer(padding, is_cased=kind != "bert")
    sizes = {
        "vocab_size": len(words), "hidden_size": 24, "num_hidden_layers": 3,
        "initializer_range": 0.3, "num_attention_heads": 3, "intermediate_size": 40,
        "max_position_embeddings": 34,
        "pad_token_id": padding, "initializer_cutoff_factor": 3.0,
    }  # fmt: skip
    config = transformers.AutoConfig.for_model(kind, **sizes)
    torch.manual_seed(0)
    saved = Path(_SAVED.name, family)
    transformers.AutoModel.from_config(config).save_pretrained(saved / "model")
    words.save_pretrained(saved / "model")
    first = modules.Transformer(str(saved / "model"))
    pooling = modules.Pooling(24, pooling_mode="cls" if is_cls else "mean")
    peer = SentenceTransformer(modules=[first, pooling], prompts=PROMPTS, device="cpu")
    peer.save(str(saved / "whole"))
    return saved / "whole"


@cache
def encoder(family: str) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(str(folder(family)), device="cpu")


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_sentence_transformers(family: str) -> None:
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder(family)), device="cpu")
    tested, short = encoder(family), [text for text in TEXTS if len(text) < 60]
    for prompt, vectors in (
        ("document", tested.encode(short)),
        ("query", tested.encode_query(short, [])[0]),
    ):
        expected = peer.encode(short, prompt_name=prompt, normalize_embeddings=True)
        np.testing.assert_allclose(vectors, centered(expected, tested.center), atol=1e-4)
    assert tested.pools_sentences


@pytest.mark.parametrize("family", FAMILIES)
def test_in_any_company(family: str) -> None:
    """Alone and together: the same bits, for passages and sentences."""
    tested, spans = encoder(family), [halves(text) for text in TEXTS]
    together = tested.encode_passages(TEXTS, spans)
    for text, span, one in zip(TEXTS, spans, together, strict=True):
        (alone,) = tested.encode_passages([text], [span])
        for vectors, lonely in zip(one, alone, strict=True):
            assert vectors.tobytes() == lonely.tobytes()
    questions = tested.encode_query(TEXTS, [])[0]
    for text, vector in zip(TEXTS, questions, strict=True):
        assert tested.encode_query([text], [])[0][0].tobytes() == vector.tobytes()


def test_long_texts_are_read_whole() -> None:
    """A text of three windows; no window is longer than the model reads, with its prompt."""
    for family in FAMILIES:
        windows = encoder(family).split([TEXTS[3]])[0]
        assert len(windows) > 1 and " ".join(windows).startswith("Babbage met Ada")


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(0, 20))
def test_a_cone_is_opened(seed: int, shift: float) -> None:
    """Vectors around a common direction are centered, where they are narrow; others are kept."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(200, 40)) + shift * rng.permutation(np.eye(40)[0])
    vectors = unit(drawn.astype(np.float32))
    cosine = (vectors[:, None] * vectors).sum(axis=2)[np.triu_indices(200, 1)].mean()
    center = center_of(vectors)
    if abs(cosine - 0.2) > 0.01:
        assert (center is not None) == (cosine > 0.2)
    opened = centered(vectors, center)
    assert abs(np.linalg.norm(opened, axis=1) - 1).max() < 1e-5
    assert (opened @ opened.T)[np.triu_indices(200, 1)].mean() < 0.21


def test_the_center_is_part_of_the_identity() -> None:
    """An index of vectors with a center is not asked by an encoder without one."""
    tested = encoder("bert")
    plain = files_sha256([folder("bert") / "model.safetensors"])
    assert tested.center is not None and tested.spec.settings["centered"] is True
    assert tested.spec.sha256 != plain
    assert len(set(SUBJECTS)) == len(SUBJECTS) > 10
    default = SentenceTransformerEncoder()
    assert default.center is None and "centered" not in default.spec.settings
    measured = center_of(default.encode(SUBJECTS))
    assert measured is None  # so that it needs no measurement


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "copy"
    shutil.copytree(folder("bert"), target)
    weights = load_file(path := target / "model.safetensors")
    weights["encoder.layer.0.attention.self.query.weight"][3, 5] = np.nan
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(InvalidParameter, match=r"self\.query\.weight' are not finite"):
        SentenceTransformerEncoder(str(target), device="cpu").encode(["Ada"])


def test_no_large_library_is_imported() -> None:
    code = (
        "import sys; from graphagg.rag import SentenceTransformerEncoder as S\n"
        "S().encode_query(['Where was Ada born?'], [])\n"
        "print([m for m in ('sentence_transformers', 'transformers', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
