"""The base class of indices: opens, reopens and closes an index, and publishes changes.

An index object reads one version when it is opened. `reopen` and changes made with this object
replace the version with one assignment, so a running query in another thread keeps the version that
it started with. A change starts from the newest version on disk, which may be newer than the opened
one: if two processes change the same index in turn, no change is lost.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isfunction
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from graphagg.errors import IndexClosed
from graphagg.store.addresses import Address
from graphagg.store.artifact import open_artifact, write_artifact
from graphagg.store.manifest import MANIFEST_NAME, Manifest
from graphagg.store.reading import Artifact, Closing, ReadsArtifact, content_of, names_damage
from graphagg.store.writing import Publication

V = TypeVar("V", bound=ReadsArtifact)


class Index(Closing, ABC, Generic[V]):
    """An index opened from its directory.

    The index keeps the version that it opened, even if another process publishes a newer one, until
    `reopen` or a change with this object. Several threads may read at the same time. After `close`,
    methods raise `IndexClosed`; location and manifest can still be read. If damaged values make a
    method fail, it raises `CorruptArtifact`.
    """

    KIND: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            is_read = not name.startswith("_") or name in ("__contains__", "__getitem__")
            if is_read and isfunction(method):
                setattr(cls, name, names_damage(method))

    def __init__(self, artifact: Artifact) -> None:
        self._is_closed = False
        self._held: V = self._read_or_close(artifact, None)

    @property
    def _version(self) -> V:
        """The opened version; raises `IndexClosed`."""
        if self._is_closed:
            raise IndexClosed(f"{os.fspath(self.location)} was closed; open the index again")
        return self._held

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self._held.artifact

    @abstractmethod
    def _read(self, artifact: Artifact, before: V | None) -> V:
        """Map the parts of a version; loaded data may be shared with the version `before` it."""

    @classmethod
    def open(cls, directory: str | os.PathLike[str], *, verify: bool = False) -> Self:
        """Open an index in milliseconds.

        Args:
            directory: the index, or its address on a store, such as `s3://bucket/idx`; missing
                files are downloaded to the local cache.
            verify: first compare the checksum of every file and check all values.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: about the directory.
            StoreError, MissingExtra, WriteFailed: about the store or the cache.
        """
        return cls(open_artifact(directory, kind=cls.KIND, verify=verify))

    def reopen(self) -> None:
        """Switch to the current version; running queries finish on the version they started with.

        If the newer version cannot be read, the index keeps the opened one.
        """
        self._held = self._newest()  # the old version is closed when its last query ends

    def close(self) -> None:
        """Close the opened version, so that a writer can remove it."""
        self._is_closed = True
        self._held.artifact.close()

    @property
    def directory(self) -> Path:
        """The index's directory, absolute; for an index on a store, its copy on this machine."""
        return self._held.artifact.directory

    @property
    def location(self) -> Path | Address:
        """The location of the index's newest version: a directory, or an address on a store."""
        return self._held.artifact.location

    @property
    def manifest(self) -> Manifest:
        """The manifest: inputs, parameters and models of the build, and counts of the index."""
        return self._held.artifact.manifest

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in self.manifest.counts.items())
        return f"{type(self).__name__}({os.fspath(self.location)!r}: {counts})"

    @contextmanager
    def _changing(self) -> Iterator[tuple[Publication, V]]:
        """Hold the write lock and open the newest version; then switch to the published one."""
        with write_artifact(self.location) as publication:
            newest = self._newest()
            try:
                newest.artifact.check_values()  # a change reads nearly all; it must not copy damage
                yield publication, newest
            finally:
                newest.artifact.close()
            self.reopen()
            publication.remove_unread()

    def _newest(self) -> V:
        return self._read_or_close(open_artifact(self.location, kind=self.KIND), self._version)

    def _read_or_close(self, artifact: Artifact, before: V | None) -> V:
        try:
            with content_of(artifact.directory / MANIFEST_NAME):
                return self._read(artifact, before)
        except BaseException:
            artifact.close()
            raise
