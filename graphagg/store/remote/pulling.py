"""Pulls a version into a local folder: only missing files, in parallel, resumable.

Objects are downloaded piece by piece to `DIR/.pull` and named by their checksum. An interrupted
pull continues where it stopped. When all objects are there, one rename publishes the version.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graphagg.errors import ArtifactError, CorruptArtifact, NotAnArtifact
from graphagg.progress import Progress, silent
from graphagg.store.addresses import Location, address, local_folder
from graphagg.store.manifest import FileEntry, file_sha256, own_file, read_manifest
from graphagg.store.ranges import check_space
from graphagg.store.remote.clients import PIECE
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pointers import Published, current
from graphagg.store.writing import PULLED, ArtifactWriter, write_folder

_CHANGES = 5  # attempts; one can fail if a newer version is published during the pull


@dataclass(frozen=True)
class PullReport:
    """Report of a pull.

    Attributes:
        version: the data folder that is now current.
        fetched, fetched_bytes: number of downloaded objects, and bytes that were requested.
        kept, kept_bytes: number and bytes of files that were already in the folder.
    """

    version: str
    fetched: int
    fetched_bytes: int
    kept: int
    kept_bytes: int


class MissingObject(Exception):
    """A version names an object that is not on the store."""


def pull(
    location: Location, directory: str | os.PathLike[str], *, progress: Progress = silent
) -> PullReport:
    """Download the current version of an index to a local folder; skip files that it has.

    If a pull fails, the index in the folder is not changed.

    Args:
        location: an address, such as `s3://bucket/idx`.
        directory: the folder, which is created if it does not exist.
        progress: called with `pull`, pieces done, pieces to download.

    Raises:
        NotAnArtifact, UnsupportedFormat: about the address; the folder has another kind of index.
        CorruptArtifact: an object or the manifest was altered, or an object is missing.
        ArtifactBusy, ArtifactError, WriteFailed: about the folder.
        StoreError, MissingExtra: about the store.
    """
    store = Store(address(location))
    published, root = current(store)[0], local_folder(directory)
    kind, kind_here = published.manifest.kind, _kind_of(root)
    if kind_here not in (kind, None):
        raise NotAnArtifact(
            f"{root}: this is an index of kind {kind_here!r}, the store has one of kind {kind!r}; "
            "pull it to another folder"
        )
    return pull_version(store, published, root, progress)[1]


def _kind_of(root: Path) -> str | None:
    """Return the kind of a folder's index; None if it has no readable index."""
    try:
        return read_manifest(root).kind
    except ArtifactError:
        return None


def pull_version(
    store: Store,
    published: Published,
    root: Path,
    progress: Progress = silent,
    local: Mapping[str, Path] | None = None,
) -> tuple[Published, PullReport]:
    """Pull a version or a newer one; `local` maps checksums to verified local files."""
    for _ in range(_CHANGES):
        try:
            return published, _bring(store, published, root, progress, local or {})
        except MissingObject as gone:
            newer = current(store)[0]
            if list(newer.files()) == list(published.files()):
                raise CorruptArtifact(
                    f"{store.address}/{gone}: missing, but the manifest names it; publish the "
                    "index again"
                ) from None
            published = newer
    raise CorruptArtifact(
        f"{store.address}: {_CHANGES} versions were published while it was read; run it again"
    )


def is_here(published: Published, root: Path) -> bool:
    """Whether this version is the current one in a local folder."""
    version = published.manifest.data
    try:
        return read_manifest(root).data == version and (root / version).is_dir()
    except (ArtifactError, OSError):
        return False


def _bring(
    store: Store, published: Published, root: Path, progress: Progress, local: Mapping[str, Path]
) -> PullReport:
    files = {entry.sha256: (entry, name) for entry, name in published.files()}
    size = sum(entry.bytes for entry, _ in files.values())
    if is_here(published, root):
        return PullReport(published.manifest.data, 0, 0, len(files), size)
    _check_digest(store, published)
    with write_folder(root) as publication:
        sources = {**_intact(root, files), **local}
        new = {s: files[s] for s in files if s not in sources}
        folder = root / PULLED
        if folder.is_symlink() or any(path.is_symlink() for path in folder.glob("*")):
            raise CorruptArtifact(f"{folder}: contains a symbolic link; remove the folder")
        folder.mkdir(exist_ok=True)
        fetched = _fetch(store, new, folder, progress)
        sources |= {sha256: folder / sha256 for sha256 in new}
        _take(publication.writer, published, sources)
        publication.publish(published.manifest)
        shutil.rmtree(folder, ignore_errors=True)  # under the lock: no other pull downloads into it
    kept_bytes = sum(entry.bytes for s, (entry, _) in files.items() if s not in new)
    return PullReport(published.manifest.data, len(new), fetched, len(files) - len(new), kept_bytes)


def _check_digest(store: Store, published: Published) -> None:
    """Compare the digest of the manifest with the digest in its version name."""
    manifest = published.manifest
    if manifest.data.split("-")[1] != manifest.digest():
        raise CorruptArtifact(
            f"{store.address}: the manifest names {manifest.data}, but its digest is "
            f"v-{manifest.digest()}; publish the index again"
        )


def _take(writer: ArtifactWriter, published: Published, sources: Mapping[str, Path]) -> None:
    def take(item: tuple[str, FileEntry]) -> None:
        name, entry = item
        source = sources[entry.sha256]
        if (size := source.stat().st_size) != entry.bytes:
            raise CorruptArtifact(
                f"{name}: {size:,} bytes, the manifest lists {entry.bytes:,}; publish it again"
            )
        writer.take(source, name, entry)

    in_parallel(take, published.manifest.files.items())  # disks sync several files in parallel


def _intact(root: Path, needed: Mapping[str, tuple[FileEntry, str]]) -> dict[str, Path]:
    """Return the needed files that are intact in the folder's current version, by checksum."""
    present: dict[str, Path] = {}
    try:
        manifest = read_manifest(root)
    except ArtifactError:
        return {}
    for file, entry in manifest.files.items():
        path = root / manifest.data / file
        if entry.sha256 in needed and entry.sha256 not in present:
            with suppress(OSError, CorruptArtifact):
                own_file(path)
                present[entry.sha256] = path
    paths = list(present.items())
    intact = in_parallel(lambda item: file_sha256(item[1]) == item[0], paths)
    return {sha256: path for (sha256, path), good in zip(paths, intact, strict=True) if good}


def _fetch(
    store: Store, new: Mapping[str, tuple[FileEntry, str]], folder: Path, progress: Progress
) -> int:
    """Download objects into a folder, named by checksum; return the number of bytes requested."""
    missing = [each for sha256, each in new.items() if not (folder / sha256).exists()]
    check_space(folder, sum(entry.bytes for entry, _ in missing), "the files of the index")
    total, done = sum(-(-entry.bytes // PIECE) for entry, _ in missing), 0

    def download(item: tuple[FileEntry, str]) -> int:
        nonlocal done
        (entry, name), fetched = item, 0
        part = folder / f"{entry.sha256}.part"
        for _ in range(2):  # a damaged object is downloaded once more
            with part.open("ab") as file:
                while (start := file.tell()) < entry.bytes:
                    fetched += file.write(_piece(store, name, start, entry.bytes))
                    done += 1
                    progress("pull", min(done, total), total)
            if file_sha256(part) == entry.sha256:
                os.replace(part, folder / entry.sha256)
                return fetched
            part.unlink()
        raise CorruptArtifact(
            f"{store.address}/{name}: its sha256 is not the manifest's {entry.sha256}, twice in a "
            "row; the object was altered: publish the index again"
        )

    return sum(in_parallel(download, sorted(missing, key=lambda each: -each[0].bytes)))


def _piece(store: Store, name: str, start: int, size: int) -> bytes:
    try:
        return store.read(name, start, min(start + PIECE, size))
    except FileNotFoundError:
        raise MissingObject(name) from None
