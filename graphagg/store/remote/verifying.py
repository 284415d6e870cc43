"""Compare an index on a store with its checksums, without keeping it."""

from __future__ import annotations

import hashlib

from graphagg.errors import CorruptArtifact
from graphagg.progress import Progress, silent
from graphagg.store.addresses import Location, address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pointers import current
from graphagg.store.remote.published import Published
from graphagg.store.remote.pulling import MissingObject, following


def verify(location: Location, *, progress: Progress = silent) -> Published:
    """Compare every object of an index with its checksum; nothing is written to this disk.

    Args:
        location: an address, such as `s3://bucket/idx`.
        progress: called with `verify`, objects done, objects to compare.

    Returns:
        The version that was compared.

    Raises:
        CorruptArtifact: names the first object that is missing or altered.
        NotAnArtifact, UnsupportedFormat, StoreError, MissingExtra: as `pull`.
    """
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
