"""Write an artifact: the files of a new version are published in one atomic step."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import ArtifactBusy, ArtifactError, WriteFailed
from graphagg.store.addresses import Address
from graphagg.store.locks import LEASE, hold_folder, locked
from graphagg.store.manifest import (
    DATA_FOLDER,
    FILE_NAME,
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    file_sha256,
    read_manifest,
)
from graphagg.store.ranges import npy_header
from graphagg.store.reading import Artifact
from graphagg.store.strings import StringTable

JOB_NOTE = ".job.json"
"""The file that records the Spark job that built an index, and its input."""
SUMMARY = "_summary.json"
"""The file with the report of a Spark job: rows read and skipped, stages, memory, versions."""
PULLED = ".pull"
"""The folder with the files that an unfinished pull has downloaded."""
_TEMPORARY = ".tmp-"


class ArrayWriter(Protocol):
    """Writes whole arrays and string tables by name, to files or to memory."""

    def array(self, name: str, array: Array) -> None:
        """Write array `name`."""

    def strings(self, name: str, strings: Iterable[str]) -> None:
        """Write string table `name`."""


class ArtifactWriter:
    """Collects the files of a new version; `write_artifact` creates the writer.

    Example:
        >>> import numpy as np
        >>> from graphagg.store import write_artifact
        >>> with write_artifact("idx") as publication:
        ...     publication.writer.array("squares", np.arange(3) ** 2)
        ...     publication.writer.path("squares.npy").name
        'squares.npy'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.adopted: dict[str, FileEntry] = {}

    def adopt(self, artifact: Artifact, name: str) -> None:
        """Add file `name` of another version unchanged, as a hard link or copy."""
        if not self.link(artifact.path(name)):
            sync(self.path(name))
        self.adopted[name] = artifact.manifest.files[name]

    def take(self, source: Path, name: str, entry: FileEntry) -> None:
        """Add a file as data file `name`; its checksum was already compared with `entry`."""
        self.link(source, name)
        sync(self.path(name))
        self.adopted[name] = entry

    def link(self, source: Path, name: str | None = None) -> bool:
        """Add a file as data file `name`, as a hard link (returns True) or copy (False)."""
        target = self.path(source.name if name is None else name)
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            shutil.copyfile(source, target)
            return False
        return True

    def path(self, name: str) -> Path:
        """Return the path where another library may write data file `name`."""
        if not FILE_NAME.fullmatch(name):
            raise ValueError(f"bad file name {name!r}")
        return self.folder / name

    def array(self, name: str, array: Array) -> None:
        """Write array `name` (without `.npy`)."""
        rows = np.ascontiguousarray(array)
        with self.path(f"{name}.npy").open("wb") as file:  # `numpy.save` ignores a full disk
            header = np.lib.format.header_data_from_array_1_0(rows)
            np.lib.format.write_array_header_1_0(file, header)
            file.write(rows.data if rows.nbytes else b"")

    def strings(self, name: str, strings: Iterable[str]) -> None:
        """Write string table `name`."""
        table = strings if isinstance(strings, StringTable) else StringTable.pack(strings)
        self.array(f"{name}.utf8", table.data)
        self.array(f"{name}.offsets", table.offsets)


class Publication:
    """A new version that is being written; `publish` makes its files current.

    Attributes:
        root: the directory of the index; for an index on a store, its local build folder.
        location: where the index goes: `root`, or the address of a store.
        writer: collects the files.

    Example:
        >>> from graphagg.store import open_artifact, write_artifact
        >>> with write_artifact("idx") as publication:
        ...     publication.writer.strings("names", ["one", "two"])
        ...     publication.publish(Manifest("demo")).kind
        'demo'
    """

    def __init__(self, root: Path, writer: ArtifactWriter) -> None:
        self.root = root
        self.location: Path | Address = root
        self.writer = writer

    def publish(self, manifest: Manifest) -> Manifest:
        """Make the written files the current version, atomically; return its manifest.

        Args:
            manifest: kind, parameters, inputs, models and counts; `publish` sets `files`, `data`.
        """
        folder, adopted = self.writer.folder, self.writer.adopted
        names = sorted(path.name for path in folder.iterdir())
        files = {name: adopted.get(name) or _describe(folder / name) for name in names}
        for name in files.keys() - adopted.keys():
            sync(folder / name)
        sync(folder)
        described = replace(manifest, files=files)
        published = replace(described, data=_install(self.root, folder, described))
        sync(self.root)
        _replace_manifest(self.root, published)
        _remove_stale(self.root, keep=published.data)
        return published

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Context manager: a temporary folder on the same disk as the index."""
        folder = self.root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def withdraw(self) -> None:
        """Remove the index with one unlink; readers keep the version that they opened."""
        (self.root / MANIFEST_NAME).unlink(missing_ok=True)
        sync(self.root)
        _remove_stale(self.root, keep=None)

    def remove_unread(self) -> None:
        """Remove older versions that no reader has open."""
        _remove_unpublished(self.root)


@contextmanager
def write_folder(root: Path) -> Iterator[Publication]:
    """Write a new version in the local folder `root`; the old one is current until `publish`.

    First removes the files of killed builds. Raises `ArtifactBusy` if another process writes there,
    `ArtifactError` if `root` contains something else, `WriteFailed` if writing to disk fails.
    """
    try:
        with _publication(root) as publication:
            yield publication
    except OSError as error:
        raise WriteFailed(
            f"{root}: could not write the index ({error.strerror or error}); the existing index, "
            "if any, is unchanged. Make room, or choose another folder, and run it again"
        ) from error


@contextmanager
def _publication(root: Path) -> Iterator[Publication]:
    check_root(root)
    created = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    busy = f"{root}: another process is writing this index; wait for it, or stop it"
    with locked(root / ".lock", ArtifactBusy(busy)):
        _remove_unpublished(root)
        folder = root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            yield Publication(root, ArtifactWriter(folder))
        except BaseException:
            _remove_unpublished(root)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if created and not (root / MANIFEST_NAME).exists():
                with suppress(OSError):
                    (root / ".lock").unlink()
                    root.rmdir()


def check_root(root: Path) -> None:
    """Raise `ArtifactError` for a file, or for a folder that contains something else."""
    if not root.exists():
        return
    if not root.is_dir():
        raise ArtifactError(f"{root}: is a file, expected a folder; choose another path")
    names = {entry.name for entry in root.iterdir()}
    foreign = [name for name in names if not is_reserved(name)]
    if foreign and not names & {MANIFEST_NAME, PULLED}:  # a pull also creates inner artifacts
        raise ArtifactError(
            f"{root}: the folder contains {sorted(foreign)[0]!r} and no index; "
            "choose an empty or new folder"
        )


def is_reserved(name: str) -> bool:
    """Whether a file or folder of this name in the folder of an index is part of the index."""
    return (
        name in (MANIFEST_NAME, ".lock", JOB_NOTE, SUMMARY, PULLED, f"{MANIFEST_NAME}.new")
        or name.startswith((_TEMPORARY, LEASE))
        or DATA_FOLDER.fullmatch(name) is not None
    )


def _remove_unpublished(root: Path) -> None:
    """Remove all but the current version; remove nothing if the manifest cannot be read."""
    keep = None
    if (root / MANIFEST_NAME).exists():
        try:
            keep = read_manifest(root).data
        except ArtifactError:
            return
    _remove_stale(root, keep)


def _describe(path: Path) -> FileEntry:
    header = npy_header(path) if path.suffix == ".npy" else None
    dtype, shape = header if header is not None else (None, None)
    return FileEntry(path.stat().st_size, file_sha256(path), dtype, shape)


def _install(root: Path, folder: Path, manifest: Manifest) -> str:
    base = f"v-{manifest.digest()}"
    for attempt in range(1000):
        name = base if attempt == 0 else f"{base}-{attempt}"
        target = root / name
        if not target.exists():
            _rename(folder, target)
            return name
        with suppress(OSError):
            if all(_describe(target / file) == entry for file, entry in manifest.files.items()):
                return name
    raise ArtifactError(f"{root}: too many damaged copies of {base}; build in a new folder")


def _replace_manifest(root: Path, manifest: Manifest) -> None:
    temporary = root / f"{MANIFEST_NAME}.new"
    _write(temporary, json.dumps(manifest.to_json(), indent=1, ensure_ascii=False) + "\n")
    sync(temporary)
    _replace(temporary, root / MANIFEST_NAME)
    try:
        sync(root)
    except OSError as error:
        raise WriteFailed(
            f"{root}: the new version is current, but the disk did not confirm it "
            f"({error.strerror or error}): if the power fails now, the old one may be current. "
            "Check the disk, then run `graphagg verify` on the folder"
        ) from error


def _remove_stale(root: Path, keep: str | None) -> None:
    """Remove temporary files and versions without readers; the caller holds the write lock."""
    with suppress(FileNotFoundError):
        (root / f"{MANIFEST_NAME}.new").unlink()
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(_TEMPORARY):
            shutil.rmtree(entry, ignore_errors=True)
        elif DATA_FOLDER.fullmatch(entry.name) and entry.name != keep:
            _remove_version(entry)
        elif entry.name.startswith(LEASE) and not (root / entry.name[len(LEASE) :]).exists():
            with suppress(OSError):  # Windows cannot remove open files
                entry.unlink()


def _remove_version(folder: Path) -> None:
    """Remove a version, unless a reader has it open; then the next writer tries again."""
    with suppress(OSError):
        descriptor = hold_folder(folder, shared=False)
        if descriptor is not None:
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


# `publish` writes, syncs and renames only with these four functions; the tests stop the process
# before and after each.


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are written to disk (`fsync`)."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders, and need not sync them
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(source: Path, target: Path) -> None:
    os.rename(source, target)


def _replace(source: Path, target: Path) -> None:
    os.replace(source, target)
