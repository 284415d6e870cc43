"""The objects of a part that questions from other processes use, and checks of what these send."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphagg.errors import GraphAggError, InvalidParameter, NoSuchIndex
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.links import Bridges
from graphagg.rag.parts.steps import NamedPart, OpenedPart, PartQuestion, PartView
from graphagg.rag.parts.wire import decode, encode
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.store.strings import StringTable

_MOST = {OpenedPart: 4, NamedPart: 4, PartView: 64, PartQuestion: 256}
"""Objects that are kept of each class; the least recently used ones are dropped."""
_LARGEST = 10_000  # hits of a step
Check = Callable[[Any, PassageSnapshot, int], bool]


def _array(kind: str, dimensions: int = 1) -> Check:
    dtypes = kind.split()
    return lambda x, *_: (
        isinstance(x, np.ndarray) and x.dtype.str in dtypes and x.ndim == dimensions
    )


def _within(low: int, of_names: bool = False) -> Check:
    """Rows, or names of the part, from `low` on."""

    def check(x: Any, snapshot: PassageSnapshot, names: int) -> bool:
        most = names if of_names else len(snapshot.alive)
        is_fit: bool = _array("<i8")(x, snapshot, 0) and (not len(x) or low <= x.min())
        return is_fit and (not len(x) or int(x.max()) < most)

    return check


def _of_names(kind: str) -> Check:
    return lambda x, snapshot, names: _array(kind)(x, snapshot, names) and len(x) == names


def _mask(x: Any, snapshot: PassageSnapshot, _: int) -> bool:
    return _array("|b1")(x, snapshot, 0) and len(x) == len(snapshot.alive)


def _is(*kinds: type[Any]) -> Check:
    return lambda x, *_: isinstance(x, kinds) and not (isinstance(x, bool) and bool not in kinds)


def _count(x: Any, *_: Any) -> bool:
    return _is(int)(x, *_) and 0 <= x <= 1 << 53


def _k(x: Any, *_: Any) -> bool:
    return _is(int)(x, *_) and 0 < x <= _LARGEST


def _row(x: Any, snapshot: PassageSnapshot, _: int) -> bool:
    return isinstance(x, int) and 0 <= x < len(snapshot.alive)


def _entity(x: Any, _: PassageSnapshot, names: int) -> bool:
    return isinstance(x, int) and 0 <= x < names


def _reading(x: Any, _: PassageSnapshot, names: int) -> bool:
    return isinstance(x, QuestionReading) and all(
        isinstance(each, int) and -1 <= each < names for each in x.entities
    )


def _bridges(x: Any, snapshot: PassageSnapshot, names: int) -> bool:
    return (
        isinstance(x, Bridges)
        and _within(0, of_names=True)(x.entity, snapshot, names)
        and _array("<f8", 2)(x.strength, snapshot, names)
        and x.strength.shape == (len(x.entity), 3)
        and all(len(each) == len(x.entity) for each in (x.parent, x.sentence, x.similarity))
    )


_ROWS, _FLOATS = _within(0), _array("<f4 <f8")
_CONFIG: Check = _is(MultihopConfig)
STEPS: dict[type[Any], dict[str, Sequence[Check]]] = {
    OpenedPart: {
        "named": (_is(StringTable), _array("|u1")),
        "rows_at": (_is(str), _array("<i8")),
        "range_of": (_is(str), _count, _count),
    },
    NamedPart: {
        "numbers": (),
        "uses": (_mask,),
        "view": (_mask, _of_names("|u1"), _of_names("<i8")),
        "first_mention": (_entity, _row),
    },
    PartView: {
        "counts": (),
        "share": (_of_names("<i4"), _count, _count),
        "names": (_is(str),),
        "words": (_is(str),),
        "question": (_reading, _is(Queries), _is(np.ndarray, type(None)), _FLOATS),
        "expand": (_bridges, _within(-1)),
        "closeness": (_ROWS, _within(-1, of_names=True), _array("<i8"), _array("<f4 <f8", 2)),
    },
    PartQuestion: {
        "df": (),
        "weigh": (_is(list, tuple),),
        "best_by_words": (_k,),
        "covers": (_ROWS,),
        "nearest": (_k,),
        "largest_similarity": (),
        "similarity_at": (_ROWS,),
        "statistics": (),
        "take_documents": (_count, _is(dict)),
        "documents_from": (_is(float, int),),
        "leading": (_CONFIG, _k, _is(float, int), _is(list, tuple)),
        "candidates": (_CONFIG, _ROWS),
        "bridges": (_CONFIG, _ROWS),
        "ties": (_count, _ROWS),
    },
}
"""The steps that other processes may call, with a check of each argument."""


class PartObjects:
    """The objects of a part by their keys, for all processes that ask it."""

    def __init__(self) -> None:
        self.instance = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._kept = {kind: OrderedDict[str, Any]() for kind in _MOST}

    def open(self, snapshot: PassageSnapshot) -> str:
        """Keep a version; returns its key."""
        key = snapshot.artifact.manifest.data
        with self._lock:
            opened = self._kept[OpenedPart]
            if key not in opened:
                self._keep(key, OpenedPart(snapshot))
        return key

    def _keep(self, key: str, target: object) -> str:
        kept = self._kept[type(target)]
        kept[key] = target
        while len(kept) > _MOST[type(target)]:
            kept.popitem(last=False)
        return key

    def keep(self, target: object) -> str:
        """Keep an object; returns its key."""
        if type(target) not in _MOST:
            raise TypeError(f"a {type(target).__name__} cannot be sent")
        with self._lock:
            return self._keep(secrets.token_hex(12), target)

    def find(self, key: str) -> Any:
        """The object of a key; raises `NoSuchIndex`."""
        with self._lock:
            for kept in self._kept.values():
                if key in kept:
                    kept.move_to_end(key)
                    return kept[key]
        raise NoSuchIndex("this part has no such object any more; open the part again")

    def answer(self, body: bytes) -> bytes:
        """Run a step: `(key, method, arguments, keys of objects that are used no more)`.

        Raises:
            InvalidParameter: there is no such step, or it has other arguments.
            NoSuchIndex: the object is not kept any more.
        """
        message = decode(body, self._refuse)
        if not (isinstance(message, tuple) and len(message) == 4):
            raise InvalidParameter("a step has a key, a method, arguments and keys to drop")
        key, method, arguments, unused = message
        if not (isinstance(arguments, tuple) and isinstance(unused, tuple)):
            raise InvalidParameter("arguments and keys to drop are lists")
        with self._lock:
            for kept in (self._kept[PartView], self._kept[PartQuestion]):
                for each in map(str, unused):
                    kept.pop(each, None)
        target = self.find(str(key))
        checks = STEPS[type(target)].get(method) if isinstance(method, str) else None
        if checks is None or len(checks) != len(arguments):
            raise InvalidParameter(f"there is no step {str(method)[:40]!r} of so many arguments")
        for i, (check, argument) in enumerate(zip(checks, arguments, strict=True)):
            if not check(argument, target.snapshot, target.size):
                raise InvalidParameter(f"argument {i} of {method} does not fit this part")
        try:
            return encode(getattr(target, method)(*arguments), self.keep)
        except GraphAggError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            target.snapshot.artifact.raise_damage(error)
            raise InvalidParameter(f"{method} failed: {type(error).__name__}") from error

    @staticmethod
    def _refuse(key: str) -> object:
        raise InvalidParameter("a step names no object beside its own")
