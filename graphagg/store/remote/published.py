"""A publication on a store: manifests, and which object holds each of their files.

    URL/manifest.json              the pointer: the only object that is ever replaced
    URL/manifests/<number>.json    the pointer of a store without conditional puts: the last counts
    URL/objects/<sha256>-<nonce>   a file; never changed, named anew whenever it is sent

The pointer is the manifest of the index, with `objects` (of each file), `parts` (the manifests of
artifacts in folders of the index, such as its map) and `publication` (a random name, by which a
publisher knows its own). A pointer without `objects` belongs to a folder that was copied as it is:
its files lie in the folder that `data` names.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphagg.errors import CorruptArtifact
from graphagg.store.manifest import FILE_NAME, FileEntry, Manifest, manifest_json, manifest_of

OBJECTS = "objects"
_OBJECT = re.compile(rf"{OBJECTS}/([0-9a-f]{{64}})-[0-9a-f]{{16}}")


@dataclass(frozen=True)
class Published:
    """A version of an index on a store.

    Attributes:
        manifest: as in a local folder.
        objects: by file, the name of its object.
        inner: by folder, the artifacts within the index.
    """

    manifest: Manifest
    objects: Mapping[str, str]
    inner: Mapping[str, Published] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[FileEntry, str]]:
        """Entry and object of every file, including files of the artifacts within."""
        for name, entry in self.manifest.files.items():
            yield entry, self.objects[name]
        for each in self.inner.values():
            yield from each.files()

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(entry.bytes for entry, _ in self.files())

    @property
    def versions(self) -> dict[str, str]:
        """The data folders: of the index by an empty name, and of the artifacts within."""
        return {"": self.manifest.data, **{n: p.manifest.data for n, p in self.inner.items()}}

    def to_bytes(self) -> bytes:
        """The content of a pointer, which no other publication has."""
        plain = {**self._plain(), "publication": secrets.token_hex(16)}
        return (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode()

    def _plain(self) -> dict[str, Any]:
        inner = {name: each._plain() for name, each in sorted(self.inner.items())}
        return {**self.manifest.to_json(), "objects": dict(self.objects), "parts": inner}


def object_name(sha256: str, nonce: str) -> str:
    """Name the object of a file; no two publications send to one name."""
    return f"{OBJECTS}/{sha256}-{nonce}"


def sha256_of(name: str) -> str | None:
    """The checksum in the name of an object; None for any other name."""
    match = _OBJECT.fullmatch(name)
    return None if match is None else match[1]


def read_published(content: bytes, where: str) -> Published:
    """Read the content of a pointer.

    Raises:
        NotAnArtifact, UnsupportedFormat, CorruptArtifact: as `read_manifest`.
    """
    return _published(manifest_json(content, where), where)


def _published(raw: Mapping[str, Any], where: str) -> Published:
    manifest = manifest_of(raw, where)
    plain = {name: f"{manifest.data}/{name}" for name in manifest.files}
    objects = raw.get("objects", plain)
    inner = raw.get("parts", {})
    if not isinstance(objects, dict) or not isinstance(inner, dict):
        raise CorruptArtifact(f"{where}: bad content; publish the index again")
    for name, entry in manifest.files.items():
        held = objects.get(name)
        if held != plain[name] and (not isinstance(held, str) or sha256_of(held) != entry.sha256):
            raise CorruptArtifact(
                f"{where}: file {name!r} is said to be in {held!r}; publish the index again"
            )
    for name, each in inner.items():
        if not FILE_NAME.fullmatch(name) or not isinstance(each, dict):
            raise CorruptArtifact(f"{where}: bad part {name!r}; publish the index again")
    below = {name: _published(each, f"{where}: {name}") for name, each in inner.items()}
    return Published(manifest, {name: objects[name] for name in manifest.files}, below)
