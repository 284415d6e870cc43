"""The pointer of an index on a store: the one object whose change publishes a version.

S3 replaces `manifest.json` by a conditional put (If-Match, If-None-Match). Elsewhere pointers are
numbered: a publisher creates the number after the one that it began from, and the store lets one
alone create it (HDFS by a rename that refuses a taken name). Neither asks a clock.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from graphagg.errors import ArtifactBusy, NotAnArtifact, NotWritable
from graphagg.store.manifest import MANIFEST_NAME
from graphagg.store.remote.failures import is_precondition
from graphagg.store.remote.files import Store
from graphagg.store.remote.published import Published, read_published

Token = str | int | None
"""Which pointer was read; None: there was none."""

NUMBERED = "manifests"
_NUMBER = re.compile(rf"{NUMBERED}/([0-9]{{12}})\.json")
_KEPT = 2  # the current pointer, and the one that a reader may just have listed
_PROBED: set[tuple[str, str]] = set()


class Pointer:
    """The pointer of an index, here of a store that is only read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> tuple[bytes | None, Token]:
        """Read its content, and a token of it; None twice where nothing is published."""
        try:
            content = self._store.read(MANIFEST_NAME)
        except FileNotFoundError:
            return None, None
        return content, hashlib.sha256(content).hexdigest()

    def swap(self, content: bytes, before: Token) -> None:
        """Replace the pointer, if it is still the one that was read.

        Raises:
            ArtifactBusy: it is another one; nothing has changed.
        """
        self._store.write(MANIFEST_NAME, content)  # says that the store is only read


def pointer_of(store: Store) -> Pointer:
    """Choose the kind of pointer that a store can keep."""
    scheme = store.address.scheme
    if scheme.protocol == "s3":
        return _Conditional(store)
    return _Numbered(store) if scheme.can_write else Pointer(store)


def current(store: Store) -> tuple[Published, Token]:
    """Read the current version of an index.

    Raises:
        NotAnArtifact, UnsupportedFormat, CorruptArtifact: as `read_manifest`.
    """
    published, token = current_or_none(store)
    if published is None:
        store.check_bucket()
        raise NotAnArtifact(
            f"{store.address}: holds no index; check the address (`graphagg ls "
            f"{store.address.parent}` lists those beside it), or push one there"
        )
    return published, token


def current_or_none(store: Store) -> tuple[Published | None, Token]:
    """Read the current version of an index; None twice where nothing is published."""
    content, token = pointer_of(store).read()
    if content is None:
        return None, None
    return read_published(content, f"{store.address}/{MANIFEST_NAME}"), token


class _Conditional(Pointer):
    """S3: the entity tag of `manifest.json`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._bucket, self._key, _ = store.fs.split_path(store.path(MANIFEST_NAME))

    def read(self) -> tuple[bytes | None, Token]:
        from fsspec.asyn import sync

        fs = self._store.fs

        async def request() -> tuple[bytes, str]:
            answer = await fs._call_s3("get_object", Bucket=self._bucket, Key=self._key)
            async with answer["Body"] as body:
                return await body.read(), answer["ETag"]

        try:
            return self._store.call(lambda: sync(fs.loop, request))  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None, None

    def swap(self, content: bytes, before: Token) -> None:
        self._probe()
        condition = {"IfNoneMatch": "*"} if before is None else {"IfMatch": str(before)}
        try:
            if self._put(self._key, content, condition):
                return
        except Exception:
            if self.read()[0] == content:  # it was put, and the answer was lost
                return
            raise
        if self.read()[0] != content:
            raise _busy(self._store)

    def _put(self, key: str, content: bytes, condition: dict[str, Any]) -> bool:
        """Put under a condition; returns whether it held."""

        def request() -> bool:
            try:
                self._store.fs.call_s3(
                    "put_object", Bucket=self._bucket, Key=key, Body=content, **condition
                )
            except Exception as error:
                if is_precondition(error):
                    return False
                raise
            return True

        try:
            return self._store.call(request)
        except FileNotFoundError:  # of If-Match, where the object is gone
            self._store.check_bucket()
            return False

    def _probe(self) -> None:
        """Check, once per process, that the server refuses puts that the conditions forbid."""
        server = (str(self._store.fs.client_kwargs.get("endpoint_url")), self._bucket)
        if server in _PROBED:
            return
        name = f".probe-{secrets.token_hex(8)}"
        _, key, _ = self._store.fs.split_path(self._store.path(name))
        self._put(key, b"1", {})
        try:
            kept = not self._put(key, b"2", {"IfNoneMatch": "*"}) and not self._put(
                key, b"3", {"IfMatch": '"00000000000000000000000000000000"'}
            )
        finally:
            self._store.remove([name])
        if not kept:
            raise NotWritable(
                f"{self._store.address}: this server puts an object against If-None-Match or "
                "If-Match, so that two publishers would both win; use a server that keeps these "
                "conditions"
            )
        _PROBED.add(server)


class _Numbered(Pointer):
    """Elsewhere: the last number counts."""

    def read(self) -> tuple[bytes | None, Token]:
        while True:
            versions = self._numbers()
            name = _name(versions[-1]) if versions else MANIFEST_NAME  # a folder that was copied
            try:
                return self._store.read(name), versions[-1] if versions else 0
            except FileNotFoundError:
                if not versions:
                    return None, None  # else one that was removed since it was listed

    def swap(self, content: bytes, before: Token) -> None:
        next_version = int(before or 0) + 1
        if not self._store.create(_name(next_version), content):
            raise _busy(self._store)
        versions = self._numbers()
        if versions and versions[-1] > next_version:  # the number had been used, and removed again
            raise _busy(self._store)
        self._store.remove(map(_name, versions[:-_KEPT]))

    def _numbers(self) -> list[int]:
        matches = (_NUMBER.fullmatch(name) for name in self._store.listed(NUMBERED))
        return sorted(int(match[1]) for match in matches if match)


def _name(n: int) -> str:
    return f"{NUMBERED}/{n:012d}.json"


def _busy(store: Store) -> ArtifactBusy:
    return ArtifactBusy(
        f"{store.address}: another publisher was first, and its version stands. Look at it, and "
        "run it again to publish over it"
    )
