"""How steps of a question travel between processes: as JSON, with arrays in base64.

Values are numbers, texts, arrays of a few types, and the records below. Objects stay in the process
of the part and are named by a key. Nothing is executed that a message names.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import LinkWeights, MultihopConfig, PassageWeights
from graphagg.rag.modes.multihop.candidates import Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges
from graphagg.rag.question.reading import NameFound, QuestionReading
from graphagg.store.strings import StringTable

_TYPES = frozenset("|b1 |u1 <u2 <u4 <u8 <i4 <i8 <f4 <f8".split())
_RECORDS: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        QuestionReading, NameFound, Candidates, Edges, Bridges, MultihopConfig, PassageWeights,
        LinkWeights,
    )
}  # fmt: skip


def encode(value: object, keep: Callable[[object], str] | None = None) -> bytes:
    """A value as JSON; `keep` returns the key of an object that stays in this process."""
    return json.dumps(_encoded(value, keep), ensure_ascii=False, separators=(",", ":")).encode(
        errors="surrogatepass"
    )


def decode(body: bytes, made_of: Callable[[str], object]) -> Any:
    """The value of a message; `made_of` returns what stands for an object of the other process.

    Raises:
        InvalidParameter: it is no such message.
    """
    try:
        return _decoded(json.loads(body.decode(errors="surrogatepass")), made_of)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error):
        raise InvalidParameter("the message is no step of a question; check the versions") from None


def _encoded(value: Any, keep: Callable[[object], str] | None) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).data).decode()
        return {"array": value.dtype.str, "shape": value.shape, "data": data}
    if isinstance(value, Queries):
        return {"queries": _encoded(value.vectors, None)}
    if isinstance(value, StringTable):
        return {"strings": [_encoded(each, None) for each in (value.data, value.offsets)]}
    if isinstance(value, dict):
        return {"dict": [[_encoded(each, keep) for each in pair] for pair in value.items()]}
    name = type(value).__name__
    if name in _RECORDS:
        names = [each.name for each in fields(value)] if is_dataclass(value) else value._fields
        return {"record": name, "of": [_encoded(getattr(value, each), keep) for each in names]}
    if isinstance(value, list | tuple):
        return [_encoded(each, keep) for each in value]
    if keep is None:
        raise TypeError(f"a {name} cannot be sent")
    return {"object": keep(value)}


def _decoded(value: Any, made_of: Callable[[str], object]) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(each, made_of) for each in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return _array(value)
    if "dict" in value:
        return {_decoded(k, made_of): _decoded(v, made_of) for k, v in value["dict"]}
    if "record" in value:
        return _RECORDS[value["record"]](*(_decoded(each, made_of) for each in value["of"]))
    if "object" in value:
        return made_of(value["object"])
    if "queries" in value:
        return Queries(_array(value["queries"]))
    data, bounds = map(_array, value["strings"])
    ends = np.concatenate([[0], bounds, [len(data)]])
    if data.dtype != np.uint8 or bounds.dtype != np.int64 or (np.diff(ends) < 0).any():
        raise ValueError("bounds of strings")
    return StringTable(data, bounds)


def _array(value: Any) -> Array:
    if value["array"] not in _TYPES:
        raise ValueError("type of an array")
    content = base64.b64decode(value["data"], validate=True)
    array: Array = np.ndarray(tuple(value["shape"]), value["array"], content)
    if array.nbytes != len(content):
        raise ValueError("bytes of an array")
    return array.copy()
