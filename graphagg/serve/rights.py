"""The rights of a request: its role, and the filter of the passages that it may see.

`CURRENT` holds the rights of the request that a task works on. `Passages.visible` applies the
filter; other indices and files are refused to a request with a filter.

A file of tokens is TOML with one table per token. It contains hashes only, so reading it grants no
access.

    [[token]]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    role = "read"                   # or "write"
    filter = {tenant = "acme"}      # optional, for readers: the passages that they may see
    groups = ["sales"]              # optional: those whose key `readers` has one of these, or "*"
    groups_header = "x-groups"      # in place of groups: a proxy's token, whose header names them

A file that is a single line without a table is itself a token, with the role write.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from graphagg.errors import Forbidden, InvalidToken
from graphagg.serve.reload import stamp_of

Role = Literal["read", "write"]
_SHORTEST_TOKEN = 16
_SHA256 = re.compile("[0-9a-f]{64}")
_log = logging.getLogger("graphagg.serve")


@dataclass(frozen=True)
class Identity:
    """The rights of a request.

    Attributes:
        role: `write` may also change collections.
        filter: the passages that it may see; None: all.
        groups_header: the header of a request that names the groups of its reader, by commas.
    """

    role: Role = "write"
    filter: Mapping[str, Any] | None = field(default=None, hash=False)
    groups_header: str | None = None

    def seen_by(self, groups: Iterable[str]) -> Identity:
        """Restrict these rights to the passages that readers of some groups may see."""
        names = sorted({name.strip() for name in groups} - {"", EVERYONE})
        readers = {READERS: {"in": [EVERYONE, *names]}}
        both = readers if self.filter is None else {"and": [self.filter, readers]}
        return Identity(self.role, both)


READERS, EVERYONE = "readers", "*"
"""The key of the groups that may see a passage, and the group of all readers."""
ANYONE = Identity()
NOBODY = Identity("read", {"not": {"and": []}})
"""A request without a token, on an open path: it sees no passage."""
CURRENT: ContextVar[Identity] = ContextVar("identity", default=ANYONE)
"""The identity of the request that a task works on."""


def check_unfiltered(what: str) -> None:
    """Raise `Forbidden` if the request may see some passages only."""
    if CURRENT.get().filter is not None:
        raise Forbidden(f"{what}: this token sees some passages only; use one without a filter")


def check_writer() -> None:
    """Raise `Forbidden` if the request may only read."""
    if CURRENT.get().role != "write":
        raise Forbidden("this token is read-only; use one with the role write")


def digest_of(token: str) -> str:
    """The hash of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenFile:
    """The tokens of a file. A changed file is read again; a broken one admits nobody.

    Raises:
        InvalidToken: the file cannot be read, or holds no usable token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = stamp_of(path)
        self._identities = read_tokens(path)

    def identity_of(self, digest: str) -> Identity | None:
        """The present rights of the token with this hash; None: no rights."""
        stamp = stamp_of(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._identities = read_tokens(self._path)
            except InvalidToken as error:
                self._identities = {}
                _log.error("no token is admitted: %s", error)
        return self._identities.get(digest)


def read_tokens(path: Path) -> dict[str, Identity]:
    """Read a file of tokens; return the rights by the hash of each token.

    Raises:
        InvalidToken: the file cannot be read, or holds no usable token.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidToken(
            f"{path}: cannot be read ({getattr(error, 'strerror', 'not text')}); wanted a file "
            "that holds a token"
        ) from None
    if "[[token]]" not in text:
        return {digest_of(_plain_token(path, text)): ANYONE}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidToken(f"{path}: not readable TOML ({error}); correct it") from None
    if document.keys() != {"token"}:
        raise InvalidToken(f"{path}: keys {sorted(document)}, wanted tables [[token]] alone")
    return dict(_identity(path, table) for table in document["token"])


def _plain_token(path: Path, token: str) -> str:
    sound = token.isascii() and token.isprintable() and " " not in token
    if len(token) < _SHORTEST_TOKEN or not sound:
        raise InvalidToken(
            f"{path}: {len(token)} characters, wanted at least {_SHORTEST_TOKEN}, printable ASCII "
            "and no blanks; for instance: openssl rand -hex 32"
        )
    return token


def _identity(path: Path, table: Mapping[str, Any]) -> tuple[str, Identity]:
    unknown = table.keys() - {"sha256", "role", "filter", "groups", "groups_header"}
    digest, role, filter = table.get("sha256"), table.get("role"), table.get("filter")
    if unknown:
        raise InvalidToken(
            f"{path}: unknown {sorted(unknown)}, wanted sha256, role, filter, "
            "groups and groups_header"
        )
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise InvalidToken(f'{path}: sha256 is no hash; make one: printf %s "$TOKEN" | sha256sum')
    if role not in ("read", "write"):
        raise InvalidToken(f"{path}: role is {role!r}, wanted read or write")
    if filter is not None:
        if not isinstance(filter, dict) or not filter:
            raise InvalidToken(
                f'{path}: filter is no table, wanted one such as {{tenant = "acme"}}'
            )
        try:
            json.dumps(filter)
        except TypeError:
            raise InvalidToken(f"{path}: a date in a filter; write it in quotes") from None
    groups, header = table.get("groups"), table.get("groups_header")
    if role == "write" and (filter, groups, header) != (None, None, None):
        raise InvalidToken(f"{path}: a token that writes has no filter or groups; make two tokens")
    return digest, _of_groups(path, Identity(role, filter, header), groups)


def _of_groups(path: Path, identity: Identity, groups: Any) -> Identity:
    """The rights of a token with a list of groups, or with the header that names them."""
    header = identity.groups_header
    if header is not None and (not isinstance(header, str) or not header or groups is not None):
        raise InvalidToken(f"{path}: groups_header is the name of a header, in place of groups")
    if groups is None:
        return identity
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise InvalidToken(f'{path}: groups is {groups!r}, wanted a list such as ["sales"]')
    return identity.seen_by(groups)
