"""Encodings of a whole data set, computed once."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import CorruptArtifact, InvalidParameter
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.files import safetensors, write_whole

_FORMAT = "graphagg encodings 1"
_OFFSETS = "offsets of "


def encode_dataset(
    graphs: Iterable[Data],
    transforms: Encoding | Sequence[Encoding],
    cache_dir: str | os.PathLike[str] | None = None,
) -> list[Data]:
    """Copies of the graphs with the encodings on them.

    With `cache_dir` the encodings are kept there in one safetensors file, whose name is a digest of
    the graphs (their sizes, edges and edge weights, in this order) and of the transforms with all
    their parameters: the same call later reads the file, and after any change the encodings are
    computed again. The file appears whole or not at all. Features and labels are not in it.

    Args:
        graphs: the data set.
        transforms: one or more encodings of this package.
        cache_dir: a folder, made where it is missing; None to keep nothing.

    Returns:
        shallow copies in the same order.

    Raises:
        InvalidParameter: a transform that is no `Encoding`, so that its parameters are unknown, or
            a `cache_dir` that is a file.
        CorruptArtifact: the file in `cache_dir` cannot be read.
        WriteFailed: the folder cannot be written.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import RWSE, encode_dataset
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> (encoded,) = encode_dataset([path], RWSE(2))
        >>> tuple(encoded.rwse.shape)
        (3, 2)
    """
    chosen = [transforms] if isinstance(transforms, Encoding) else list(transforms)
    for transform in chosen:
        if not isinstance(transform, Encoding):
            raise InvalidParameter(
                f"{transform!r} is no encoding of graphagg.nn.encodings; apply it yourself"
            )
    originals = list(graphs)
    if cache_dir is None:
        return [_encoded(graph, chosen) for graph in originals]
    if Path(cache_dir).exists() and not Path(cache_dir).is_dir():
        raise InvalidParameter(f"cache_dir {cache_dir} is a file; wanted a folder")
    path = Path(cache_dir) / f"{_digest(originals, chosen)}.safetensors"
    if path.exists():
        return _restored(path, originals)
    encoded = [_encoded(graph, chosen) for graph in originals]
    _store(path, encoded, [name for transform in chosen for name in transform.names])
    return encoded


def _encoded(graph: Data, transforms: Sequence[Encoding]) -> Data:
    for transform in transforms:
        graph = transform(graph)
    return graph


def _digest(graphs: Sequence[Data], transforms: Sequence[Encoding]) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\n{list(transforms)!r}\n".encode())
    for graph in graphs:
        tensors = [graph.edge_index, graph.get("edge_weight"), graph.get("ptr"), graph.get("batch")]
        digest.update(f"{graph.num_nodes}".encode())
        for tensor in tensors:
            if tensor is None:
                digest.update(b"none")
                continue
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            tensor = tensor.detach().cpu()
            values = np.ascontiguousarray(
                tensor.float() if tensor.dtype is torch.bfloat16 else tensor
            )
            digest.update(values.tobytes())
    return digest.hexdigest()[:40]


def _store(path: Path, graphs: Sequence[Data], names: Sequence[str]) -> None:
    """All graphs' tensors of one name end to end, with offsets."""
    tensors: dict[str, Tensor] = {}
    for name in names if graphs else []:
        dim = graphs[0].__cat_dim__(name, graphs[0][name])
        tensors_of_name = [graph[name].cpu() for graph in graphs]
        sizes = torch.tensor([0, *(tensor.size(dim) for tensor in tensors_of_name)])
        tensors[name] = torch.cat(tensors_of_name, dim).contiguous()
        tensors[_OFFSETS + name] = sizes.cumsum(0)
    data = safetensors().torch.save(tensors, {"format": _FORMAT})
    write_whole(path, lambda partial: partial.write_bytes(data))


def _restored(path: Path, graphs: Sequence[Data]) -> list[Data]:
    encoded = [copy.copy(graph) for graph in graphs]
    try:
        tensors = safetensors().torch.load(path.read_bytes())
        for name in [name for name in tensors if not name.startswith(_OFFSETS)]:
            sizes = tensors[_OFFSETS + name].diff().tolist()
            for graph, tensor in zip(
                encoded,
                tensors[name].split(sizes, graphs[0].__cat_dim__(name, tensors[name])),
                strict=True,
            ):
                graph[name] = tensor.to(graph.edge_index.device)
    except Exception as error:
        raise CorruptArtifact(
            f"{path} cannot be read ({error}); remove it, and run again"
        ) from error
    return encoded
