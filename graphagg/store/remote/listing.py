"""List the indices at an address, and in the folders directly below it."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.errors import ArtifactError, NotAnArtifact, StoreError
from graphagg.store.addresses import Address, Location, address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pointers import current_or_none


@dataclass(frozen=True)
class ListedIndex:
    """An index on a store.

    Attributes:
        url: its address.
        kind: the kind of index; if it cannot be read, the name of the error.
        version: its data folder.
        files: count of files, including files of artifacts within, and their `bytes`.
    """

    url: str
    kind: str
    version: str
    files: int
    bytes: int


def indices_below(location: Location) -> list[ListedIndex]:
    """List the indices at an address and directly below it, by name.

    Raises:
        NotAnArtifact: there is none.
        StoreError, MissingExtra: about the store.
    """
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
