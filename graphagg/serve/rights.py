"""The rights of a request: its role, and the filter of the passages that it may see.

`CURRENT` holds the rights of the request that the current task handles. `Passages.visible` applies
the filter; a request with a filter may not use other indices or files.

A token file is TOML with one table per token. It contains only hashes, so reading it grants no
access.

    [[token]]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    role = "read"                   # or "write"
    filter = {tenant = "acme"}      # optional, for readers: the passages that they may see
    groups = ["sales"]              # optional: passages whose `readers` has one of these, or "*"
    groups_header = "x-groups"      # instead of groups: the header in which a proxy sends them

A file without such a table is a single line: a plain token with the role write.
"""

from __future__ import annotations

import hashlib
import logging
import tomllib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from graphagg.errors import Forbidden, InvalidToken
from graphagg.serve.reload import stamp_of

Role = Literal["read", "write"]
_SHORTEST_TOKEN = 16
_log = logging.getLogger("graphagg.serve")


@dataclass(frozen=True)
class Identity:
    """The rights of a request.

    Attributes:
        role: `write` may also change collections.
        filter: the passages that it may see; None: all.
        groups_header: the request header that lists the reader's groups, separated by commas.
    """

    role: Role = "write"
    filter: Mapping[str, Any] | None = field(default=None, hash=False)
    groups_header: str | None = None

    def seen_by(self, groups: Iterable[str]) -> Identity:
        """Return these rights restricted to passages that members of some groups may see."""
        names = sorted({name.strip() for name in groups} - {"", EVERYONE})
        readers = {READERS: {"in": [EVERYONE, *names]}}
        both = readers if self.filter is None else {"and": [self.filter, readers]}
        return Identity(self.role, both)


READERS, EVERYONE = "readers", "*"
"""The metadata key of the groups that may see a passage, and the group of all readers."""
ANYONE = Identity()
NOBODY = Identity("read", {"not": {"and": []}})
"""The identity of a request without a token on an open path: it sees no passages."""
CURRENT: ContextVar[Identity] = ContextVar("identity", default=ANYONE)
"""The identity of the request that the current task handles."""


def check_unfiltered(what: str) -> None:
    """Raise `Forbidden` if the request may see only some passages."""
    if CURRENT.get().filter is not None:
        raise Forbidden(f"{what}: this token sees only some passages; use one without a filter")


def check_writer() -> None:
    """Raise `Forbidden` if the request may only read."""
    if CURRENT.get().role != "write":
        raise Forbidden("this token is read-only; use one with the role write")


def digest_of(token: str) -> str:
    """Return the SHA-256 hash of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenFile:
    """The tokens in a file. A changed file is read again; if it is invalid, no token is accepted.

    Raises:
        InvalidToken: the file cannot be read, or has no valid token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = stamp_of(path)
        self._identities = read_tokens(path)

    def identity_of(self, digest: str) -> Identity | None:
        """Return the current rights of the token with this hash; None for an unknown token."""
        stamp = stamp_of(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._identities = read_tokens(self._path)
            except InvalidToken as error:
                self._identities = {}
                _log.error("no token is accepted: %s", error)
        return self._identities.get(digest)


def read_tokens(path: Path) -> dict[str, Identity]:
    """Read a token file; return the rights of each token by its hash.

    Raises:
        InvalidToken: the file cannot be read, or has no valid token.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidToken(
            f"{path}: cannot be read ({getattr(error, 'strerror', 'not text')}); expected a file "
            "that contains a token"
        ) from None
    if "[[token]]" not in text:
        return {digest_of(_plain_token(path, text)): ANYONE}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidToken(f"{path}: not readable TOML ({error}); correct it") from None
    try:
        return {each.sha256: each.identity() for each in _TokenTable.model_validate(document).token}
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InvalidToken(f"{path}: {'; '.join(faults)}; correct it") from None


class _Token(BaseModel):
    """One table of a token file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    role: Role
    filter: Annotated[dict[str, JsonValue], Field(min_length=1)] | None = None
    groups: list[str] | None = None
    groups_header: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        limits = self.filter, self.groups, self.groups_header
        if self.role == "write" and limits != (None, None, None):
            raise ValueError("role write allows no filter or groups; use two tokens")
        if None not in (self.groups, self.groups_header):
            raise ValueError("groups_header replaces groups; give only one")
        return self

    def identity(self) -> Identity:
        """Return the rights of the token."""
        identity = Identity(self.role, self.filter, self.groups_header)
        return identity if self.groups is None else identity.seen_by(self.groups)


class _TokenTable(BaseModel):
    """The content of a token file."""

    model_config = ConfigDict(extra="forbid")

    token: list[_Token]


def _plain_token(path: Path, token: str) -> str:
    sound = token.isascii() and token.isprintable() and " " not in token
    if len(token) < _SHORTEST_TOKEN or not sound:
        raise InvalidToken(
            f"{path}: {len(token)} characters, expected at least {_SHORTEST_TOKEN}, printable "
            "ASCII without spaces; create one with: openssl rand -hex 32"
        )
    return token
