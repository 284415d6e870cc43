"""List the indices at an address; compare one with its checksums, without keeping it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from graphagg.errors import ArtifactError, CorruptArtifact, NotAnArtifact, StoreError
from graphagg.progress import Progress, silent
from graphagg.store.addresses import Address, Location, address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pointers import Published, current, current_or_none
from graphagg.store.remote.pulling import MissingObject, following


def verify(location: Location, *, progress: Progress = silent) -> Published:
    """Compare the checksum of every object, without writing to this disk; raises as `pull`."""
    store = Store(address(location))
    return following(store, current(store)[0], lambda version: _check(store, version, progress))[0]


def _check(store: Store, published: Published, progress: Progress) -> None:
    files = sorted({(name, entry.bytes, entry.sha256) for entry, name in published.files()})
    done = 0

    def check(file: tuple[str, int, str]) -> None:
        nonlocal done
        name, size, sha256 = file
        digest = hashlib.sha256()
        try:
            for piece in store.pieces(name, size):
                digest.update(piece)
        except FileNotFoundError:
            raise MissingObject(name) from None
        if digest.hexdigest() != sha256:
            raise CorruptArtifact(
                f"{store.address}/{name}: sha256 is {digest.hexdigest()}, the manifest says "
                f"{sha256}; the object was altered: publish the index again"
            )
        done += 1
        progress("verify", done, len(files))

    in_parallel(check, files)


@dataclass(frozen=True)
class ListedIndex:
    """An index on a store.

    `version` is its data folder; `files` and `bytes` count inner artifacts too. If it cannot be
    read, `kind` is the name of the error.
    """

    url: str
    kind: str
    version: str
    files: int
    bytes: int


def indices_below(location: Location) -> list[ListedIndex]:
    """List the indices at an address and directly below it; `NotAnArtifact` if there is none."""
    root = address(location)
    store = Store(root)
    here = _listed(root)
    names = [] if here is not None else store.folders()
    below = in_parallel(lambda name: _listed(root / name), names)
    listed = [each for each in (here, *below) if each is not None]
    if not listed:
        store.check_bucket()
        raise NotAnArtifact(f"{root}: no index there, nor in a folder directly below it")
    return listed


def _listed(folder: Address) -> ListedIndex | None:
    try:
        published, _ = current_or_none(Store(folder))
    except StoreError:
        raise
    except ArtifactError as error:
        return ListedIndex(str(folder), type(error).__name__, "", 0, 0)
    if published is None:
        return None
    files = sum(1 for _ in published.files())
    manifest = published.manifest
    return ListedIndex(str(folder), manifest.kind, manifest.data, files, published.size)
