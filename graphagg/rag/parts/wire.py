"""Message format for steps between processes: JSON, followed by the bytes of arrays.

Values are numbers, strings, arrays of a few types, and the records below. Other objects stay in the
process of the part; messages contain their keys. Messages cannot run code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import LinkWeights, MultihopConfig, PassageWeights
from graphagg.rag.modes.multihop.candidates import Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges, Frontier
from graphagg.rag.modes.question_scores import Strongest
from graphagg.rag.question.reading import QuestionReading
from graphagg.store.strings import StringTable

_TYPES = frozenset("|b1 |u1 <u2 <u4 <u8 <i4 <i8 <f4 <f8".split())
_RECORDS: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        Queries, StringTable, QuestionReading, Candidates, Edges, Bridges, Frontier,
        Strongest, MultihopConfig, PassageWeights, LinkWeights,
    )
}  # fmt: skip
_FIELDS = {"Queries": ["vectors"], "StringTable": ["data", "offsets"]} | {
    name: [field.name for field in fields(each)] if is_dataclass(each) else each._fields
    for name, each in _RECORDS.items()
    if each not in (Queries, StringTable)
}
LENGTH = 8  # size of a length field in bytes
ANSWERED, FAILED = b"\0", b"\1"  # first byte of an answer


def framed(message: bytes) -> bytes:
    """Prefix a message with its length."""
    return len(message).to_bytes(LENGTH, "little") + message


def encode(value: object, keep: Callable[[object], str] | None = None) -> bytes:
    """Encode a value as a message; `keep` stores an object here and returns its key."""
    arrays = list[Array]()
    text = json.dumps(_encoded(value, arrays, keep), separators=(",", ":")).encode()
    return b"".join([framed(text), *map(np.ndarray.tobytes, arrays)])


def decode(body: bytes, made_of: Callable[[str], object]) -> Any:
    """Decode a message, or raise `InvalidParameter`; `made_of` returns the object of a key."""
    try:
        end = LENGTH + int.from_bytes(body[:LENGTH], "little")
        return _Decoder(body, end, made_of).value(json.loads(body[LENGTH:end]))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise InvalidParameter("the message is not a valid step; check the versions") from None


def _encoded(value: Any, arrays: list[Array], keep: Callable[[object], str] | None) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": value.dtype.str, "shape": value.shape}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {"dict": [_encoded(pair, arrays, keep) for pair in value.items()]}
    name = type(value).__name__
    if name in _RECORDS:
        names = _FIELDS[name]
        return {"record": name, "of": [_encoded(getattr(value, n), arrays, keep) for n in names]}
    if isinstance(value, list | tuple):
        return [_encoded(each, arrays, keep) for each in value]
    if keep is None:
        raise TypeError(f"a {name} cannot be sent")
    return {"object": keep(value)}


class _Decoder:
    """Reads the values of one message; its arrays start at offset `place`, in JSON order."""

    def __init__(self, body: bytes, place: int, made_of: Callable[[str], object]) -> None:
        self._body, self._place, self._made_of = body, place, made_of

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(self.value, value))
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return self._array(value["array"], value["shape"])
        if "record" in value:
            return _RECORDS[value["record"]](*map(self.value, value["of"]))
        if "object" in value:
            return self._made_of(value["object"])
        return dict(map(self.value, value["dict"]))

    def _array(self, kind: str, shape: list[int]) -> Array:
        if kind not in _TYPES or any(not isinstance(n, int) or n < 0 for n in shape):
            raise ValueError("invalid dtype or shape of an array")
        array: Array = np.frombuffer(self._body, kind, math.prod(shape), self._place)
        self._place += array.nbytes
        return array.reshape(shape).copy()
