"""The objects of a part that other processes use, and checks of the arguments that they send."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from graphagg.errors import GraphAggError, InvalidParameter, NoSuchIndex
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.links import Bridges, Frontier
from graphagg.rag.parts.steps import NamedPart, OpenedPart, PartQuestion, PartView
from graphagg.rag.parts.wire import decode, encode
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.store.strings import StringTable

_MOST = {OpenedPart: 4, NamedPart: 4, PartView: 64, PartQuestion: 256}
"""Number of cached objects per class; the least recently used ones are dropped."""
_LARGEST = 10_000  # largest number of hits in a step


class _Fit(NamedTuple):
    """Checks that arguments fit the part, which has R rows and E names."""

    rows: int
    names: int

    def array(self, x: Any, dtypes: str, dimensions: int = 1) -> bool:
        is_array = isinstance(x, np.ndarray) and x.ndim == dimensions
        return is_array and x.dtype.str in dtypes.split()

    def positions(self, x: Any, low: int, high: int) -> bool:
        return self.array(x, "<i8") and (not len(x) or low <= x.min() <= x.max() < high)

    def strings(self, x: Any) -> bool:
        is_table = isinstance(x, StringTable) and self.array(x.data, "|u1")
        if not is_table or not self.positions(x.offsets, 0, len(x.data) + 1):
            return False
        return len(x.offsets) > 0 and bool((np.diff(x.offsets) >= 0).all())

    def bridges(self, x: Any) -> bool:
        return isinstance(x, Bridges) and (
            self.positions(x.entity, 0, self.names)
            and self.array(x.strength, "<f8", 2)
            and x.strength.shape == (len(x.entity), 3)
            and all(len(each) == len(x.entity) for each in (x.parent, x.sentence, x.similarity))
        )

    def frontier(self, x: Any) -> bool:
        return isinstance(x, Frontier) and (
            self.positions(x.rows, -1, self.rows)
            and self.array(x.first, "|u1", 2)
            and (x.vectors is None or self.array(x.vectors, "<f4", 2))
            and len(x.first) == len(x.rows)
        )

    def reading(self, x: Any) -> bool:
        named = x.entities if isinstance(x, QuestionReading) else (None,)
        return all(isinstance(each, int) and -1 <= each < self.names for each in named)


_CHECKS: dict[str, Callable[[_Fit, Any], bool]] = {
    "strings": _Fit.strings,
    "bytes": lambda fit, x: fit.array(x, "|u1"),
    "text": lambda _, x: isinstance(x, str),
    "count": lambda _, x: isinstance(x, int) and 0 <= x <= 1 << 53,
    "k": lambda _, x: isinstance(x, int) and 0 < x <= _LARGEST,
    "number": lambda _, x: isinstance(x, float | int),
    "list": lambda _, x: isinstance(x, tuple),
    "terms": lambda _, x: isinstance(x, tuple) and all(isinstance(each, tuple) for each in x),
    "table": lambda _, x: isinstance(x, dict),
    "mask": lambda fit, x: fit.array(x, "|b1") and len(x) == fit.rows,
    "flags": lambda fit, x: fit.array(x, "|u1") and len(x) == fit.names,
    "balance": lambda fit, x: fit.array(x, "<i8") and len(x) == fit.names,
    "df": lambda fit, x: fit.array(x, "<i4") and len(x) == fit.names,
    "rows": lambda fit, x: fit.positions(x, 0, fit.rows),
    "entities": lambda fit, x: fit.positions(x, -1, fit.names),
    "floats": lambda fit, x: fit.array(x, "<f4 <f8"),
    "words": lambda fit, x: x is None or fit.array(x, "<f4", 2),
    "query": lambda _, x: isinstance(x, Queries) and x.vectors.ndim == 2 and len(x) == 1,
    "config": lambda _, x: isinstance(x, MultihopConfig),
    "settings": lambda _, x: x is None or isinstance(x, MultihopConfig),
    "reading": _Fit.reading,
    "bridges": _Fit.bridges,
    "frontier": _Fit.frontier,
}
STEPS: dict[type[Any], dict[str, str]] = {
    OpenedPart: {
        "named": "strings bytes", "texts": "text count count", "first_vectors": "rows",
        "cosines": "rows query",
    },
    NamedPart: {
        "uses": "mask", "view": "mask flags balance",
    },
    PartView: {
        "share": "df count count", "read": "text terms",
        "question": "reading query words floats list settings count",
    },
    PartQuestion: {
        "scores.lexical.best": "k", "scores.lexical.covers": "rows", "scores.nearest": "k",
        "take_documents": "count table", "scores.documents_from": "number",
        "leading": "config k number", "candidates": "list rows",
        "shown": "entities rows", "bridges": "rows",
        "linked": "list bridges frontier rows rows",
    },
}  # fmt: skip
"""The steps that other processes may call, with one check per argument."""


class PartObjects:
    """The objects of a part by key, for all client processes."""

    def __init__(self) -> None:
        self.instance = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._kept = {kind: OrderedDict[str, Any]() for kind in _MOST}

    def open(self, snapshot: PassageSnapshot) -> str:
        """Store a version and return its key."""
        key = snapshot.artifact.manifest.data
        with self._lock:
            return self._keep(key, self._kept[OpenedPart].get(key) or OpenedPart(snapshot))

    def _keep(self, key: str, target: object) -> str:
        kept = self._kept[type(target)]
        kept[key] = target
        while len(kept) > _MOST[type(target)]:
            kept.popitem(last=False)
        return key

    def keep(self, target: object) -> str:
        """Store an object and return its key."""
        if type(target) not in _MOST:
            raise TypeError(f"a {type(target).__name__} cannot be sent")
        with self._lock:
            return self._keep(secrets.token_hex(12), target)

    def find(self, key: str) -> Any:
        """Return the object of a key, or raise `NoSuchIndex`."""
        with self._lock:
            for kept in self._kept.values():
                if key in kept:
                    kept.move_to_end(key)
                    return kept[key]
        raise NoSuchIndex("this part no longer has the object; open the part again")

    def answer(self, body: bytes) -> bytes:
        """Run a step: `(key, method, arguments, keys of objects that are no longer used)`.

        Raises `InvalidParameter` for a bad step or bad arguments, `NoSuchIndex` for a lost object.
        """
        match decode(body, self._refuse):
            case (str(key), str(method), tuple(arguments), tuple(unused)):
                pass
            case _:
                raise InvalidParameter("a step must have a key, a method, and two lists")
        with self._lock:
            for kept in (self._kept[PartView], self._kept[PartQuestion]):
                for each in map(str, unused):
                    kept.pop(each, None)
        target = self.find(key)
        checks = STEPS[type(target)].get(method, "unknown").split()
        if len(checks) != len(arguments) or "unknown" in checks:
            raise InvalidParameter(f"there is no step {method[:40]!r} with so many arguments")
        fit = _Fit(len(target.snapshot.alive), target.size)
        try:
            for check, argument in zip(checks, arguments, strict=True):
                if not _CHECKS[check](fit, argument):
                    raise InvalidParameter(f"{check} of {method} does not fit this part")
            return encode(attrgetter(method)(target)(*arguments), self.keep)
        except GraphAggError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            target.snapshot.artifact.raise_damage(error)
            raise InvalidParameter(f"{method} failed: {type(error).__name__}") from error

    @staticmethod
    def _refuse(key: str) -> object:
        raise InvalidParameter("the arguments of a step must not refer to objects")
