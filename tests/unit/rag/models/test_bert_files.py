"""A BERT read from its files is the one that sentence-transformers loads; others are left to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.models import weights
from graphagg.rag.models.encoding.bert_files import BertFiles
from tests.unit.rag.models.test_alone import halves, texts

ODD = ("", "\u200b", "长い文 e\u0301té Straße 👍🏽 [MASK] x", "a" * 600, "中国人民" * 200)


def folder() -> Path:
    return Path(weights._path_and_sha256(weights.DEFAULT_ENCODER)[0])


def test_equals_the_library_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SentenceTransformerEncoder()
    monkeypatch.setattr(weights.BertFiles, "read", lambda folder: None)
    other = SentenceTransformerEncoder()
    some = [*texts()[:6], *ODD]
    assert own.spec == other.spec and own.split(some) == other.split(some)
    asked = zip(own.encode_query(some, some), other.encode_query(some, some), strict=True)
    assert all((one == two).all() for one, two in asked)
    passages = some[:3]
    sentences = [halves(text) for text in passages]
    found = own.encode_passages(passages, sentences)
    for one, two in zip(found, other.encode_passages(passages, sentences), strict=True):
        assert (one.windows == two.windows).all() and (one.sentences == two.sentences).all()


def test_no_large_library_is_imported() -> None:
    code = (
        "import sys; from graphagg.rag import SentenceTransformerEncoder as S\n"
        "S(device='cpu').encode_query(['Where was Ada born?'], [])\n"
        "print([m for m in ('sentence_transformers', 'transformers') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def changed(name: str, **values: Any) -> Callable[[Path], None]:
    def change(copied: Path) -> None:
        before = json.loads((copied / name).read_text())
        (copied / name).write_text(json.dumps(before | values))

    return change


def removed(name: str) -> Callable[[Path], None]:
    return lambda copied: (copied / name).unlink()


@pytest.mark.parametrize(
    "change",
    [
        changed("config.json", model_type="mpnet"),
        changed("config.json", architectures=["BertForMaskedLM"]),
        changed("config.json", hidden_act="relu"),
        changed("config.json", position_embedding_type="relative_key"),
        changed("config.json", is_decoder=True),
        changed("sentence_bert_config.json", do_lower_case=True),
        changed("1_Pooling/config.json", pooling_mode_max_tokens=True),
        changed("1_Pooling/config.json", pooling_mode_mean_tokens=False),
        changed("1_Pooling/config.json", include_prompt=False),
        lambda copied: (copied / "modules.json").write_text("[]"),
        lambda copied: (copied / "config.json").write_text("{"),
        removed("tokenizer.json"),
        removed("model.safetensors"),
        removed("sentence_bert_config.json"),
    ],
)
def test_another_kind_of_model_is_left_to_the_library(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    copied = tmp_path / "m"
    shutil.copytree(folder(), copied, ignore=shutil.ignore_patterns("model.safetensors"))
    (copied / "model.safetensors").symlink_to(folder() / "model.safetensors")
    change(copied)
    assert BertFiles.read(copied) is None
