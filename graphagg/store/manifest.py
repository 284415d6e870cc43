"""The manifest of an artifact directory: its content, and functions that read and check it."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphagg import __version__
from graphagg.checks import shown
from graphagg.errors import CorruptArtifact, NotAnArtifact, UnsupportedFormat

FORMAT = "graphagg"
FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
DATA_FOLDER = re.compile(r"v-[0-9a-f]{16}(-[0-9]+)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class FileEntry:
    """The manifest's entry of one data file; only `.npy` files have `dtype` and `shape`."""

    bytes: int
    sha256: str
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON, without `dtype` and `shape` if they are None."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`, which records no time, host or engine.

    Attributes:
        kind: kind of the index, such as `passages`.
        parameters: options of the build.
        inputs: sha256 of each input, by role.
        models: name, sha256 and settings of each model, by role.
        counts: sizes of the index, by unit.
        files: every file of the data folder.
        data: name of the data folder; the name contains the digest of everything else.
    """

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    library_version: str = __version__
    data: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "library_version": self.library_version,
            "kind": self.kind,
            "data": self.data,
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
            "models": {role: dict(model) for role, model in self.models.items()},
            "counts": dict(self.counts),
            "files": {name: entry.to_json() for name, entry in sorted(self.files.items())},
        }

    def digest(self) -> str:
        """Return 16 hex digits of a sha256 of everything but the name of the data folder."""
        return hashlib.sha256(canonical_json(self.to_json() | {"data": ""})).hexdigest()[:16]


def canonical_json(value: object) -> bytes:
    """Encode a value as JSON with sorted keys and no white space: equal values, equal bytes."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged(where: object, problem: str) -> CorruptArtifact:
    """Return the error for a file whose content is wrong."""
    return CorruptArtifact(f"{where}: {problem}; restore it, or build the index again")


def own_file(path: Path) -> int:
    """Return the size of a regular file; `CorruptArtifact` for a link, a pipe or a device."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        raise CorruptArtifact(f"{path}: {kind}, expected a regular file; copy the index again")
    return status.st_size


def read_manifest(directory: Path) -> Manifest:
    """Read and check `manifest.json`; raises the errors of `manifest_json` and `manifest_of`."""
    path = directory / MANIFEST_NAME
    try:
        own_file(path)
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        problem = "a folder without manifest.json" if directory.is_dir() else "no such folder"
        raise NotAnArtifact(
            f"{directory}: {problem}; expected a graphagg index. Check the path, or build one first"
        ) from None
    return manifest_of(manifest_json(content, str(path)), str(path))


def manifest_json(content: bytes, where: str) -> dict[str, Any]:
    """Parse a manifest of this format version; `where` is its file or address, for errors."""
    try:
        raw = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptArtifact(f"{where}: not JSON ({error}); build the index again") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise NotAnArtifact(f"{where}: not the manifest of a graphagg index")
    version = raw.get("format_version")
    if version != FORMAT_VERSION:
        raise UnsupportedFormat(
            f"{where}: format version {version!r}, this graphagg ({__version__}) reads "
            f"{FORMAT_VERSION}; install the graphagg that wrote it "
            f"({raw.get('library_version', 'unknown')}) or build the index again"
        )
    return raw


def manifest_of(raw: Mapping[str, Any], where: str) -> Manifest:
    """Create a manifest from its JSON; `CorruptArtifact` for missing keys and bad values."""
    try:
        if not DATA_FOLDER.fullmatch(raw["data"]):
            raise ValueError(f"invalid data folder {raw['data']!r}")
        return Manifest(
            kind=str(raw["kind"]),
            **{name: dict(raw[name]) for name in ("parameters", "inputs")},
            models={role: _model(model) for role, model in raw["models"].items()},
            counts={unit: _count(count) for unit, count in raw["counts"].items()},
            files={name: _entry(name, entry) for name, entry in raw["files"].items()},
            library_version=str(raw["library_version"]),
            data=str(raw["data"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptArtifact(f"{where}: bad content ({error!r}); build the index again") from None


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"invalid count {shown(value)}")
    return value


def _model(raw: Mapping[str, Any]) -> dict[str, Any]:
    if not all(isinstance(raw[name], str) for name in ("name", "sha256")):
        raise ValueError("a model lacks a name or sha256")
    return dict(raw)


def _entry(name: str, raw: Mapping[str, Any]) -> FileEntry:
    if not FILE_NAME.fullmatch(name):
        raise ValueError(f"invalid file name {name!r}")
    shape = None if raw.get("shape") is None else tuple(_count(size) for size in raw["shape"])
    dtype, sha256 = raw.get("dtype"), str(raw["sha256"])
    if not SHA256.fullmatch(sha256) or not isinstance(dtype, str | None):
        raise ValueError(f"{name}: invalid sha256 {shown(sha256)} or dtype {shown(dtype)}")
    return FileEntry(_count(raw["bytes"]), sha256, dtype, shape)
