"""BERT over texts that lie end to end, without padding; each is encoded as if alone.

Except for attention, BERT multiplies the row of a token by matrices, or sums over the row. So the
tokens of several texts run as one matrix, and attention runs inside each text. The shape of every
product is fixed, or follows from the length of the text, or its sums are exact. So a text's vector
has the same bits beside any other texts (`tests/unit/rag/models/test_alone.py`). This takes about
.9 of the CPU seconds of transformers with padded batches.

Paper: Devlin et al., BERT, arXiv 1810.04805, as all-MiniLM-L6-v2 and many other encoders are built.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.forward import EncodedWindow
from graphagg.rag.models.encoding.layers import BertLayers, parameters_of
from graphagg.rag.models.encoding.windows import Window
from graphagg.rag.models.weights import Kind

if TYPE_CHECKING:
    import torch

_STEP = 4  # the rows of a single text are a multiple, so that oneDNN keeps few shapes
_ROWS = 512  # tokens of a batch at least; small enough to stay in a core's cache


class _Batch(NamedTuple):
    """Texts that lie end to end, in r rows `[r]`; texts of one length follow each other."""

    ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    lengths: list[int]  # tokens per text


class BertRunner:
    """Runs a BERT on a CPU; with int8, everything but products is float32.

    `alone` makes batches of one text, in a shape that follows from its length, for a few urgent
    texts; else a batch has a fixed number of tokens.
    """

    def __init__(self, model: BertFiles, dtype: Kind, *, alone: bool) -> None:
        import torch

        weights, shape = model.weights, model.shape
        self._shape = shape
        self._rows = None if alone else max(_ROWS, model.max_seq_length)
        self._is_full = not alone and dtype != "int8"
        # The word embeddings are most of a small model: float16 halves them.
        self._dtype = torch.float32 if dtype == "int8" else getattr(torch, dtype)
        stored = torch.float16 if dtype == "int8" else self._dtype
        self._words, self._places, self._segments = (
            weights[f"embeddings.{name}_embeddings.weight"].to(stored)
            for name in ("word", "position", "token_type")
        )
        weight, bias = parameters_of(weights, "embeddings.LayerNorm")
        self._norm = weight.to(self._dtype), bias.to(self._dtype)
        self._layers = BertLayers(weights, shape, dtype, packed=alone)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Fill each batch with the longest texts that still fit."""
        order = np.argsort(np.asarray(lengths, np.int64), kind="stable").tolist()
        if self._rows is None:
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
        """Lay tokens of windows end to end; add unused rows but for int8, exact in any shape."""
        import torch

        lengths = [len(window.ids) for window in windows]
        rows = self._rows if self._is_full else None
        rows = rows or -(-sum(lengths) // _STEP) * _STEP
        columns = np.zeros((3, rows), np.int64)
        columns[0, : sum(lengths)] = np.concatenate([window.ids for window in windows])
        columns[1, : sum(lengths)] = np.concatenate([np.arange(n) for n in lengths])
        columns[1] += self._shape.first_position
        if len(self._segments) > 1:  # RoBERTa has one segment, whatever its tokenizer says
            columns[2, : sum(lengths)] = np.concatenate([window.segments for window in windows])
        ids, positions, segments = torch.from_numpy(columns)
        return _Batch(ids, positions, segments, lengths)

    def run(self, prepared: _Batch) -> list[EncodedWindow]:
        """Encode a batch: the vectors of each window and its tokens."""
        import torch
        from torch.nn.functional import layer_norm

        with torch.inference_mode():
            x = self._words[prepared.ids] + self._segments[prepared.segments]
            x = (x + self._places[prepared.positions]).to(self._dtype)
            x = layer_norm(x, x.shape[-1:], *self._norm, self._shape.epsilon)
            rows = self._layers.run(x, prepared.lengths).float().numpy()
        ends = np.cumsum(prepared.lengths)
        tokens = [rows[end - n : end] for end, n in zip(ends, prepared.lengths, strict=True)]
        if self._shape.pooling == "cls":
            return [EncodedWindow(each[0], each) for each in tokens]
        means = (np.divide(each.sum(axis=0), np.float32(len(each))) for each in tokens)
        return [EncodedWindow(mean, each) for mean, each in zip(means, tokens, strict=True)]
