"""Open and write an index in a local folder or on an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from graphagg.errors import ArtifactBusy, ArtifactError, NotAnArtifact, NotWritable, StoreError
from graphagg.store.addresses import Address, Location, parse_location
from graphagg.store.manifest import MANIFEST_NAME, Manifest, read_manifest
from graphagg.store.reading import Artifact, open_folder
from graphagg.store.remote.cache import bring_here, build_folder
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import Published, Token, current, current_or_none
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push_over
from graphagg.store.writing import Publication, write_folder


def open_artifact(location: Location, *, kind: str | None = None, verify: bool = False) -> Artifact:
    """Open the current version of an index.

    A local index opens in milliseconds. For an index on a store, missing files are first downloaded
    to the local cache (`graphagg.store.remote.cache`).

    Args:
        location: a directory, or an address such as `s3://bucket/idx`.
        kind: the expected kind; None accepts any kind.
        verify: also compare the checksums of all local files, and check the values of the arrays
            that the reader declares.

    Raises:
        InvalidParameter: the scheme of the address is unknown.
        NotAnArtifact, UnsupportedFormat, CorruptArtifact: see their docstrings.
        StoreError, MissingExtra, WriteFailed: about the store or the cache.

    Example:
        >>> from graphagg.store.manifest import Manifest
        >>> with write_artifact("idx") as publication:
        ...     publication.writer.strings("names", ["one", "two"])
        ...     manifest = publication.publish(Manifest("demo", counts={"names": 2}))
        >>> with open_artifact("idx", kind="demo") as artifact:
        ...     list(artifact.strings("names"))
        ['one', 'two']
    """
    parsed = parse_location(location)
    if not isinstance(parsed, Address):
        return open_folder(parsed, kind=kind, verify=verify)
    store = Store(parsed)
    published = current(store)[0]
    if kind is not None and published.manifest.kind != kind:
        raise NotAnArtifact(
            f"{parsed}: the index has kind {published.manifest.kind!r}, expected {kind!r}"
        )
    artifact = open_folder(bring_here(store, published), kind=kind, verify=verify)
    artifact.source = parsed
    return artifact


def manifest_at(location: Location) -> Manifest:
    """Read the manifest of the current version; raises the errors of `open_artifact`.

    Example:
        >>> from graphagg.communities import CommunityIndex
        >>> CommunityIndex.build([(1, 2), (2, 3), (3, 1)], "idx").close()
        >>> manifest_at("idx").kind
        'communities'
    """
    parsed = parse_location(location)
    if isinstance(parsed, Address):
        return current(Store(parsed))[0].manifest
    return read_manifest(parsed)


def verify_at(
    location: Location, read: Callable[[Artifact], object] = lambda artifact: None
) -> Manifest:
    """Compare the checksum of every file; `CorruptArtifact` names the first that differs.

    `read` opens the version as an index of its kind, which also checks the values of all arrays.
    The objects of a store are downloaded to a temporary folder.

    Example:
        >>> from graphagg.communities import CommunityIndex
        >>> CommunityIndex.build([(1, 2), (2, 3), (3, 1)], "idx").close()
        >>> verify_at("idx").counts["edges"]
        3
    """
    parsed = parse_location(location)
    if isinstance(parsed, Address):
        with TemporaryDirectory() as folder:
            pull(parsed, folder)
            return verify_at(folder, read)
    with open_folder(parsed, verify=True) as artifact:
        read(artifact)
        return artifact.manifest


def current_manifest(location: Location, kind: str) -> Manifest | None:
    """Read the manifest of an index; None if no index of that kind can be opened."""
    parsed = parse_location(location)
    try:
        if isinstance(parsed, Address):
            manifest = current(Store(parsed))[0].manifest
            return manifest if manifest.kind == kind else None
        with open_folder(parsed, kind=kind) as artifact:
            return artifact.manifest
    except StoreError:
        raise
    except ArtifactError:
        return None


def is_current(
    location: Location, kind: str, inputs: Mapping[str, str], parameters: Mapping[str, Any]
) -> bool:
    """Whether the index at a location was built from these inputs with these parameters."""
    manifest = current_manifest(location, kind)
    return manifest is not None and (manifest.inputs, manifest.parameters) == (inputs, parameters)


@contextmanager
def write_artifact(location: Location) -> Iterator[Publication]:
    """Write a new version of an index.

    Until `publish` returns, and after any error, the old version stays current. A version for a
    store is first written to the local cache; `publish` uploads it.

    Raises:
        InvalidParameter: the scheme of the address is unknown.
        ArtifactBusy: another process is writing there, or published on the store in the meantime.
        ArtifactError: the directory is a file, or a folder that contains something else.
        WriteFailed: the disk is full or read-only.
        StoreError, MissingExtra: about the store.

    Example:
        >>> from graphagg.store.manifest import Manifest
        >>> with write_artifact("idx") as publication:
        ...     publication.writer.strings("names", ["one", "two"])
        ...     manifest = publication.publish(Manifest("demo", counts={"names": 2}))
        >>> manifest.kind, sorted(manifest.files)
        ('demo', ['names.offsets.npy', 'names.utf8.npy'])
    """
    parsed = parse_location(location)
    if not isinstance(parsed, Address):
        with write_folder(parsed) as publication:
            yield publication
        return
    store = Store(parsed)
    store.check_writable()
    before, token = current_or_none(store)
    root = build_folder(parsed)
    with write_folder(root) as local:
        publication = _ToStore(local, store, before, token)
        try:
            yield publication
        finally:  # while this process holds the lock of the folder
            if not publication.is_left:
                (root / MANIFEST_NAME).unlink(missing_ok=True)
            local.remove_unread()


class _ToStore(Publication):
    """A new version of an index on a store; `is_left`: built, but the upload failed."""

    def __init__(
        self, local: Publication, store: Store, before: Published | None, token: Token
    ) -> None:
        super().__init__(local.root, local.writer)
        self.location = store.address
        self.is_left = False
        self._store, self._before, self._token = store, before, token

    def publish(self, manifest: Manifest) -> Manifest:
        """Upload the written files, then make them the current version with one put request."""
        published = super().publish(manifest)
        try:
            push_over(self.root, self._store, self._before, self._token)
        except (StoreError, ArtifactBusy) as error:
            self.is_left = True
            raise type(error)(
                f"{error}. The new version is in {self.root}: `graphagg push {self.root} "
                f"{self._store.address}` sends it"
            ) from error
        folder = self.root / published.data
        local_files = {entry.sha256: folder / name for name, entry in published.files.items()}
        self._before, self._token = current_or_none(self._store)
        if self._before is not None and self._before.manifest.data == published.data:
            bring_here(self._store, self._before, local_files)  # so that opening downloads nothing
        return published

    def withdraw(self) -> None:
        """Raise `NotWritable`: graphagg does not remove an index from a store."""
        raise NotWritable(
            f"{self._store.address}: an index on a store cannot be emptied here; remove its "
            "objects with the tools of the store"
        )
