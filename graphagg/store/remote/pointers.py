"""The pointer of an index on a store; changing it publishes a version.

    URL/manifest.json              the pointer: the only object that is ever replaced
    URL/objects/<sha256>-<nonce>   a file; never changed; each upload gets a new name

The pointer is the manifest of the index with two more keys: `objects` (the object of each file) and
`publication` (a random string, by which a publisher recognizes its own pointer). A pointer without
`objects` belongs to a copied index folder: its files are in the folder named by `data`.

A conditional put replaces `manifest.json` only if it still has the tag that the publisher read. The
protocol does not use a clock.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphagg.errors import ArtifactBusy, CorruptArtifact, NotAnArtifact, NotWritable
from graphagg.store.manifest import MANIFEST_NAME, FileEntry, Manifest, manifest_json, manifest_of
from graphagg.store.remote.clients import ObjectClient, Tag
from graphagg.store.remote.files import Store

Token = Tag | None
"""The tag of the pointer that was read; None if there was no pointer."""

OBJECTS = "objects"
_OBJECT = re.compile(rf"{OBJECTS}/([0-9a-f]{{64}})-[0-9a-f]{{16}}")
_PROBED: set[tuple[str, ...]] = set()


@dataclass(frozen=True)
class Published:
    """A version on a store: its manifest, and the object name of each file."""

    manifest: Manifest
    objects: Mapping[str, str]

    def files(self) -> Iterator[tuple[FileEntry, str]]:
        """Yield the entry and the object name of each file."""
        return ((entry, self.objects[name]) for name, entry in self.manifest.files.items())

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each object in bytes."""
        return {name: entry.bytes for entry, name in self.files()}

    @property
    def size(self) -> int:
        """The total size of all files in bytes."""
        return sum(entry.bytes for entry, _ in self.files())

    def to_bytes(self) -> bytes:
        """Return the content of a pointer, which differs in each call."""
        own = {"objects": dict(self.objects), "publication": secrets.token_hex(16)}
        plain = {**self.manifest.to_json(), **own}
        return (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode()


def object_name(sha256: str, nonce: str) -> str:
    """Return the object name of a file; each publication has its own nonce."""
    return f"{OBJECTS}/{sha256}-{nonce}"


def sha256_of(name: str) -> str | None:
    """Return the checksum in an object's name; None for other names."""
    match = _OBJECT.fullmatch(name)
    return None if match is None else match[1]


def _published(raw: Mapping[str, Any], where: str) -> Published:
    manifest = manifest_of(raw, where)
    plain = {name: f"{manifest.data}/{name}" for name in manifest.files}
    objects = raw.get("objects", plain)
    if not isinstance(objects, dict):
        raise CorruptArtifact(f"{where}: bad content; publish the index again")
    for name, entry in manifest.files.items():
        item = objects.get(name)
        if item != plain[name] and (not isinstance(item, str) or sha256_of(item) != entry.sha256):
            raise CorruptArtifact(
                f"{where}: {item!r} is not an object of file {name!r}; publish the index again"
            )
    return Published(manifest, {name: objects[name] for name in manifest.files})


class Pointer:
    """The pointer of an index, identified by the tag of `manifest.json`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> tuple[bytes | None, Token]:
        """Return content and token; (None, None) if nothing is published."""
        client = self._store.client
        assert isinstance(client, ObjectClient)
        path = self._store.path(MANIFEST_NAME)
        try:
            return self._store.call(lambda: client.get_tagged(path))
        except FileNotFoundError:
            return None, None

    def swap(self, content: bytes, before: Token) -> None:
        """Replace the pointer if its tag is still `before`; otherwise raise `ArtifactBusy`."""
        self._store.check_writable()
        self._probe()
        if not self._store.create(MANIFEST_NAME, content, before):
            raise ArtifactBusy(
                f"{self._store.address}: another publisher was first; its version is current. "
                "Check it, and run this again to publish over it"
            )

    def _probe(self) -> None:
        """Check once per process that the server honors conditional puts."""
        address = self._store.address
        server = (str(address.scheme.name), address.host, str(address.options.get("endpoint")))
        if server in _PROBED:
            return
        name = f".probe-{secrets.token_hex(8)}"
        self._store.write(name, b"1")
        wrong = {"e_tag": '"00000000000000000000000000000000"', "version": "0"}
        try:
            ignores = self._store.create(name, b"2") or self._store.create(name, b"3", wrong)
        finally:
            self._store.remove([name])
        if ignores:
            raise NotWritable(
                f"{address}: this server ignores If-None-Match or If-Match, so that two publishers "
                "could overwrite each other; use a server that supports conditional puts"
            )
        _PROBED.add(server)


class _Site(Pointer):
    """The read-only pointer of a store without tags."""

    def read(self) -> tuple[bytes | None, Token]:
        try:
            content = self._store.read(MANIFEST_NAME)
        except FileNotFoundError:
            return None, None
        return content, {"e_tag": hashlib.sha256(content).hexdigest()}


def pointer_of(store: Store) -> Pointer:
    """Return a pointer of the class that the store supports."""
    return Pointer(store) if store.address.scheme.has_tags else _Site(store)


def current(store: Store) -> tuple[Published, Token]:
    """Read the current version; `NotAnArtifact` if there is none."""
    published, token = current_or_none(store)
    if published is None:
        store.check_bucket()
        raise NotAnArtifact(
            f"{store.address}: contains no index; check the address, or push an index there"
        )
    return published, token


def current_or_none(store: Store) -> tuple[Published | None, Token]:
    """Read the current version; (None, None) if nothing is published."""
    content, token = pointer_of(store).read()
    if content is None:
        return None, None
    where = f"{store.address}/{MANIFEST_NAME}"
    return _published(manifest_json(content, where), where), token
