"""The layers of a BERT over texts that lie end to end, in float32, bfloat16 or 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from graphagg.rag.models.encoding.bert_files import BertShape
from graphagg.rag.models.encoding.int8 import Int8Layer
from graphagg.rag.models.encoding.products import product_of
from graphagg.rag.models.weights import Kind

if TYPE_CHECKING:
    import torch

    Weights = Mapping[str, torch.Tensor]
    Pair = tuple[torch.Tensor, torch.Tensor]

JOINT = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
"""Modules that run as one product: queries, keys and values."""
LINEARS = ("attention.output", "intermediate", "output")
NORMS = ("attention.output", "output")


def parameters_of(weights: Weights, *modules: str) -> Pair:
    """Weight and bias of modules, stacked, as float32."""
    import torch

    weight, bias = (
        torch.cat([weights[f"{module}.{name}"] for module in modules]).float()
        for name in ("weight", "bias")
    )
    return weight, bias


class Layer(Protocol):
    """The steps of a layer around its attention."""

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values `[r, 3 d]` of tokens `[r, d]`."""

    def finish(self, attended: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Make the tokens `[r, d]` after the layer; overwrites `x`, those before it."""


class _FloatLayer:
    """A layer in float32 or bfloat16.

    Args:
        linears: weights and biases: queries, keys and values; what follows attention; the wide one
            with GELU; the one after it.
        norms: weights and biases of the layer norms.
        epsilon: added to variances.
        packed: lay the weights out for a few rows at a time.
    """

    def __init__(
        self, linears: Sequence[Pair], norms: Sequence[Pair], epsilon: float, packed: bool
    ) -> None:
        gelu = (False, False, True, False)
        self.attend, self._project, self._widen, self._narrow = (
            product_of(*pair, g, packed=packed) for pair, g in zip(linears, gelu, strict=True)
        )
        self._norms, self._epsilon = norms, epsilon

    def finish(self, attended: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Add and norm twice."""
        x = self._normed(self._project(attended).add_(x), self._norms[0])
        return self._normed(self._narrow(self._widen(x)).add_(x), self._norms[1])

    def _normed(self, x: torch.Tensor, weights: Pair) -> torch.Tensor:
        from torch.nn.functional import layer_norm

        return layer_norm(x, x.shape[-1:], *weights, self._epsilon)


class BertLayers:
    """The layers of a BERT after the embeddings of its tokens.

    Args:
        weights: by their names in BERT.
        shape: hyperparameters.
        dtype: dtype of weights and activations; with `int8`, everything but products is float32.
        packed: lay the weights out for a few rows at a time.
    """

    def __init__(self, weights: Weights, shape: BertShape, dtype: Kind, *, packed: bool) -> None:
        import torch

        self._heads = shape.heads
        activations = torch.float32 if dtype == "int8" else getattr(torch, dtype)

        def pair(*modules: str) -> Pair:
            weight, bias = parameters_of(weights, *modules)
            return weight.to(activations), bias.to(activations)

        def layer(name: str) -> Layer:
            linears = [
                pair(*(f"{name}.{each}" for each in JOINT)),
                *(pair(f"{name}.{each}.dense") for each in LINEARS),
            ]
            norms = [pair(f"{name}.{each}.LayerNorm") for each in NORMS]
            if dtype == "int8":
                return Int8Layer(linears, norms, shape.epsilon)
            return _FloatLayer(linears, norms, shape.epsilon, packed)

        self._layers = [layer(f"encoder.layer.{index}") for index in range(shape.layers)]

    def run(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Run texts that lie end to end.

        Args:
            x: `[r, d]` embedded tokens; may be overwritten.
            lengths: rows of each text; rows beyond them are padding.
        """
        for layer in self._layers:
            x = layer.finish(attention_within(layer.attend(x), lengths, self._heads), x)
        return x


def attention_within(joint: torch.Tensor, lengths: Sequence[int], heads: int) -> torch.Tensor:
    """Attend inside each text: `[r, d]`.

    Args:
        joint: `[r, 3 d]`, queries, keys and values.
        lengths: tokens of each text.
        heads: number of heads.
    """
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
