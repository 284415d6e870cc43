"""BERT over texts that lie end to end, without padding; each is encoded as if alone.

Except for attention, BERT multiplies the row of a token by matrices, or sums over the row. So the
tokens of several texts run as one matrix, and attention runs inside each text. The shape of every
product is fixed, or its sums are exact. So a text's vector has the same bits beside any other texts
(`tests/unit/rag/models/test_alone.py`).

Paper: Devlin et al., BERT, arXiv 1810.04805, as all-MiniLM-L6-v2 and many other encoders are built.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Floats, Ints
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.forward import EncodedWindow
from graphagg.rag.models.encoding.int8 import Int8Weights
from graphagg.rag.models.encoding.layers import BertLayers, norm_of
from graphagg.rag.models.encoding.windows import Window

_ROWS = 512  # tokens of a batch at least; small enough to stay in a core's cache


class _Batch(NamedTuple):
    """Texts that lie end to end, in r rows; texts of one length follow each other."""

    columns: Ints  # `[3, r]`: tokens, positions, segments
    lengths: list[int]  # tokens per text


class BertRunner:
    """Runs a BERT on a CPU, in 8 bits or float32."""

    def __init__(self, model: BertFiles, *, in_int8: bool) -> None:
        weights, shape = model.weights, model.shape
        self._shape, self._in_int8 = shape, in_int8
        self._rows = max(_ROWS, model.max_seq_length)
        self._words, self._places, self._segments = (
            weights[f"embeddings.{name}_embeddings.weight"]
            for name in ("word", "position", "token_type")
        )
        self._norm = norm_of(weights, "embeddings.LayerNorm")
        self._layers = BertLayers(
            weights, shape.layers, shape.heads, shape.epsilon, in_int8=in_int8
        )

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Fill each batch with the longest texts that still fit; in float32, one text per batch."""
        order = np.argsort(np.asarray(lengths, np.int64), kind="stable").tolist()
        if not self._in_int8:
            return [[i] for i in reversed(order)]
        ascending, batches = [lengths[i] for i in order], []
        while order:
            batch, room = [], self._rows
            while (longest := bisect_right(ascending, room) - 1) >= 0:
                batch.append(order.pop(longest))
                room -= ascending.pop(longest)
            batches.append(batch)
        return batches

    def prepare(self, windows: Sequence[Window], texts: Sequence[str]) -> _Batch:
        """Lay the tokens of windows end to end."""
        lengths = [len(window.ids) for window in windows]
        columns = np.zeros((3, sum(lengths)), np.int64)
        columns[0] = np.concatenate([window.ids for window in windows])
        columns[1] = np.concatenate([np.arange(n) for n in lengths]) + self._shape.first_position
        if len(self._segments) > 1:  # RoBERTa has one segment, whatever its tokenizer says
            columns[2] = np.concatenate([window.segments or [] for window in windows])
        return _Batch(columns, lengths)

    def run(self, prepared: _Batch) -> list[EncodedWindow]:
        """Encode a batch: the vectors of each window and its tokens."""
        ids, positions, segments = prepared.columns
        x, places = _rows_of(self._words, ids), _rows_of(self._places, positions)
        places += _rows_of(self._segments, segments)
        self._layers.normalize(x, places, *self._norm, self._shape.epsilon)
        rows = self._layers.run(x, prepared.lengths)
        ends = np.cumsum(prepared.lengths)
        tokens = [rows[end - n : end] for end, n in zip(ends, prepared.lengths, strict=True)]
        if self._shape.pooling == "cls":
            return [EncodedWindow(each[0], each) for each in tokens]
        means = (np.divide(each.sum(axis=0), np.float32(len(each))) for each in tokens)
        return [EncodedWindow(mean, each) for mean, each in zip(means, tokens, strict=True)]


def _rows_of(table: Array | Int8Weights, rows: Ints) -> Floats:
    """Some rows of a table in float32."""
    if isinstance(table, Int8Weights):
        return Int8Weights(table.values[rows], table.scale[rows]).restored()
    return table[rows].astype(np.float32)
