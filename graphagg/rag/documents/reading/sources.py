"""Sources that are addresses: folders and files on stores, and the sources of plug-ins.

The files of a store are copied to a mirror in the cache, and read from there like any folder. A
file is fetched only if its ETag or version changed (else its size and time). Files that the reader
leaves out by name or size are not fetched: the mirror has sparse files of their size.

A plug-in is an entry point of the group `graphagg.sources`. Its name is a scheme: for `wiki://team`
the function of the entry point `wiki` is called with the address and yields documents. Their
metadata may have `readers`, a list of the groups that may see them.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from errno import ENAMETOOLONG
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath
from typing import Any

from graphagg.errors import ArtifactBusy, InvalidPassage, UnreadableFile, WriteFailed
from graphagg.rag.documents.reading import kinds
from graphagg.rag.documents.reading.content import Unread
from graphagg.rag.documents.reading.converters.text import SAMPLE
from graphagg.rag.documents.reading.document import Document
from graphagg.rag.documents.reading.files import Leave, path_filter
from graphagg.rag.documents.reading.settings import FolderReport, LeftOut, ReadConfig
from graphagg.store.addresses import Location, is_address, local_folder
from graphagg.store.locks import locked
from graphagg.store.remote.cache import source_folder
from graphagg.store.remote.clients import ObjectInfo
from graphagg.store.remote.files import Store, in_parallel

_GROUP = "graphagg.sources"


def local_source(
    source: Location, config: ReadConfig, report: FolderReport
) -> Path | Iterator[Document]:
    """Return the local folder or file of a source; for a plug-in, its documents."""
    if not is_address(source) or os.fspath(source).lower().startswith("file:"):
        return local_folder(source)
    scheme = os.fspath(source).partition(":")[0]
    plugins = [*entry_points(group=_GROUP, name=scheme)]
    if plugins:
        return _checked(os.fspath(source), plugins[0].load(), config, report)

    def leave(name: str, fault: Unread) -> None:
        report.left_out.append(LeftOut(name, fault.kind, fault.reason))
        if config.strict:
            raise UnreadableFile(f"{name}: {fault.reason}; rename or exclude it")

    return mirrored(source, config, leave)


def _checked(
    source: str, read: Callable[[str], Any], config: ReadConfig, report: FolderReport
) -> Iterator[Document]:
    takes = path_filter(config)
    for document in read(source):
        if not isinstance(document, Document):
            raise InvalidPassage(f"{source}: a {type(document).__name__}, expected a Document")
        readers = document.metadata.get("readers", [])
        if not isinstance(readers, list) or not all(isinstance(each, str) for each in readers):
            raise InvalidPassage(
                f"{source}: {document.id!r} has readers {readers!r}, expected a list of names"
            )
        if takes(document.id):
            report.read += 1
            report.documents += 1
            yield document


def mirrored(source: Location, config: ReadConfig, leave: Leave) -> Path:
    """Copy the changes at an address to its mirror; return the local folder or file."""
    store = Store.of(source)
    is_site = store.address.scheme.name.startswith("http")  # a site lists no files
    listed, name = {} if is_site else store.listed(), ""
    if set(listed) <= {""}:  # a file
        info = listed.get("") or store.info("")
        if info is None:
            raise UnreadableFile(f"{store.address}: no such file or folder; check the address")
        listed, name = {"": info}, PurePosixPath(str(store.address)).name
    root = source_folder(store.address)
    try:
        root.mkdir(0o700, parents=True, exist_ok=True)
        busy = f"{store.address}: another process reads it; wait for it, or stop it"
        with locked(root / ".lock", ArtifactBusy(busy)):
            return _Mirror(store, root, config, leave, name).update(listed)
    except OSError as error:
        raise WriteFailed(
            f"{root}: the local cache cannot store {store.address} ({error.strerror or error}); "
            "free some space, or set GRAPHAGG_CACHE to another folder"
        ) from error


class _Mirror:
    """The local copy of a folder, or of a file `name`, of a store."""

    def __init__(
        self, store: Store, root: Path, config: ReadConfig, leave: Leave, name: str
    ) -> None:
        self._store, self._config, self._leave, self._name = store, config, leave, name
        self._files, self._tags = root / "files", root / "tags.json"
        self._takes = path_filter(config)

    def update(self, listed: dict[str, ObjectInfo]) -> Path:
        """Fetch changed files, and remove those that no longer exist."""
        folders = {str(each) for path in listed for each in PurePosixPath(path).parents} - {"."}
        names = {path: path or self._name for path in listed if not path.endswith("/")}
        for path in listed:
            if path in names and (path in folders or not _is_sound(names[path])):
                self._leave(names.pop(path), Unread("unreadable", "its name is not a file name"))
        try:
            before = json.loads(self._tags.read_text("utf-8"))
        except (OSError, ValueError):
            before = {}
        tags = {path: self._tag(path, listed[path]) for path in names}
        changed = [path for path in names if tags[path] is None or before.get(path) != tags[path]]
        unchanged = tags.keys() - set(changed)
        self._tags.write_text(json.dumps({path: tags[path] for path in unchanged}), "utf-8")
        self._prune(set(names.values()))
        in_parallel(lambda path: self._fetch(path, listed[path]), changed)
        present = {path: tag for path, tag in tags.items() if os.path.exists(self._local(path))}
        self._tags.write_text(json.dumps(present), "utf-8")
        return self._local("") if self._name else self._files

    def _local(self, path: str) -> Path:
        return self._files / (path or self._name)

    def _tag(self, path: str, info: ObjectInfo) -> list[Any] | None:
        """Return a value that changes with a file and the fetched part of it; None if unknown."""
        if not info.tag and not info.modified:
            return None
        return [info.tag, info.bytes, info.modified, self._wanted(path or self._name, info.bytes)]

    def _wanted(self, name: str, size: int) -> int:
        """Return how many bytes of a file the reader needs."""
        is_hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
        is_large = size > self._config.max_file_size << 20
        if is_hidden or is_large or not self._takes(name):
            return 0
        is_read = kinds.converter_of(name.removesuffix(".gz")) is not None
        return size if is_read else min(size, SAMPLE)

    def _fetch(self, path: str, info: ObjectInfo) -> None:
        local, needed = self._local(path), self._wanted(path or self._name, info.bytes)
        draft = self._tags.with_name(f"{secrets.token_hex(8)}.part")
        try:
            content = b""
            if needed:
                content = self._store.read(path, *((0, needed) if needed < info.bytes else ()))
            local.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            os.truncate(draft, max(len(content), info.bytes if needed < info.bytes else 0))
            os.utime(draft, (info.modified, info.modified))
            draft.replace(local)
        except FileNotFoundError:
            self._leave(path, Unread("changed", "it was removed while it was read"))
        except OSError as error:
            draft.unlink(missing_ok=True)
            if error.errno != ENAMETOOLONG:
                raise
            self._leave(path, Unread("unreadable", "its name is too long"))

    def _prune(self, names: Collection[str]) -> None:
        """Remove files with other names, and empty folders: a new file may have their name."""
        for folder, _, files in os.walk(self._files, topdown=False):
            for path in (Path(folder, file) for file in files):
                if path.relative_to(self._files).as_posix() not in names:
                    path.unlink()
            if not os.listdir(folder):
                os.rmdir(folder)


def _is_sound(name: str) -> bool:
    """Return whether a name is valid for a file below a folder, on every system."""
    path = PurePosixPath(name)
    return str(path) == name and ".." not in path.parts and not re.search(r"[\0\\]|^/|^$", name)
