"""The layers of a BERT over texts that lie end to end, in float32, bfloat16 or 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from graphagg.rag.models.encoding.bert_files import BertShape
from graphagg.rag.models.encoding.int8 import Int8Linear, int8_feed
from graphagg.rag.models.encoding.products import product_of
from graphagg.rag.models.weights import Kind

if TYPE_CHECKING:
    import torch

    from graphagg.rag.models.encoding.products import Product

    Weights = Mapping[str, torch.Tensor]
    Pair = tuple[torch.Tensor, torch.Tensor]

JOINT = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
"""Modules that run as one product: queries, keys and values."""


def parameters_of(weights: Weights, *modules: str) -> Pair:
    """Weight and bias of modules, stacked, as float32."""
    import torch

    weight, bias = (
        torch.cat([weights[f"{module}.{name}"] for module in modules]).float()
        for name in ("weight", "bias")
    )
    return weight, bias


class _Layer(NamedTuple):
    """The steps of a layer; `attend` makes queries, keys and values, `feed` has GELU inside."""

    attend: Product
    project: Product
    first_norm: Pair
    feed: Product
    second_norm: Pair


class BertLayers:
    """The layers of a BERT; with `int8`, everything but products is float32.

    `packed` lays the weights out for a few rows at a time.
    """

    def __init__(self, weights: Weights, shape: BertShape, dtype: Kind, *, packed: bool) -> None:
        import torch

        self._heads, self._epsilon = shape.heads, shape.epsilon
        activations = torch.float32 if dtype == "int8" else getattr(torch, dtype)

        def pair(*modules: str) -> Pair:
            weight, bias = parameters_of(weights, *modules)
            return weight.to(activations), bias.to(activations)

        def product(*modules: str, gelu: bool = False) -> Product:
            if dtype == "int8":
                return Int8Linear(*pair(*modules))
            return product_of(*pair(*modules), gelu, packed=packed)

        def feed(first: str, second: str) -> Product:
            if dtype == "int8":
                return int8_feed(pair(first), pair(second))
            widen, narrow = product(first, gelu=True), product(second)
            return lambda x: narrow(widen(x))

        self._layers = [
            _Layer(
                product(*(f"{layer}.{name}" for name in JOINT)),
                product(f"{layer}.attention.output.dense"),
                pair(f"{layer}.attention.output.LayerNorm"),
                feed(f"{layer}.intermediate.dense", f"{layer}.output.dense"),
                pair(f"{layer}.output.LayerNorm"),
            )
            for layer in (f"encoder.layer.{index}" for index in range(shape.layers))
        ]

    def run(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Run texts of these lengths, end to end in `x` `[r, d]`; further rows are padding."""
        for layer in self._layers:
            attended = attention_within(layer.attend(x), lengths, self._heads)
            x = self._normed(layer.project(attended).add_(x), layer.first_norm)
            x = self._normed(layer.feed(x).add_(x), layer.second_norm)
        return x

    def _normed(self, x: torch.Tensor, weights: Pair) -> torch.Tensor:
        from torch.nn.functional import layer_norm

        return layer_norm(x, x.shape[-1:], *weights, self._epsilon)


def attention_within(joint: torch.Tensor, lengths: Sequence[int], heads: int) -> torch.Tensor:
    """Attend inside each text, `[r, d]`; `joint` `[r, 3 d]` holds queries, keys and values."""
    from torch.nn.functional import scaled_dot_product_attention

    d = joint.shape[1] // 3
    attended, start = joint.new_zeros(len(joint), d), 0
    for length, same in groupby(lengths):
        count = len(list(same))
        rows = slice(start, start + count * length)
        split = joint[rows].view(count, length, 3, heads, d // heads)
        mixed = scaled_dot_product_attention(*split.permute(2, 0, 3, 1, 4))
        attended[rows] = mixed.transpose(1, 2).reshape(count * length, d)
        start = rows.stop
    return attended
