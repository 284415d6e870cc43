"""Base class of the served indices: reloads published versions without losing a request."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from graphagg.errors import NotAnArtifact, PartUnavailable
from graphagg.rag.parts.client import PartAddress, PartClient, place_of
from graphagg.store.addresses import Address
from graphagg.store.manifest import MANIFEST_NAME, Manifest
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import pointer_of

_EVERY = 5.0  # minimum number of seconds between two requests to a store


class Closable(Protocol):
    """An opened version of an index, or a wrapper of one."""

    @property
    def manifest(self) -> Manifest: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102


T = TypeVar("T", bound=Closable)


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Return a value that changes when a file is replaced, or None if it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


class _WatchedPlace:
    """A directory, or an address on a store, where versions are published."""

    def __init__(self, directory: os.PathLike[str]) -> None:
        self.location = place_of(directory)
        self._asked, self._last = -math.inf, cast(Any, None)

    def stamp(self) -> Any:
        """Return a value that changes when a version is published."""
        if isinstance(self.location, PartAddress):
            stamp: Any = PartClient(self.location).version()
        elif isinstance(self.location, Address):
            if time.monotonic() < self._asked + _EVERY:
                return self._last
            self._asked = time.monotonic()
            stamp = pointer_of(Store(self.location)).read()[1]
        else:
            stamp = stamp_of(self.location / MANIFEST_NAME)
        if stamp is None and self._last is not None:  # if None from the start, opening reports it
            raise NotAnArtifact(
                f"{self.location}: no manifest found; the open index is still served"
            )
        self._last = stamp
        return stamp


class _OpenVersion(Generic[T]):
    """An open version and its number of leases; being the current version counts as one."""

    def __init__(self, opened: T) -> None:
        self.opened, self.holders = opened, 1


class ReloadingIndex(Generic[T]):
    """Base class of the served indices: holds the current version of an index.

    `_lease` yields the current version and keeps it open until the lease ends; `refresh` opens a
    newly published version for later leases. So no request sees two versions or waits for a swap,
    and a version closes when its last lease ends. Subclasses answer requests; what they show
    depends on the rights of the request.
    """

    def __init__(
        self, directory: os.PathLike[str], open_index: Callable[..., T], *parts: os.PathLike[str]
    ) -> None:
        self._places = [_WatchedPlace(each) for each in (directory, *parts)]
        self._open = open_index
        self._missing = set[str]()  # addresses of parts that do not answer
        self._is_lost = False  # whether a part no longer has the opened version
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._stamps = [place.stamp() for place in self._places]
        self._current = _OpenVersion(self._open_now())

    def _open_now(self) -> T:
        return self._open(*(place.location for place in self._places))

    @property
    def version(self) -> str:
        """The name of the current version."""
        return self._current.opened.manifest.data

    @contextmanager
    def _lease(self) -> Iterator[T]:
        """Yield the current version, open until the block ends."""
        with self._lock:
            version = self._current
            version.holders += 1
        try:
            yield version.opened
        finally:
            self._release(version)

    def _release(self, version: _OpenVersion[T]) -> None:
        with self._lock:
            version.holders -= 1
            is_last = not version.holders
        if is_last:
            opened = version.opened
            # FastAPI's caches keep the functions of an app, and everything these refer to, until
            # the process ends.
            del version.opened
            opened.close()

    def refresh(self) -> bool:
        """Switch to the published version; return whether the open version was replaced.

        If nothing was published, this costs one `stat`, or on a store one request every few
        seconds. If the published version cannot be opened, the current one stays, the error is
        raised, and the next call tries again.
        """
        with self._refreshing:
            stamps = [
                self._stamp_of(*pair) for pair in zip(self._places, self._stamps, strict=True)
            ]
            if stamps == self._stamps and not self._is_lost:
                return False
            opened = self._open_now()
            has_parts = any(isinstance(each.location, PartAddress) for each in self._places)
            self._stamps, self._is_lost = stamps, False
            if opened.manifest.data == self.version and not has_parts:
                opened.close()
                return False
            with self._lock:
                before, self._current = self._current, _OpenVersion(opened)
            self._release(before)
            self._missing.clear()
            return True

    def _stamp_of(self, place: _WatchedPlace, before: Any) -> Any:
        """Return the stamp of a place; on no answer leave the part out and return `before`."""
        address = os.fspath(place.location)
        try:
            stamp = place.stamp()
        except PartUnavailable:
            self._missing.add(address)
            return before
        if stamp == before:
            self._missing.discard(address)
        return stamp

    def close(self) -> None:
        """Close the current version when its last request ends."""
        self._release(self._current)
