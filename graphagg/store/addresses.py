"""Addresses of object stores: one table of schemes, for Python and for Hadoop (Spark).

`str(address)` is the address for Python's libraries, `Address.hadoop` the address for Spark:
`s3://b/x`, `s3a://b/x` and `s3n://b/x` are the same place.
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
"""A local path, or the address of a store (a string or an `Address`)."""

# At least two characters, since `c:/` is a drive. A `Path` turns `s3://` into `s3:/`.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?=/)")


_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(//|:)")


@dataclass(frozen=True)
class Scheme:
    """A kind of store.

    `hadoop` is Hadoop's name of the scheme (None: Spark cannot read it), `module` the library that
    reads it, installed by graphagg's `extra`. `of_host`: a bucket, container or host is required.
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
"""All supported schemes. `file://` is a local path; `memory://` is for tests."""
_BY_NAME = {name: scheme for scheme in SCHEMES for name in (scheme.name, *scheme.aliases)}


@dataclass(frozen=True)
class Address(os.PathLike[str]):
    """A folder of an object store.

    Attributes:
        scheme: kind of store.
        host: bucket, `container@account...`, name node or web host; empty: the default.
        path: path below the host, without slashes at its ends.
        options: options for obstore, e.g. `endpoint`, or for fsspec's file system; never printed.
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
        """The address for Spark and Hadoop; `InvalidParameter` if Hadoop cannot read the scheme."""
        if self.scheme.hadoop is None:
            raise InvalidParameter(
                f"{self}: Spark cannot read {self.scheme.name}://; copy it first"
            )
        return self._with(self.scheme.hadoop)

    def _with(self, scheme: str) -> str:
        return f"{scheme}://{self.host}/{self.path}" if self.path else f"{scheme}://{self.host}"


def address(location: Location, **options: Any) -> Address:
    """Return the address of a store with options; `InvalidParameter` for a local path.

    Args:
        location: an address, such as `s3://bucket/idx`.
        options: options of obstore's store, for S3 such as `endpoint`, `access_key_id`,
            `secret_access_key` and `region`; for the Hugging Face hub, options of its file system.
            Other values come from environment variables, such as AWS_ENDPOINT_URL.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Path):
        raise InvalidParameter(f"{os.fspath(location)}: expected an address such as s3://bucket/x")
    return replace(parsed, options={**parsed.options, **options})


def parse_location(location: Location) -> Path | Address:
    """Parse a local path or the address of a store; `file:///x` is a local path.

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
    """Whether this is the scheme of a supported store, such as `s3`."""
    return name in _BY_NAME


def is_address(source: Location) -> bool:
    """Whether a source of passages is an address rather than a local path.

    Examples:
        >>> is_address("s3://bucket/docs"), is_address("zip::docs.zip"), is_address("c:/docs")
        (True, True, False)
    """
    return isinstance(source, Address) or _SOURCE.match(os.fspath(source)) is not None


def local_folder(location: Location) -> Path:
    """Return the local path of a location; `InvalidParameter` for an address of a store."""
    parsed = parse_location(location)
    if isinstance(parsed, Path):
        return parsed
    raise InvalidParameter(
        f"{os.fspath(location)}: expected a local or mounted folder, {parsed.scheme.name}:// is "
        f"not supported here; `graphagg pull {parsed} FOLDER` downloads an index, `graphagg "
        f"push FOLDER {parsed}` uploads it"
    )


def spark_path(location: Location) -> str:
    """Return a location in the form that Spark reads.

    `file:///x` is not changed: Spark looks for a bare path on its default file system.
    """
    parsed = parse_location(location)
    if isinstance(parsed, Address):
        return parsed.hadoop
    is_uri = os.fspath(location).lower().startswith("file:")
    return parsed.as_uri() if is_uri else str(parsed)


def hadoop_settings(folder: Address) -> dict[str, str]:
    """Return the `fs.*` settings of Hadoop that match the options of an address.

    Python and Spark each find other credentials in environment variables, the store's configuration
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
    if endpoint:  # such servers use one host name for all buckets
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
            f"{text}: names the host {path.partition('/')[0]!r}; a folder on this machine "
            f"has three slashes: write file:///{path}"
        )
    return Path(unquote(path))


def _remote(text: str, scheme: Scheme, rest: str) -> Address:
    # A `Path` turns two slashes into one; after three slashes there is no host.
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
