"""Objects below an address: read, write, list and remove, with retries."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from graphagg import errors
from graphagg.errors import CorruptArtifact, NoSuchBucket, NotWritable
from graphagg.store.addresses import Address, Location, Scheme, address, is_scheme
from graphagg.store.remote.clients import PIECE, FolderClient, ObjectClient, ObjectInfo, Tag

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""Maximum number of parallel requests."""
_ATTEMPTS = 6
_FIRST_WAIT = 0.1  # seconds; doubles with each retry; up to half is subtracted at random
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")
_BUCKET = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "bucket does not exist")
_NO_KEY = ("169.254.169.254", "Missing access key", "MissingAccessKeyId", "no credentials")
_NO_USER = ("XAdminUserNotFound", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_REFUSALS = {"PermissionDeniedError", "UnauthenticatedError", "PermissionError"}
_LOST = re.compile(
    r"error sending request|error decoding|response (error|body)|connection|timed? ?out"
    r"|(?:status|code|error)[^0-9]{0,12}(?:408|409|425|429|5[0-9][0-9])",
    re.IGNORECASE,
)


class Store:
    """Objects below an address; thread-safe; every call may raise a `StoreError`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        client = ObjectClient if address.scheme.module == "obstore" else FolderClient
        self.client: ObjectClient | FolderClient = client(address)

    @classmethod
    def of(cls, location: Location) -> Store:
        """Return the store of a source that is only read; fsspec opens unknown schemes."""
        text = os.fspath(location)
        scheme, _, rest = text.partition("://")
        if isinstance(location, Address) or is_scheme(scheme.lower()):
            return cls(address(location))
        host, slash, path = rest.partition("/")
        place = f"{host.rpartition('@')[2]}{slash}{path}".strip("/")  # without a password
        kind = Scheme(scheme, None, "fsspec", "sources", can_write=False, of_host=False)
        return cls(Address(kind, place, "", {"url": text}))

    @property
    def objects(self) -> ObjectClient:
        """The client of a writable store; raises `NotWritable` for a read-only store."""
        self.check_writable()
        assert isinstance(self.client, ObjectClient)
        return self.client

    def path(self, name: str) -> str:
        """Return the path of an object in its bucket."""
        return "/".join(part for part in (self.address.path, name) if part)

    def call(self, request: Callable[[], T]) -> T:
        """Send a request to `client`; retry it, and translate errors as `attempt` does."""
        return attempt(self.address, request)

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or its bytes `[start, end)`; `CorruptArtifact` if it is too short."""

        def request() -> bytes:
            data = self.client.get(self.path(name), start, end)
            if start is None or end is None or len(data) == end - start:
                return data
            if len(data) >= end:  # a host without range requests sends the whole object
                return data[start:end]
            if self.client.info(self.path(name)).bytes < end:
                raise CorruptArtifact(
                    f"{self.address}/{name}: shorter than {end:,} bytes; publish the index again"
                )
            raise ConnectionError(f"{name}: received {len(data)} bytes, expected {end - start}")

        return self.call(request)

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """Yield the content of an object of a known size in pieces of `PIECE` bytes."""
        for start in range(0, size, PIECE):
            yield self.read(name, start, min(start + PIECE, size))

    def write(self, name: str, data: bytes | Path) -> None:
        """Put an object or a local file; an existing object of that name is replaced."""
        client = self.objects
        try:
            self.call(lambda: client.put(self.path(name), data))
        except FileNotFoundError as error:  # only the bucket can be missing
            raise NoSuchBucket(
                f"{self.address}: no bucket {self.address.host!r}; check the name, or create it "
                f"({error})"
            ) from None

    def create(self, name: str, data: bytes, before: Tag | None = None) -> bool:
        """Put an object if its tag is `before` (None: if absent); return whether it was put."""
        client = self.objects
        if self.call(lambda: client.put_if(self.path(name), data, before)):
            return True
        try:
            return self.read(name) == data  # an earlier attempt put it, but its response was lost
        except FileNotFoundError:
            self.check_bucket()
            return False

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes; None if it is absent."""
        info = self.info(name)
        return None if info is None else info.bytes

    def info(self, name: str) -> ObjectInfo | None:
        """Return size, time and tag of an object; None if it is absent."""
        try:
            return self.call(lambda: self.client.info(self.path(name)))
        except FileNotFoundError:
            return None

    def listed(self, folder: str = "") -> dict[str, ObjectInfo]:
        """List all objects below a folder, recursively; empty if there is no such folder."""
        skipped = len(self.address.path) + 1 if self.address.path else 0
        try:
            infos = self.call(lambda: self.client.find(self.path(folder)))
        except FileNotFoundError:
            return {}
        return {path[skipped:]: info for path, info in infos.items()}

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders directly in a folder."""
        client = self.objects
        paths = self.call(lambda: client.folders(self.path(folder)))
        return sorted(path.rpartition("/")[2] for path in paths)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; missing ones are ignored."""
        client = self.objects
        for name in names:
            try:
                self.call(lambda name=name: client.remove(self.path(name)))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    def remove_folder(self, folder: str = "") -> None:
        """Remove all objects below a folder."""
        in_parallel(lambda name: self.remove([name]), list(self.listed(folder)))

    def check_bucket(self) -> None:
        """Raise `NoSuchBucket` if the bucket is missing; called when an object is not found."""
        if self.address.scheme.has_tags and self.address.scheme.can_write:
            self.call(lambda: self.client.find(self.path("no such folder")))

    def check_writable(self) -> None:
        """Raise `NotWritable` for a read-only store."""
        if not self.address.scheme.can_write:
            raise NotWritable(
                f"{self.address}: {self.address.scheme.name}:// is read-only; copy the folder of "
                "the index there with the tools of that site"
            )


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Call `work` for each item in a thread pool; raise the first error after running calls end."""
    items = list(items)
    if len(items) < 2:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # not needed for a local index

    with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
        return list(pool.map(work, items))


# --- errors of clients ---------------------------------------------------------------------------

# obstore has exception classes for denied access, missing objects and failed conditions; for other
# errors we search the message. fsspec clients raise system errors.


def attempt(address: Address, call: Callable[[], T]) -> T:
    """Call a store; retry transient failures, and raise a `StoreError` that names the address."""
    for tries in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except errors.GraphAggError:
            raise
        except Exception as error:
            translated = named_error(address, error)
            if not isinstance(translated, errors.StoreUnreachable) or tries == _ATTEMPTS:
                raise translated from error
        time.sleep(_FIRST_WAIT * 2 ** (tries - 1) * (1 - random.random() / 2))
    raise AssertionError("the last attempt returns or raises")


def named_error(address: Address, error: Exception) -> Exception:
    """Return the graphagg error for a client's exception; only `StoreUnreachable` is retried."""
    text = str(error).partition("Debug source:")[0]
    cause = text.partition("\n")[0].strip() or type(error).__name__
    if any(code in text for code in _CLOCK):
        return errors.ClockOff(
            f"{address}: the store reports that this machine's clock is wrong; set it ({cause})"
        )
    if any(code in text for code in _NO_KEY):
        return errors.NoCredentials(
            f"{address}: no credentials were found ({cause}); set the environment variables "
            "of the store (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or pass them as "
            "options"
        )
    if any(code in text for code in _BUCKET):
        return errors.NoSuchBucket(
            f"{address}: no bucket {address.host!r}; check the name ({cause})"
        )
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _REFUSALS or any(code in text for code in _NO_USER):
        return errors.AccessRefused(
            f"{address}: the store denied access ({cause}); check the credentials and permissions"
        )
    if isinstance(error, FileNotFoundError):
        return error
    if isinstance(error, ConnectionError | TimeoutError | EOFError) or _LOST.search(text):
        return errors.StoreUnreachable(
            f"{address}: the store did not answer correctly, {_ATTEMPTS} times in a row ({cause}); "
            "check the address and the network, and run it again: finished transfers are not "
            "repeated"
        )
    return errors.StoreError(f"{address}: the store failed ({type(error).__name__}: {cause})")
