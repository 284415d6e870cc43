"""Runs the packaged BERT models on concatenated texts, without padding.

Except for attention, BERT handles each token's row separately. So we process the tokens of several
texts as one matrix, and compute attention within each text. The sums of products are exact, so a
text's vector is the same to the bit in any batch.

Paper: Devlin et al., BERT, arXiv 1810.04805.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from graphagg.arrays import Array, Floats, Ints
from graphagg.rag.models.encoding.forward import EncodedWindow
from graphagg.rag.models.encoding.int8 import Int8Linear, Int8Weights
from graphagg.rag.models.encoding.layers import BY_NUMPY, COMPILED, attention_within
from graphagg.rag.models.encoding.windows import Window

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Weights: TypeAlias = Mapping[str, Any]
"""Weights by BERT name: matrices `[o, i]` float or `[i, o]` `Int8Weights`; vectors float."""
_HEADS, _EPSILON = 12, 1e-12  # in both packaged models; epsilon is added to variances
_ROWS = 512  # minimum batch capacity in tokens; small enough for a core's cache
_JOINT = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
"""Modules computed as one product: queries, keys and values."""
MATRICES = (*_JOINT, "attention.output.dense", "intermediate.dense", "output.dense")
"""The modules of a layer that have a weight matrix."""


@dataclass(frozen=True)
class BertModel:
    """A packaged BERT with mean pooling, with the attribute names of `SentenceTransformer`."""

    weights: Weights
    layers: int
    tokenizer: Tokenizer  # neither truncates nor pads
    max_seq_length: int  # in tokens
    prompts: Mapping[str, str | None] = field(default_factory=dict)
    default_prompt_name = None

    def get_embedding_dimension(self) -> int:
        """Length d of a vector."""
        return len(self.weights["embeddings.LayerNorm.bias"])


class _Layer(NamedTuple):
    """The weights of a layer."""

    attend: Int8Linear  # to queries, keys and values, `[r, 3 d]`
    project: Int8Linear
    first_norm: tuple[Floats, Floats]
    widen: Int8Linear
    narrow: Int8Linear
    second_norm: tuple[Floats, Floats]


class BertRunner:
    """Runs a BERT model on a CPU: matrix products in 8 bits, everything else in float32."""

    def __init__(self, model: BertModel) -> None:
        self._weights, self._steps = model.weights, COMPILED
        self._rows = max(_ROWS, model.max_seq_length)
        self._layers = [self._layer(f"encoder.layer.{index}") for index in range(model.layers)]

    def by_numpy(self) -> BertRunner:
        """Return a runner with the same weights that uses numpy."""
        runner = copy(self)
        runner._steps = BY_NUMPY
        return runner

    def _layer(self, name: str) -> _Layer:
        modules = (_JOINT, *((module,) for module in MATRICES[len(_JOINT) :]))
        attend, project, widen, narrow = (self._linear(name, each) for each in modules)
        first, second = (self._norm(f"{name}.{part}") for part in ("attention.output", "output"))
        return _Layer(attend, project, first, widen, narrow, second)

    def _linear(self, layer: str, modules: Sequence[str]) -> Int8Linear:
        """Combine modules with the same input into one layer."""
        each = [self._weights[f"{layer}.{module}.weight"] for module in modules]
        bias = np.concatenate([self._weights[f"{layer}.{module}.bias"] for module in modules])
        rounded = [w if isinstance(w, Int8Weights) else Int8Weights.of(w.T) for w in each]
        joint = (np.concatenate(parts, axis=1) for parts in zip(*rounded, strict=True))
        return Int8Linear(Int8Weights(*joint), bias)

    def _norm(self, module: str) -> tuple[Floats, Floats]:
        """Gain and shift of a layer norm."""
        return self._weights[f"{module}.LayerNorm.weight"], self._weights[
            f"{module}.LayerNorm.bias"
        ]

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Fill each batch with the longest texts that still fit; with numpy, one text per batch."""
        order = np.argsort(np.asarray(lengths, np.int64), kind="stable").tolist()
        if self._steps is BY_NUMPY:
            return [[i] for i in reversed(order)]
        ascending, batches = [lengths[i] for i in order], []
        while order:
            batch, room = [], self._rows
            while (longest := bisect_right(ascending, room) - 1) >= 0:
                batch.append(order.pop(longest))
                room -= ascending.pop(longest)
            batches.append(batch)
        return batches

    def run(
        self, windows: Sequence[Window], texts: Sequence[str], prompt: str
    ) -> list[EncodedWindow]:
        """Encode a batch; return the token vectors of each window and their mean."""
        lengths = [len(window.ids) for window in windows]
        ids = np.concatenate([np.array(window.ids, np.int64) for window in windows])
        positions = np.concatenate([np.arange(n) for n in lengths])
        x, places, (segment,) = (
            _rows_of(self._weights[f"embeddings.{table}_embeddings.weight"], rows)
            for table, rows in (("word", ids), ("position", positions), ("token_type", [0]))
        )
        places += segment
        steps = self._steps
        steps.normalize(x, places, *self._norm("embeddings"), _EPSILON)
        for layer in self._layers:
            attended = attention_within(steps.linear(layer.attend, x), lengths, _HEADS, steps)
            mixed = steps.linear(layer.project, attended)
            steps.normalize(mixed, x, *layer.first_norm, _EPSILON)
            x = steps.feed(mixed, layer.widen, layer.narrow)
            steps.normalize(x, mixed, *layer.second_norm, _EPSILON)
        ends = np.cumsum(lengths)
        tokens = [x[end - n : end] for end, n in zip(ends, lengths, strict=True)]
        means = (np.divide(each.sum(axis=0), np.float32(len(each))) for each in tokens)
        return [EncodedWindow(mean, each) for mean, each in zip(means, tokens, strict=True)]


def _rows_of(table: Array | Int8Weights, rows: Ints | list[int]) -> Floats:
    """Return some rows of a table in float32."""
    if isinstance(table, Int8Weights):
        return Int8Weights(table.values[rows], table.scale[rows]).restored()
    return table[rows].astype(np.float32)
