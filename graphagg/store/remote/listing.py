"""Which indices lie at an address, and in the folders directly below it."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.errors import ArtifactError, NotAnArtifact, StoreError
from graphagg.store.addresses import Address, Location, address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pointers import current_or_none


@dataclass(frozen=True)
class Listed:
    """An index on a store.

    Attributes:
        url: its address.
        kind: of index; of one that cannot be read, the name of the error.
        version: its data folder.
        files: how many, those of its parts included, and their `bytes`.
    """

    url: str
    kind: str
    version: str
    files: int
    bytes: int


def indices_below(location: Location) -> list[Listed]:
    """The indices at an address and directly below it, by name.

    Raises:
        NotAnArtifact: there is none.
        StoreError, MissingExtra: about the store.
    """
    place = address(location)
    store = Store(place)
    here = _listed(place)
    names = [] if here is not None else store.folders()
    found = in_parallel(lambda name: _listed(place / name), names)
    listed = [each for each in (here, *found) if each is not None]
    if not listed:
        store.check_bucket()
        raise NotAnArtifact(f"{place}: no index there, nor in a folder directly below it")
    return listed


def _listed(place: Address) -> Listed | None:
    try:
        published, _ = current_or_none(Store(place))
    except StoreError:
        raise
    except ArtifactError as error:
        return Listed(str(place), type(error).__name__, "", 0, 0)
    if published is None:
        return None
    files = sum(1 for _ in published.files())
    manifest = published.manifest
    return Listed(str(place), manifest.kind, manifest.data, files, published.size)
