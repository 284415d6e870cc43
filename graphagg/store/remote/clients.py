"""Clients of object stores: obstore for S3, Google, Azure and web sites, fsspec to read others.

Paths are relative to the bucket or host. Methods raise `FileNotFoundError` for a missing object.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.store.addresses import Address

PIECE = 8 << 20
"""Maximum bytes of a read request, and bytes of the parts of an upload."""
Tag = Mapping[str, str]
"""Identifies one state of an object: its entity tag, and its version if the store has versions."""


@dataclass(frozen=True)
class ObjectInfo:
    """Size of an object, its time of change in seconds (the store's clock), and its tag, if any."""

    bytes: int
    modified: float
    tag: str = ""


class ObjectClient:
    """Client of S3, Google Cloud Storage, Azure, web sites (read-only), and memory for tests."""

    def __init__(self, address: Address) -> None:
        self._api = _import("obstore", address)
        self._store = _obstore(address)

    def get(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or its bytes `[start, end)`; without range requests, the whole object."""
        from obstore.exceptions import NotSupportedError

        if start is not None and end is not None:
            with suppress(NotSupportedError):  # a site without range requests
                return bytes(self._api.get_range(self._store, path, start=start, end=end))
        return bytes(self._api.get(self._store, path).bytes())

    def get_tagged(self, path: str) -> tuple[bytes, Tag]:
        """Read an object and its tag."""
        answer = self._api.get(self._store, path)
        meta = {"e_tag": answer.meta["e_tag"], "version": answer.meta["version"]}
        return bytes(answer.bytes()), {name: tag for name, tag in meta.items() if tag}

    def put(self, path: str, data: bytes | Path) -> None:
        """Put an object or a local file; an existing object is replaced."""
        self._api.put(self._store, path, data, chunk_size=PIECE, max_concurrency=2)

    def put_if(self, path: str, data: bytes, before: Tag | None) -> bool:
        """Put an object if its tag is `before` (None: if absent); return whether it was put."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            mode: Any = "create" if before is None else dict(before)
            self._api.put(self._store, path, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            return False
        return True

    def info(self, path: str) -> ObjectInfo:
        """Return size, time and tag of an object."""
        return _info(self._api.head(self._store, path))

    def find(self, folder: str) -> dict[str, ObjectInfo]:
        """Return all objects below a folder, by path."""
        batches = self._api.list(self._store, folder or None)
        return {str(each["path"]): _info(each) for batch in batches for each in batch}

    def folders(self, folder: str) -> list[str]:
        """Return the paths of the folders directly in a folder."""
        listed = self._api.list_with_delimiter(self._store, folder or None)
        return list(listed["common_prefixes"])

    def remove(self, path: str) -> None:
        """Remove an object."""
        self._api.delete(self._store, path)


def _info(meta: Any) -> ObjectInfo:
    tag = meta.get("version") or meta.get("e_tag") or ""
    return ObjectInfo(int(meta["size"]), meta["last_modified"].timestamp(), str(tag))


def _obstore(address: Address) -> Any:
    from obstore.store import from_url

    if address.scheme.name == "memory":
        return _memory()
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=10),
        "timeout": timedelta(seconds=60),
    }
    config = {name: value for name, value in address.options.items() if value is not None}
    client |= {"allow_http": True, **config.pop("client_options", {})}
    options: dict[str, Any] = {"client_options": client, **({"config": config} if config else {})}
    # `attempt` does the retries and translates the errors.
    options["retry_config"] = {"max_retries": 1, "retry_timeout": timedelta(seconds=60)}
    return from_url(f"{address.scheme.name}://{address.host}/", **options)


@cache
def _memory() -> Any:
    from obstore.store import MemoryStore

    return MemoryStore()


class FolderClient:
    """Read-only client, based on fsspec, of the Hugging Face hub and of sources of documents."""

    def __init__(self, address: Address) -> None:
        if "url" in address.options:
            fsspec = _import("fsspec", address)
            try:
                self._fs, self._root = fsspec.core.url_to_fs(address.options["url"])
            except (ImportError, ValueError) as error:
                raise InvalidParameter(
                    f"{address}: {error}; expected the address of a store, of an fsspec file "
                    "system whose library is installed, or of a graphagg.sources plug-in"
                ) from None
            return
        for module in ("fsspec", address.scheme.module):
            _import(module, address)
        from fsspec import filesystem

        options: dict[str, Any] = {"use_listings_cache": False, **address.options}
        self._fs = filesystem(address.scheme.name, **options)
        self._root = address.scheme.name + "://" + address.host

    def _path(self, path: str) -> str:
        return str(self._fs._strip_protocol(f"{self._root}/{path}"))

    def get(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or its bytes `[start, end)`."""
        data: bytes = self._fs.cat_file(self._path(path), start=start, end=end)
        return data

    def info(self, path: str) -> ObjectInfo:
        """Return size, time and tag of an object."""
        self._fs.invalidate_cache()
        return _folder_info(self._fs.info(self._path(path)))

    def find(self, folder: str) -> dict[str, ObjectInfo]:
        """Return all objects below a folder, by path."""
        self._fs.invalidate_cache()
        root = self._path("").rstrip("/")
        entries = self._fs.find(self._path(folder), detail=True)
        return {path[len(root) :].lstrip("/"): _folder_info(i) for path, i in entries.items()}


def _folder_info(info: Mapping[str, Any]) -> ObjectInfo:
    """Parse the info of a file, whose time is a number of seconds or a datetime."""
    mtime = info.get("mtime") or info.get("LastModified") or info.get("created") or 0.0
    if "date_time" in info:  # a file in a zip archive
        mtime = datetime(*info["date_time"][:6]).replace(tzinfo=UTC)
    seconds = mtime.timestamp() if hasattr(mtime, "timestamp") else float(mtime)
    tag = next((str(info[name]) for name in _TAGS if info.get(name)), "")
    return ObjectInfo(int(info.get("size") or 0), seconds, tag)


_TAGS = ("version_id", "ETag", "etag", "sha", "CRC", "md5Hash", "oid")
"""Keys that file systems of fsspec use for the version or checksum of a file."""


def _import(module: str, address: Address) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra.of(error, address.scheme.extra) from None
