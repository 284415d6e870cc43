"""Objects below an address: read, write, list, remove, with retries and errors by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from graphagg.errors import MissingExtra, NoSuchBucket, NotWritable, StoreError
from graphagg.store.addresses import Address
from graphagg.store.remote.failures import Passing, attempt, named_error

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""Requests at a time."""
PIECE = 8 << 20
"""Bytes of a request, at most, where an object is read; on S3 also where it is sent in parts."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object in a list: its size, and when it was written, in seconds by the store's clock."""

    bytes: int
    modified: float


class Store:
    """The objects below an address. Names are relative to it, with slashes.

    Safe to use from several threads. Every call may raise a `StoreError`.

    Args:
        address: the address.

    Raises:
        MissingExtra: the library of its scheme is not installed.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.fs = _file_system(address)
        self._is_s3 = address.scheme.protocol == "s3"
        self._is_hdfs = address.scheme.hadoop in ("hdfs", "webhdfs")
        self._root = (
            address.fsspec
            if address.scheme.protocol.startswith("http")
            else (str(self.fs._strip_protocol(address.fsspec)).rstrip("/"))
        )

    def path(self, name: str) -> str:
        """The path of an object in the file system `fs`."""
        return f"{self._root}/{name}" if name else self._root

    def call(self, request: Callable[[], T]) -> T:
        """Make a request to `fs`, with retries and errors by name."""
        return attempt(self.address, request)

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or its bytes `[start, end)`.

        Raises:
            FileNotFoundError: there is none of this name.
        """

        def request() -> bytes:
            data: bytes = self.fs.cat_file(self.path(name), start=start, end=end)
            if start is not None and end is not None and len(data) != end - start:
                if len(data) >= end:  # a host that knows no ranges gives all of it
                    return data[start:end]
                raise Passing(f"{name}: {len(data)} bytes came, wanted {end - start}")
            return data

        return self.call(request)

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """Read an object of a known size, piece after piece."""
        for start in range(0, size, PIECE):
            yield self.read(name, start, min(start + PIECE, size))

    def write(self, name: str, data: bytes) -> None:
        """Put an object, in place of one of that name."""
        self._put(name, lambda: self.fs.pipe_file(self.path(name), data))

    def create(self, name: str, data: bytes) -> bool:
        """Put an object unless its name is taken, atomically; returns whether it was put."""
        if self._is_hdfs:
            return self._created_by_rename(name, data)
        try:
            self._put(name, lambda: self.fs.pipe_file(self.path(name), data, mode="create"))
        except FileExistsError:
            return self.read(name) == data  # put by an attempt whose answer was lost
        return True

    def _created_by_rename(self, name: str, data: bytes) -> bool:
        """Create by a rename, which refuses a taken name; HDFS's clients have no exclusive put."""
        import secrets

        draft = f"{name}.{secrets.token_hex(8)}"
        self.write(draft, data)
        try:
            self.fs.mv(self.path(draft), self.path(name))
        except OSError:
            pass  # the name is taken, or the answer was lost: the draft says which
        if self.size(draft) is None:
            return self.read(name) == data
        self.remove([draft])
        return False

    def upload(self, path: Path, name: str) -> None:
        """Put a local file as an object."""
        # By itself s3fs holds ten parts of 50 MiB of each file that is sent at a time.
        options = {"chunksize": PIECE, "max_concurrency": 2} if self._is_s3 else {}
        self._put(name, lambda: self.fs.put_file(str(path), self.path(name), **options))

    def _put(self, name: str, request: Callable[[], object]) -> None:
        self.check_writable()
        if self._is_hdfs:  # which has folders
            folder = self.path(name).rpartition("/")[0]
            self.call(lambda: self.fs.makedirs(folder, exist_ok=True))
        try:
            self.call(request)
        except FileNotFoundError as error:  # nothing but the bucket can be missing
            raise self._no_bucket(f" ({error})") from None

    def _no_bucket(self, reason: str = "") -> NoSuchBucket:
        host = self.address.host
        return NoSuchBucket(
            f"{self.address}: no bucket {host!r}; check the name, or make it{reason}"
        )

    def size(self, name: str) -> int | None:
        """Bytes of an object; None: there is none of that name."""
        info = self._looked_up(lambda: self.fs.info(self.path(name)))
        return None if info is None else int(info.get("size") or 0)

    def _looked_up(self, request: Callable[[], Any]) -> Any:
        """The answer of the store as it is now; None where there is no such object or folder."""

        def anew() -> Any:
            self.fs.invalidate_cache()
            return request()

        try:
            return self.call(anew)
        except FileNotFoundError:
            return None

    def listed(self, folder: str = "") -> dict[str, ObjectInfo]:
        """List all objects below a folder, however deep; none where there is no such folder."""
        entries = self._looked_up(lambda: self.fs.find(self.path(folder), detail=True)) or {}
        skipped = len(self._root) + 1
        return {path[skipped:]: _info(info) for path, info in entries.items()}

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders that lie directly in a folder."""
        infos = self._looked_up(lambda: self.fs.ls(self.path(folder), detail=True)) or []
        names = (str(info["name"]).rstrip("/").rpartition("/")[2] for info in infos
                 if info["type"] == "directory")  # fmt: skip
        return sorted(name for name in names if name)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone already are no error."""
        for name in names:
            try:
                self.call(lambda name=name: self.fs.rm_file(self.path(name)))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    def remove_folder(self, folder: str = "") -> None:
        """Remove all objects below a folder."""
        in_parallel(lambda name: self.remove([name]), list(self.listed(folder)))

    def check_bucket(self) -> None:
        """See whether the bucket is there, after a list that found nothing.

        Raises:
            NoSuchBucket: it is not.
        """
        if not self._is_s3:
            return
        try:
            self.call(lambda: self.fs.call_s3("head_bucket", Bucket=self.address.host))
        except FileNotFoundError:
            raise self._no_bucket() from None

    def check_writable(self) -> None:
        """Raise `NotWritable` for a store that is only read."""
        if not self.address.scheme.can_write:
            raise NotWritable(
                f"{self.address}: {self.address.scheme.name}:// is only read; copy the folder of "
                "the index there with the tools of that site: it is read as it is"
            )


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Map items in threads; the first error is raised once running calls have ended."""
    items = list(items)
    if len(items) < 2:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # a local index needs none

    with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _file_system(address: Address) -> Any:
    scheme = address.scheme
    for module in ("fsspec", scheme.module):
        try:
            import_module(module)
        except ImportError as error:
            raise MissingExtra.of(error, scheme.extra or "http") from None
    from fsspec import filesystem
    from fsspec.utils import infer_storage_options

    options: dict[str, Any] = {"use_listings_cache": False, **address.options}
    if scheme.protocol == "s3":
        # botocore tries once: `attempt` and s3fs try again, and name what failed.
        config = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 1}}
        options["config_kwargs"] = {**config, **options.get("config_kwargs", {})}
    if scheme.hadoop in ("hdfs", "webhdfs") and address.host:
        host, _, port = address.host.rpartition("@")[2].partition(":")
        options = {"host": host, **({"port": int(port)} if port else {}), **options}
    if scheme.protocol in ("abfs", "abfss"):
        said = infer_storage_options(address.fsspec)
        options = {"account_name": str(said.get("host", "")).partition(".")[0], **options}
    try:
        return filesystem(scheme.protocol, **options)
    except (ImportError, OSError) as error:
        if scheme.name == "hdfs":
            raise StoreError(
                f"{address}: hdfs:// needs Java and the native client of Hadoop: set JAVA_HOME, "
                "HADOOP_HOME and CLASSPATH (`hadoop classpath --glob`), or use webhdfs:// "
                f"({str(error).partition(chr(10))[0]})"
            ) from None
        raise named_error(address, error) from error


_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")


def _info(info: dict[str, Any]) -> ObjectInfo:
    """Read an entry of a list, as any file system writes it."""
    modified = next((info[key] for key in _TIMES if info.get(key) is not None), 0.0)
    if info.get("modificationTime") is not None:  # of HDFS, in milliseconds
        modified = int(info["modificationTime"]) / 1000
    if isinstance(modified, str):
        modified = datetime.fromisoformat(modified)
    if isinstance(modified, datetime):
        aware = modified if modified.tzinfo else modified.replace(tzinfo=UTC)
        modified = aware.timestamp()
    return ObjectInfo(int(info.get("size") or 0), float(modified))
