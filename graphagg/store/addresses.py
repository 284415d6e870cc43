"""Addresses of object stores: one table of schemes, for Python and for Hadoop (Spark).

`str(address)` is how Python's side writes an address and `Address.hadoop` how Spark's does:
`s3://b/x`, `s3a://b/x` and `s3n://b/x` are one place.
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


_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(//|:)")


@dataclass(frozen=True)
class Scheme:
    """A kind of store.

    `hadoop` is Hadoop's name for it (None: Spark cannot read it), `module` the library of its
    client, which `extra` of graphagg installs. `of_host`: a bucket, container or host is required.
    """

    name: str
    hadoop: str | None
    module: str
    extra: str
    aliases: tuple[str, ...] = ()
    can_write: bool = True
    of_host: bool = True

    @property
    def has_tags(self) -> bool:
        """Whether objects have entity tags, which conditional puts compare."""
        return self.module == "obstore"


SCHEMES = (
    Scheme("s3", "s3a", "obstore", "stores", ("s3a", "s3n")),
    Scheme("gs", "gs", "obstore", "stores", ("gcs",)),
    Scheme("abfs", "abfs", "obstore", "stores"),
    Scheme("abfss", "abfss", "obstore", "stores"),
    Scheme("https", None, "obstore", "stores", can_write=False),
    Scheme("http", None, "obstore", "stores", can_write=False),
    Scheme("hf", None, "huggingface_hub", "hf", can_write=False),
    Scheme("memory", None, "obstore", "stores", of_host=False),
)
"""All stores. `file://` is a local path; `memory://` is for tests."""
_BY_NAME = {name: scheme for scheme in SCHEMES for name in (scheme.name, *scheme.aliases)}


@dataclass(frozen=True)
class Address(os.PathLike[str]):
    """A folder of an object store.

    Attributes:
        scheme: which kind of store.
        host: bucket, `container@account...`, name node or web host; empty: the default one.
        path: below it, without slashes at its ends.
        options: of obstore's store, such as `endpoint`, or of fsspec's file system; never shown.
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
        """The parent folder."""
        return replace(self, path=self.path.rpartition("/")[0])

    @property
    def hadoop(self) -> str:
        """The address as Spark and Hadoop write it; `InvalidParameter` if Hadoop cannot read it."""
        if self.scheme.hadoop is None:
            raise InvalidParameter(
                f"{self}: Spark cannot read {self.scheme.name}://; copy it first"
            )
        return self._with(self.scheme.hadoop)

    def _with(self, scheme: str) -> str:
        return f"{scheme}://{self.host}/{self.path}" if self.path else f"{scheme}://{self.host}"


def address(location: Location, **options: Any) -> Address:
    """The address of a store with its options; `InvalidParameter` for a local path.

    Args:
        location: such as `s3://bucket/idx`.
        options: of obstore's store, such as `endpoint`, `access_key_id`, `secret_access_key` and
            `region` of S3; for the hub those of its file system. Others come from the environment,
            such as AWS_ENDPOINT_URL.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Path):
        raise InvalidParameter(f"{os.fspath(location)}: expected an address such as s3://bucket/x")
    return replace(parsed, options={**parsed.options, **options})


def parse_location(location: Location) -> Path | Address:
    """A local path, or the address of a store; `file:///x` is a path.

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
    if name not in _BY_NAME:
        raise InvalidParameter(
            f"{text}: {match[1]}:// is not supported; expected a local path, file:///folder, or "
            f"one of {', '.join(f'{each.name}://' for each in SCHEMES if each.name != 'memory')}"
        )
    return _remote(text, _BY_NAME[name], rest)


def is_scheme(name: str) -> bool:
    """Whether addresses of stores begin with this name."""
    return name in _BY_NAME


def is_address(source: Location) -> bool:
    """Whether a source of passages is an address rather than a local path.

    Examples:
        >>> is_address("s3://bucket/docs"), is_address("zip::docs.zip"), is_address("c:/docs")
        (True, True, False)
    """
    return isinstance(source, Address) or _SOURCE.match(os.fspath(source)) is not None


def local_folder(location: Location) -> Path:
    """The local path of a location; `InvalidParameter` for an address of a store."""
    parsed = parse_location(location)
    if isinstance(parsed, Path):
        return parsed
    raise InvalidParameter(
        f"{os.fspath(location)}: this takes a local or mounted folder, {parsed.scheme.name}:// is "
        f"not supported here; `graphagg pull {parsed} FOLDER` downloads an index, `graphagg "
        f"push FOLDER {parsed}` uploads it"
    )


def spark_path(location: Location) -> str:
    """A location as Spark reads it.

    `file:///x` stays: a bare path is on Spark's default file system, which may be a cluster's.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Address):
        return parsed.hadoop
    is_uri = os.fspath(location).lower().startswith("file:")
    return parsed.as_uri() if is_uri else str(parsed)


def hadoop_settings(folder: Address) -> dict[str, str]:
    """The `fs.*` settings of Hadoop that match the options of an address.

    Credentials outside the options are found by each side in the environment, the store's own
    files, or the machine's role.
    """
    options = folder.options
    if folder.scheme.name == "s3":
        return _s3a(options)
    if folder.scheme.name in ("abfs", "abfss"):
        host, key = folder.host.rpartition("@")[2], options.get("account_key")
        return {} if key is None else {f"fs.azure.account.key.{host}": str(key)}
    if folder.scheme.name == "gs" and "service_account" in options:
        return {
            "fs.gs.auth.type": "SERVICE_ACCOUNT_JSON_KEYFILE",
            "fs.gs.auth.service.account.json.keyfile": str(options["service_account"]),
        }
    return {}


def _s3a(options: Mapping[str, Any]) -> dict[str, str]:
    def first(option: str, *variables: str) -> Any:
        return options.get(option) or next(filter(None, map(os.environ.get, variables)), None)

    endpoint = first("endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    values = {
        "fs.s3a.endpoint": endpoint,
        "fs.s3a.endpoint.region": first("region", "AWS_REGION", "AWS_DEFAULT_REGION"),
        "fs.s3a.access.key": options.get("access_key_id"),
        "fs.s3a.secret.key": options.get("secret_access_key"),
        "fs.s3a.session.token": options.get("session_token"),
    }
    settings = {name: str(value) for name, value in values.items() if value}
    if endpoint:  # such servers have one host name for all buckets
        settings["fs.s3a.path.style.access"] = "true"
        settings["fs.s3a.connection.ssl.enabled"] = str(endpoint.startswith("https")).lower()
    if options.get("skip_signature"):
        settings["fs.s3a.aws.credentials.provider"] = (
            "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"
        )
    return settings


def _file(text: str, path: str) -> Path:
    path = path.removeprefix("//").removeprefix("localhost")
    if not path.startswith("/"):
        raise InvalidParameter(
            f"{text}: names the host {path.partition('/')[0]!r}; a folder of this machine is "
            f"written with three slashes, as file:///{path}"
        )
    return Path(unquote(path))


def _remote(text: str, scheme: Scheme, rest: str) -> Address:
    # A `Path` has made one slash of two; with three there is no host.
    host, _, rest = rest.removeprefix("/").removeprefix("/").partition("/")
    names = [name for name in rest.split("/") if name not in ("", ".")]
    if ".." in names:
        raise InvalidParameter(f"{text}: contains '..'; write the address without it")
    if scheme.of_host and not host:
        raise InvalidParameter(
            f"{text}: has no bucket or host; expected {scheme.name}://bucket/idx"
        )
    if scheme.name.startswith("http") and any(mark in rest for mark in "?#"):
        raise InvalidParameter(f"{text}: contains a query string; expected the address of a folder")
    if scheme.name == "memory" and host:
        names, host = [host, *names], ""
    return Address(scheme, host, "/".join(names))
