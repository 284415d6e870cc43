"""Addresses of object stores: one table of schemes, for fsspec (Python) and for Hadoop (Spark).

`address_of` reads an address. `Address.fsspec` is how Python's side writes it and `Address.hadoop`
how Spark's does: `s3://b/x`, `s3a://b/x` and `s3n://b/x` are one place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from graphagg.errors import InvalidParameter

Location = str | os.PathLike[str]
"""A local path, or the address of a store, as text or as `Address`."""

# Two characters at least, so that a drive letter is none. A `Path` has made one slash of two.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?=/)")
_VOLUMES = "/Volumes/"


@dataclass(frozen=True)
class Scheme:
    """A kind of store.

    Attributes:
        name: as messages write it.
        protocol: fsspec's name.
        hadoop: Hadoop's name; None: Spark cannot read it.
        module: what fsspec's file system needs.
        extra: the extra of graphagg that brings it; None: it is always there.
        aliases: other names of the same.
        can_write: whether an index can be pushed there.
        of_host: whether a bucket, container or host must be named.
    """

    name: str
    protocol: str
    hadoop: str | None
    module: str
    extra: str | None
    aliases: tuple[str, ...] = ()
    can_write: bool = True
    of_host: bool = True


SCHEMES = (
    Scheme("s3", "s3", "s3a", "s3fs", "s3", ("s3a", "s3n")),
    Scheme("gs", "gs", "gs", "gcsfs", "gcs", ("gcs",)),
    Scheme("abfs", "abfs", "abfs", "adlfs", "azure"),
    Scheme("abfss", "abfss", "abfss", "adlfs", "azure"),
    Scheme("hdfs", "hdfs", "hdfs", "fsspec", "hdfs", of_host=False),
    Scheme("webhdfs", "webhdfs", "webhdfs", "requests", "hdfs"),
    Scheme("https", "https", None, "aiohttp", "http", can_write=False),
    Scheme("http", "http", None, "aiohttp", "http", can_write=False),
    Scheme("hf", "hf", None, "huggingface_hub", "hf", can_write=False),
    Scheme("memory", "memory", None, "fsspec", "http", of_host=False),
)
"""All stores. `file://` and `dbfs:/Volumes/` are local paths; `memory://` is for tests."""
_BY_NAME = {name: scheme for scheme in SCHEMES for name in (scheme.name, *scheme.aliases)}


@dataclass(frozen=True)
class Address(os.PathLike[str]):
    """A folder of an object store.

    Attributes:
        scheme: which kind of store.
        host: bucket, `container@account...`, name node or web host; empty: the default one.
        path: below it, without slashes at its ends.
        options: `storage_options` of fsspec's file system, such as `endpoint_url`; never shown.
    """

    scheme: Scheme
    host: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return self._with(self.scheme.name)

    def __fspath__(self) -> str:
        return str(self)

    def __truediv__(self, name: str) -> Address:
        return replace(self, path=f"{self.path}/{name}" if self.path else name)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> Address:
        """The folder that holds it."""
        return replace(self, path=self.path.rpartition("/")[0])

    @property
    def fsspec(self) -> str:
        """The address as fsspec writes it."""
        return self._with(self.scheme.protocol)

    @property
    def hadoop(self) -> str:
        """The address as Spark and Hadoop write it.

        Raises:
            InvalidParameter: they have no such file system.
        """
        if self.scheme.hadoop is None:
            raise InvalidParameter(f"{self}: Spark reads no {self.scheme.name}://; copy it first")
        return self._with(self.scheme.hadoop)

    def _with(self, scheme: str) -> str:
        return f"{scheme}://{self.host}/{self.path}" if self.path else f"{scheme}://{self.host}"


def address(location: Location, **options: Any) -> Address:
    """The address of a store, with settings of its own.

    Args:
        location: such as `s3://bucket/idx`.
        options: `storage_options` of fsspec's file system, such as `endpoint_url`, `key`, `secret`
            or `anon`; the others come from fsspec's configuration and the environment.

    Raises:
        InvalidParameter: a local path, or no store that is known.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Path):
        raise InvalidParameter(f"{os.fspath(location)}: a local path, wanted such as s3://bucket/x")
    return replace(parsed, options={**parsed.options, **options})


def parse_location(location: Location) -> Path | Address:
    """A local path, or the address of a store.

    `file:///x` is the path `/x`, `dbfs:/Volumes/x` the path `/Volumes/x`.

    Raises:
        InvalidParameter: a scheme that is not known, or an address that lacks its bucket.

    Examples:
        >>> parse_location("file:///data/idx")
        PosixPath('/data/idx')
        >>> address = parse_location("s3a://bucket/idx")
        >>> str(address), address.hadoop
        ('s3://bucket/idx', 's3a://bucket/idx')
    """
    if isinstance(location, Address):
        return location
    text = os.fspath(location)
    match = _SCHEME.match(text)
    if match is None:
        return Path(location)
    name, rest = match[1].lower(), text[match.end() :]
    if name == "file":
        return _file(text, rest)
    if name == "dbfs":
        return _volume(text, rest)
    if name not in _BY_NAME:
        raise InvalidParameter(
            f"{text}: {match[1]}:// is not supported; wanted a local path, file:///folder, or one "
            f"of {', '.join(f'{scheme.name}://' for scheme in SCHEMES if scheme.name != 'memory')}"
        )
    return _remote(text, _BY_NAME[name], rest)


def local_folder(location: Location) -> Path:
    """The folder of an index, written as `file:///folder`, `dbfs:/Volumes/...` or as a path.

    Raises:
        InvalidParameter: it lies on a store, such as `s3://`, has a scheme that is not known, or
            names another host.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Path):
        return parsed
    raise InvalidParameter(
        f"{os.fspath(location)}: this takes a local or mounted folder, {parsed.scheme.name}:// is "
        f"not supported here; `graphagg pull {parsed} FOLDER` brings an index, `graphagg push "
        f"FOLDER {parsed}` takes it back"
    )


def spark_path(location: Location) -> str:
    """A location as Spark reads it: Hadoop's address of a store, a local path as it is.

    A location written as `file:///x` stays so: a bare path is on Spark's default file system.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Address):
        return parsed.hadoop
    said_local = os.fspath(location).lower().startswith("file:")
    return parsed.as_uri() if said_local else str(parsed)


def hadoop_settings(folder: Address) -> dict[str, str]:
    """The `fs.*` settings that let Hadoop reach what the options of fsspec reach.

    Credentials that neither the options nor fsspec's configuration hold are found by each side for
    itself: in the environment, the files of the store's own tools, or the machine's role.
    """
    try:
        from fsspec.config import conf
    except ImportError:  # Spark reads by itself
        conf = {}
    options = {**conf.get(folder.scheme.protocol, {}), **folder.options}
    if folder.scheme.name == "s3":
        return _s3a(options)
    if folder.scheme.name in ("abfs", "abfss"):
        account = options.get("account_name") or folder.host.partition("@")[2].partition(".")[0]
        host = f"{account}.dfs.core.windows.net"
        key = options.get("account_key")
        return {} if key is None else {f"fs.azure.account.key.{host}": str(key)}
    if folder.scheme.name == "gs" and str(options.get("token", "")).endswith(".json"):
        return {
            "fs.gs.auth.type": "SERVICE_ACCOUNT_JSON_KEYFILE",
            "fs.gs.auth.service.account.json.keyfile": str(options["token"]),
        }
    return {}


def _s3a(options: Mapping[str, Any]) -> dict[str, str]:
    client = options.get("client_kwargs") or {}
    environment = os.environ
    endpoint = (
        options.get("endpoint_url")
        or client.get("endpoint_url")
        or environment.get("AWS_ENDPOINT_URL_S3")
        or environment.get("AWS_ENDPOINT_URL")
    )
    region = (
        client.get("region_name")
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
    )
    values = {
        "fs.s3a.endpoint": endpoint,
        "fs.s3a.endpoint.region": region,
        "fs.s3a.access.key": options.get("key"),
        "fs.s3a.secret.key": options.get("secret"),
        "fs.s3a.session.token": options.get("token"),
    }
    settings = {name: str(value) for name, value in values.items() if value}
    if endpoint:  # of a host without a name for every bucket
        settings["fs.s3a.path.style.access"] = "true"
        settings["fs.s3a.connection.ssl.enabled"] = str(endpoint.startswith("https")).lower()
    if options.get("anon"):
        settings["fs.s3a.aws.credentials.provider"] = (
            "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"
        )
    return settings


def _file(text: str, path: str) -> Path:
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise InvalidParameter(
                f"{text}: names the host {host!r}; a folder of this machine is written with three "
                f"slashes, as file:///{host}/{rest}"
            )
        path = slash + rest
    return Path(unquote(path))


def _volume(text: str, path: str) -> Path:
    path = "/" + path.lstrip("/")
    if not path.startswith(_VOLUMES):
        raise InvalidParameter(
            f"{text}: of dbfs:// only dbfs:/Volumes/... is supported, which is mounted as "
            "/Volumes/...; put the index into a volume"
        )
    return Path(path)


def _remote(text: str, scheme: Scheme, rest: str) -> Address:
    if rest.startswith("///"):  # hdfs:///x: the default name node
        rest = rest[2:]
        host = ""
    elif not rest.startswith("//") and not scheme.of_host:
        raise InvalidParameter(
            f"{text}: one slash leaves open which host is meant; wanted {scheme.name}://HOST/path, "
            f"or {scheme.name}:///path for the default one"
        )
    else:
        host, _, rest = rest.lstrip("/").partition("/")
    names = [name for name in rest.split("/") if name not in ("", ".")]
    if ".." in names:
        raise InvalidParameter(f"{text}: has '..' in it; write the address without")
    if scheme.of_host and not host:
        raise InvalidParameter(
            f"{text}: names no bucket or host; wanted such as {scheme.name}://bucket/idx"
        )
    if scheme.protocol.startswith("http") and any(mark in rest for mark in "?#"):
        raise InvalidParameter(f"{text}: holds a query; wanted the address of a folder")
    if scheme.name == "memory" and host:
        names, host = [host, *names], ""
    return Address(scheme, host, "/".join(names))
