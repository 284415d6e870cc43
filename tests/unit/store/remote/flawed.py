"""A store in memory whose requests can be made to fail, to be cut, and to be watched."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from graphagg.store.remote.clients import ObjectClient

REQUESTS = ("get", "get_tagged", "put", "put_if", "find", "info", "remove")


class Flaws:
    """What goes wrong, by the number of a request and its name; every request is counted."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[int, str, str], None] = lambda number, name, path: None
        self.cut = False  # whether the first answer to each different `get` is half of it
        self._numbers = itertools.count(1)
        self._cut: set[str] = set()
        for name in REQUESTS:
            patch.setattr(ObjectClient, name, self._wrapped(name))

    def _wrapped(self, name: str) -> Callable[..., Any]:
        real = getattr(ObjectClient, name)

        def request(fs: ObjectClient, path: str, *args: Any, **more: Any) -> Any:
            number = next(self._numbers)
            self.asked.append((name, path))
            self.before(number, name, path)
            answer = real(fs, path, *args, **more)
            if self.cut and name == "get" and (asked := repr((path, args, more))) not in self._cut:
                self._cut.add(asked)
                return answer[: len(answer) // 2]
            return answer

        return request

    def fetched(self) -> list[str]:
        """The objects that were read."""
        return [path for name, path in self.asked if name == "get" and "/objects/" in path]


def fail_every(tenth: int, error: Callable[[], Exception]) -> Callable[[int, str, str], None]:
    """Every tenth request fails, but at most five of one path; each one of them if `tenth` is 1."""
    failed: Counter[str] = Counter()

    def before(number: int, name: str, path: str) -> None:
        if tenth == 1 or (number % tenth == 0 and failed[path] < 5):
            failed[path] += 1
            raise error()

    return before
