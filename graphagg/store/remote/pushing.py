"""Publish a local index on a store: upload objects, then change the pointer with a conditional put.

Readers do not see a version before all its objects are there. If two publishers start from the same
version, only one of them can change the pointer.

**Removing unused objects.** After a publisher has changed the pointer, it removes objects that
neither the new nor the previous version uses, and that are at least a minute older than the new
pointer (by the store's clock). No other publisher needs them: a publisher that started before this
change will fail, and one that started after it reuses only objects that the pointer names or that
are newer than the pointer, and gives new names to the objects that it uploads.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from graphagg.progress import Progress, silent
from graphagg.store.addresses import Location, address, local_folder
from graphagg.store.manifest import MANIFEST_NAME, FileEntry, Manifest
from graphagg.store.reading import open_folder
from graphagg.store.remote import pointers
from graphagg.store.remote.clients import ObjectInfo
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pointers import Published, Token, object_name, sha256_of

_MARGIN = 60.0  # seconds by the store's clock; removed objects are this much older than the pointer


@dataclass(frozen=True)
class PushReport:
    """Report of a push.

    Attributes:
        version: the data folder that is now current.
        sent, sent_bytes: number and bytes of uploaded objects.
        kept, kept_bytes: number and bytes of files whose object was already on the store.
        removed: number of removed objects, which no version uses any more.
        changed: whether the pointer was changed.
    """

    version: str
    sent: int
    sent_bytes: int
    kept: int
    kept_bytes: int
    removed: int
    changed: bool


def push(
    directory: str | os.PathLike[str], location: Location, *, progress: Progress = silent
) -> PushReport:
    """Publish the index of a local folder on a store; upload only files that the store lacks.

    Args:
        directory: the index.
        location: an address, such as `s3://bucket/idx`.
        progress: called with `push`, objects done, objects to send.

    Raises:
        NotAnArtifact, UnsupportedFormat, CorruptArtifact: about the directory.
        ArtifactBusy: another publisher was first; its version is current.
        StoreError, MissingExtra: about the store.
    """
    store = Store(address(location))
    before, token = pointers.current_or_none(store)
    return push_over(local_folder(directory), store, before, token, progress)


def push_over(
    root: Path, store: Store, before: Published | None, token: Token, progress: Progress = silent
) -> PushReport:
    """Replace the published version `before`, if the tag of its pointer is still `token`."""
    store.check_writable()
    with open_folder(root, verify=True) as artifact:
        manifest = artifact.manifest
        files = {
            entry.sha256: (entry, artifact.path(name)) for name, entry in manifest.files.items()
        }
        stored = _reusable(store, before)
        if _is_there(manifest, before, stored):
            size = sum(entry.bytes for entry, _ in files.values())
            return PushReport(manifest.data, 0, 0, len(files), size, 0, False)
        new = [sha256 for sha256 in files if sha256 not in stored]
        nonce = secrets.token_hex(8)
        names = {sha256: stored.get(sha256) or object_name(sha256, nonce) for sha256 in files}
        _send(store, {names[sha256]: files[sha256] for sha256 in new}, progress)
        objects = {name: names[entry.sha256] for name, entry in manifest.files.items()}
        published = Published(manifest, objects)
        content = published.to_bytes()
        pointers.pointer_of(store).swap(content, token)
        removed = _clean(store, content, published, before)
    sent_bytes = sum(files[sha256][0].bytes for sha256 in new)
    kept_bytes = sum(entry.bytes for entry, _ in files.values()) - sent_bytes
    kept = len(files) - len(new)
    return PushReport(manifest.data, len(new), sent_bytes, kept, kept_bytes, removed, True)


def _is_there(manifest: Manifest, before: Published | None, stored: Mapping[str, str]) -> bool:
    """Whether this version is current and complete on the store."""
    if before is None or before.manifest.data != manifest.data:
        return False
    return all(stored.get(entry.sha256) == name for entry, name in before.files())


def _reusable(store: Store, before: Published | None) -> dict[str, str]:
    """Return the reusable objects by checksum; see the docstring of this module."""
    if before is None:
        return {}
    objects = store.listed()
    sizes = before.sizes
    published_at = _published_at(objects)
    return {
        sha256: name
        for name, size in objects.items()
        if (sha256 := sha256_of(name)) is not None
        and size.bytes == sizes.get(name, size.bytes)
        and (name in sizes or size.modified > published_at)
    }


def _published_at(objects: Mapping[str, ObjectInfo]) -> float:
    """Return the time of the pointer by the store's clock; infinity if it is not listed."""
    return objects[MANIFEST_NAME].modified if MANIFEST_NAME in objects else inf


def _send(store: Store, files: Mapping[str, tuple[FileEntry, Path]], progress: Progress) -> None:
    done = 0

    def send(name: str) -> None:
        nonlocal done
        store.write(name, files[name][1])
        done += 1
        progress("push", done, len(files))

    in_parallel(send, sorted(files, key=lambda name: -files[name][0].bytes))


def _clean(store: Store, content: bytes, published: Published, before: Published | None) -> int:
    """Remove objects that no version uses; return their number."""
    objects = store.listed()
    if pointers.pointer_of(store).read()[0] != content:
        return 0  # a later publisher cleans up; the list may have the time of its pointer
    needed = {name for version in (published, before) if version for name in version.sizes}
    limit = _published_at(objects) - _MARGIN
    old = [
        name
        for name, each in objects.items()
        if sha256_of(name) is not None and name not in needed and each.modified < limit < inf
    ]
    in_parallel(lambda name: store.remove([name]), old)
    return len(old)
