"""Collections: indices in subfolders of one folder, found by name and opened on demand.

A collection is a folder with `collection.json` and optionally a passage index in `passages/`, a
community index in `communities/` and uploaded files in `files/`. Or it is the folder of an index.
Names are lower-case ASCII, so no file system treats two different names as the same.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graphagg.checks import one_of
from graphagg.errors import (
    ArtifactError,
    CollectionEmpty,
    CollectionExists,
    CorruptArtifact,
    InvalidParameter,
    NoSuchIndex,
)
from graphagg.rag.config.profile import PROFILES, Profile
from graphagg.rag.documents.languages import check_language
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import NAMES, Service, Sources
from graphagg.serve.shared import SharedResources
from graphagg.store import manifest_at
from graphagg.store.manifest import MANIFEST_NAME
from graphagg.store.writing import sync

ABOUT, STAGED = "collection.json", ".staged-"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Settings:
    """Settings for building the passage index of a collection.

    Attributes:
        profile: `standard` or `fast`.
        language: code of the language of all passages, or `auto`; None: detected.
    """

    profile: Profile = "standard"
    language: str | None = None

    def __post_init__(self) -> None:
        one_of("profile", self.profile, PROFILES)
        check_language(self.language)


@dataclass
class _Open:
    """An open collection: its service, number of running requests, and time of last use."""

    service: Service
    users: int = 0
    used: float = field(default_factory=time.monotonic)


class Collections:
    """The collections in a folder, which is created if it does not exist."""

    def __init__(self, root: Path, shared: SharedResources, limits: ServiceLimits) -> None:
        self.root, self._shared, self._limits = root, shared, limits
        root.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, _Open] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    def names(self) -> list[str]:
        """Return the sorted names of all collections."""
        folders = (each.name for each in self.root.iterdir() if _NAME.fullmatch(each.name))
        return sorted(name for name in folders if _exists(self.root / name))

    def folder(self, name: str) -> Path:
        """Return the folder of a collection; raises `NoSuchIndex`."""
        folder = self.root / check_name(name)
        if not _exists(folder):
            raise NoSuchIndex(f"no collection {name!r}; create it with POST /v1/collections")
        return folder

    def index(self, name: str, kind: str) -> Path:
        """Return the folder of an index of a collection; it may not exist yet."""
        folder = self.folder(name)
        return folder if is_bare(folder) else folder / kind

    def settings(self, name: str) -> Settings:
        """Return the settings of a collection; raises `CorruptArtifact`."""
        folder = self.folder(name)
        if is_bare(folder):
            return Settings()
        try:
            return Settings(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NoSuchIndex(f"the collection {name!r} has just been removed") from None
        except (ValueError, TypeError, RecursionError, InvalidParameter) as error:
            raise CorruptArtifact(
                f"{folder / ABOUT}: not the settings of a collection ({error}); restore the file"
            ) from None

    def create(self, name: str, settings: Settings) -> None:
        """Create an empty collection; raises `CollectionExists`."""
        folder = self.root / check_name(name)
        if _exists(folder):
            raise CollectionExists(f"collection {name!r} already exists; choose another name")
        folder.mkdir(exist_ok=True)
        try:
            # If two processes create it at once, one fails.
            with (folder / ABOUT).open("x", encoding="utf-8") as file:
                json.dump(asdict(settings), file)
            sync(folder / ABOUT)
        except FileExistsError:
            raise CollectionExists(f"collection {name!r} already exists") from None

    async def remove(self, name: str) -> None:
        """Remove a collection and its files; running requests keep the index that they opened."""
        folder = self.folder(name)
        removed = self.root / f".gone-{secrets.token_hex(8)}"
        folder.rename(removed)  # atomic; if the process is killed, the next start deletes it
        self.forget(name)
        await asyncio.to_thread(shutil.rmtree, removed, True)

    def sweep(self) -> None:
        """Remove folders that a killed process left behind."""
        yesterday = time.time() - 86_400  # another process may still receive files
        staged = [each for each in self.root.glob(f"*/{STAGED}*") if _age(each) < yesterday]
        for folder in (*self.root.glob(".gone-*"), *staged):
            shutil.rmtree(folder, ignore_errors=True)

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Service]:
        """Yield the service of a collection, open until the block ends; raises `NoSuchIndex`."""
        folder = self.folder(name)
        async with self._opening.setdefault(name, asyncio.Lock()):
            entry = self._open.get(name)
            if entry is None:
                entry = _Open(await asyncio.to_thread(self._open_service, name, folder))
                self._open[name] = entry
            entry.users += 1
        idle = sorted((e.used, other) for other, e in self._open.items() if not e.users)
        for _, other in idle[: max(len(self._open) - self._limits.open_collections, 0)]:
            self.forget(other)
        try:
            yield entry.service
        finally:
            entry.users -= 1
            entry.used = time.monotonic()

    def _open_service(self, name: str, folder: Path) -> Service:
        indices = indices_of(folder)
        if not indices:
            raise CollectionEmpty(f"collection {name!r} is empty; add passages or files")
        return Service(Sources(**indices), self._limits, shared=self._shared)

    def forget(self, name: str) -> None:
        """Close a collection; its next lease opens it again."""
        entry = self._open.pop(name, None)
        if entry is not None:
            entry.service.close()  # a version closes when its last lease ends

    def changed(self, name: str) -> None:
        """Switch to the version that a write has published."""
        if name not in self._open:
            return
        service, kinds = self._open[name].service, dict[str, Any]()
        with suppress(ArtifactError):  # the refresh reports it
            kinds = indices_of(self.root / name) or {"": None}
        if all(map(service.has, kinds)):
            service.refresh()
        else:
            self.forget(name)

    def refresh(self) -> None:
        """Switch open collections to their published versions; close removed ones."""
        for name in list(self._open):
            if _exists(self.root / name):
                self.changed(name)
            else:
                self.forget(name)

    def close(self) -> None:
        """Close all collections."""
        for name in list(self._open):
            self.forget(name)


def check_name(name: str) -> str:
    """Check the name of a collection; raises `InvalidParameter`."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"collection {name[:80]!r}: expected 1 to 63 of a-z, 0-9, _ and -, not _ or - first"
        )
    return name


def is_bare(folder: Path) -> bool:
    """Return whether a folder is itself an index."""
    return (folder / MANIFEST_NAME).is_file()


def indices_of(folder: Path) -> dict[str, Any]:
    """Return the folders of a collection's indices, by kind."""
    if is_bare(folder):
        kind = manifest_at(folder).kind
        return {kind: folder} if kind in NAMES else {}
    folders = {kind: folder / kind for kind in NAMES}
    return {kind: each for kind, each in folders.items() if is_bare(each)}


def _age(folder: Path) -> float:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return time.time()


def _exists(folder: Path) -> bool:
    return (folder / ABOUT).is_file() or is_bare(folder)
