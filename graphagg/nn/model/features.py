"""Encodes features of vertices and edges: checks the columns and maps them to vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.errors import InvalidFeatures
from graphagg.nn.config.model import FeatureConfig
from graphagg.nn.dropout import Dropout
from graphagg.nn.segments import Segments


class FeatureEncoder(torch.nn.Module):
    """Sum of an embedding of each categorical column and a linear map of the real-valued ones.

    The result has width d = `channels`; `name` is the name used in errors, such as `x`.
    """

    def __init__(self, config: FeatureConfig, channels: int, name: str) -> None:
        super().__init__()
        self.config, self.channels, self.name = config, channels, name
        self.embeddings = torch.nn.ModuleList(
            torch.nn.Embedding(size, channels) for size in config.vocabulary
        )
        self.linear = torch.nn.Linear(config.width, channels) if config.width else None
        self.dropout = Dropout(config.dropout)
        if config.constant:
            self.constant = torch.nn.Parameter(torch.randn(channels))

    def forward(self, values: Tensor | None, rows: int, owner: Segments) -> Tensor:
        """Encode `values`, `[rows, columns]` or `[rows]` for one column, as vectors `[rows, d]`.

        `owner` has the graph of each row, for errors.

        Raises:
            InvalidFeatures: values are missing, have the wrong shape, are not finite, or are not
                in the vocabulary; the message has the row and its graph.
        """
        if self.config.constant:
            return self.constant.expand(rows, -1)
        values = self._shaped(values, rows)
        if not torch.compiler.is_compiling():
            self._check(values, owner)
        split = len(self.config.vocabulary)
        embedded = [layer(values[:, i].long()) for i, layer in enumerate(self.embeddings)]
        if self.linear is not None:
            real = values[:, split:].to(self.linear.weight.dtype)
            embedded.append(self.linear(self.dropout(real)))
        return torch.stack(embedded).sum(0) if len(embedded) > 1 else embedded[0]

    def _shaped(self, values: Tensor | None, rows: int) -> Tensor:
        requirement = f"expected [{rows}, {self.config.columns}]"
        if values is None:
            raise InvalidFeatures(f"{self.name} is missing; {requirement}")
        if values.is_sparse:
            raise InvalidFeatures(f"{self.name} is sparse; {requirement} of a dense tensor")
        if values.dim() == 1 and self.config.columns == 1:
            values = values.unsqueeze(1)
        if values.dim() != 2 or values.shape != (rows, self.config.columns):
            raise InvalidFeatures(f"{self.name} is {tuple(values.shape)}; {requirement}")
        return values

    def _check(self, values: Tensor, owner: Segments) -> None:
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            row, column = (~torch.isfinite(values)).nonzero()[0].tolist()
            raise InvalidFeatures(
                f"{self.name} is {float(values[row, column])} at {_place(row, column, owner)}; "
                "expected finite numbers"
            )
        for column, size in enumerate(self.config.vocabulary):
            categories = values[:, column]
            wrong = (categories < 0) | (categories >= size)
            if categories.is_floating_point():
                wrong |= categories != categories.floor()
            if bool(wrong.any()):
                row = int(wrong.nonzero()[0])
                raise InvalidFeatures(
                    f"{self.name} is {categories[row].item()} at {_place(row, column, owner)}; "
                    f"expected a category from 0 to {size - 1}"
                )


def _place(row: int, column: int, owner: Segments) -> str:
    return f"row {row}, column {column} (graph {int(owner.index[row])})"
