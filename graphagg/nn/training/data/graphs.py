"""Stores many graphs in a few long tensors: a batch is one gather per attribute, O(batch rows).

PyG's collate visits every graph and attribute of a batch in Python. For molecules this takes as
long as a small model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from graphagg.errors import InvalidDataset
from graphagg.nn.segments import offsets


@dataclass(frozen=True)
class GraphColumn:
    """One attribute of all graphs, concatenated along `dim`."""

    values: Tensor
    ptr: Tensor  # `[G + 1]` int64; graph g owns the slice `ptr[g]:ptr[g + 1]`
    dim: int  # 0, or 1 for `[2, E]` tensors
    counts_vertices: bool  # values are vertex ids; a batch adds the graph's first vertex to them

    def take(self, ids: Tensor, first_vertex: Tensor) -> Tensor:
        """Concatenate the slices of graphs `ids`."""
        sizes = self.ptr[ids + 1] - self.ptr[ids]
        at, owner = ragged_ranges(self.ptr[ids], sizes)
        values = self.values.index_select(self.dim, at)
        return values + first_vertex[owner] if self.counts_vertices else values


@dataclass(frozen=True)
class Graphs:
    """G graphs; `batch` selects graphs by number."""

    columns: dict[str, GraphColumn]  # the tensors that all graphs have
    vertex_ptr: Tensor  # `[G + 1]` int64, offsets of vertices

    @classmethod
    def from_list(cls, graphs: Sequence[Data]) -> Graphs:
        """Concatenate graphs; attributes that are not tensors are dropped.

        Raises `InvalidDataset` if there are no graphs, or their attributes differ.
        """
        if not graphs:
            raise InvalidDataset("the data contain no graphs; expected at least one")
        names = _tensor_names(graphs[0])
        for index, graph in enumerate(graphs):
            if _tensor_names(graph) != names:
                odd = sorted(set(_tensor_names(graph)) ^ set(names))
                raise InvalidDataset(
                    f"graph {index} and graph 0 have different attributes: {', '.join(odd)}; "
                    "give all graphs the same attributes"
                )
        sizes = torch.tensor([int(graph.num_nodes or 0) for graph in graphs], dtype=torch.int64)
        columns = {}
        for name in names:
            tensors = [graph[name] for graph in graphs]
            rows = [tensor.view(1) if tensor.dim() == 0 else tensor for tensor in tensors]
            dim = (graphs[0].__cat_dim__(name, rows[0]) or 0) % rows[0].dim()
            lengths = torch.tensor([row.size(dim) for row in rows])
            try:
                values = torch.cat(rows, dim=dim)
                columns[name] = GraphColumn(values, offsets(lengths), dim, "index" in name)
            except RuntimeError as error:
                raise InvalidDataset(
                    f"{name!r} has other shapes in some graphs ({error}); expected the same width"
                ) from None
        return cls(columns, offsets(sizes))

    def __len__(self) -> int:
        return self.vertex_ptr.numel() - 1

    def batch(self, ids: Tensor) -> Batch:
        """Return graphs `ids` `[B]` int64 as one batch, like PyG's `Batch.from_data_list`."""
        sizes = self.vertex_ptr[ids + 1] - self.vertex_ptr[ids]
        ptr = offsets(sizes)
        batch = Batch()
        for name, column in self.columns.items():
            batch[name] = column.take(ids, ptr)
        batch.ptr = ptr
        batch.batch = torch.repeat_interleave(torch.arange(len(ids)), sizes)
        return batch


def ragged_ranges(starts: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Concatenate the ranges `starts[i], ..., starts[i] + sizes[i] - 1`; also return each i."""
    owner = torch.repeat_interleave(torch.arange(sizes.numel(), device=sizes.device), sizes)
    before = sizes.cumsum(0) - sizes
    return torch.arange(owner.numel(), device=sizes.device) + (starts - before)[owner], owner


def _tensor_names(graph: Data) -> list[str]:
    return sorted(name for name, value in graph.to_dict().items() if isinstance(value, Tensor))
