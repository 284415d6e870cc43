"""Access policy (token, host name, origin) and the security headers of every response.

Starlette's `TrustedHostMiddleware` cannot let probes pass, cuts IPv6 names at their first colon and
answers in plain text, so the host is checked here. Its `CORSMiddleware` handles allowed origins.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.errors import InsecureBinding, InvalidParameter
from graphagg.serve.http.failures import refusal
from graphagg.serve.rights import ANYONE, CURRENT, NOBODY, Identity, TokenFile, digest_of

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_PROBES = ("/healthz", "/readyz")
"""Probes connect by address, so they may send any host name."""
_OPEN_PATHS = ("/", "/docs", *_PROBES)
"""Paths that need no token, like the files of the page: they expose nothing of the indices."""
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*))(?::[0-9]*)?")
_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_RESERVED_ROOTS = ("v1", "retrieval", "static", "healthz", "readyz", "metrics", "openapi.json")

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Return whether a server bound to this host can be reached only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The access policy of a service.

    Attributes:
        host: the address to bind; a token is required unless it is a loopback address.
        token: a token with write access that requests must send.
        origins: other sites whose pages may send requests, such as `https://app.example.org`.
        hosts: further names of the service, such as `rag.example.org` or `*.example.org`.
        root_path: the path under which a proxy serves the service, such as `/rag`; "": none.
        proxies: addresses and networks of proxies whose `X-Forwarded-*` headers are trusted.
        tokens: the tokens of a file, with their rights.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    root_path: str = ""
    proxies: tuple[str, ...] = ()
    tokens: TokenFile | None = None

    def __post_init__(self) -> None:
        if not self.is_guarded and not is_loopback(self.host):
            raise InsecureBinding(
                f"host is {self.host!r}, which other machines can reach, and there is no token; "
                "give `tokens`, or bind 127.0.0.1"
            )
        for origin in self.origins:
            url = urlsplit(origin)
            plain = f"{url.scheme}://{url.netloc}" == origin and bool(url.hostname)
            _check(
                url.scheme in ("http", "https") and plain,
                f"origin is {origin!r}, expected scheme and host, such as https://example.org",
            )
        for name in self.hosts:
            _check(
                _HOST.fullmatch(name),
                f"allowed host is {name!r}, expected a name without scheme and port, such as "
                "rag.example.org, or *.example.org",
            )
        root = self.root_path
        _check(
            not root or (_ROOT.fullmatch(root) and root.split("/")[1] not in _RESERVED_ROOTS),
            f"root path is {root!r}, expected a path such as /rag, with a leading and no "
            f"trailing slash, and none of the reserved paths ({', '.join(_RESERVED_ROOTS)})",
        )
        for address in self.proxies:
            try:
                ipaddress.ip_network(address)
            except ValueError as error:
                raise InvalidParameter(
                    f"proxy is {address!r} ({error}), expected an address or a network, such as "
                    "127.0.0.1 or 10.0.0.0/8"
                ) from None

    def knows_host(self, host: str) -> bool:
        """Return whether a request may use this host name.

        On loopback, only local and allowed names are accepted: a page whose own name points to
        127.0.0.1 (DNS rebinding) is refused. Otherwise a token keeps such pages out, and any name
        is accepted unless `hosts` lists some.
        """
        if not is_loopback(self.host) and not self.hosts:
            return True
        name = _name_of(host)
        return name in (*_LOCAL_NAMES, self.host) or any(
            name.endswith(each[1:]) if each.startswith("*.") else name == each
            for each in map(str.lower, self.hosts)
        )

    @property
    def is_guarded(self) -> bool:
        """Whether requests must carry a token."""
        return self.token is not None or self.tokens is not None

    def identity_of(self, headers: Headers) -> Identity | None:
        """Return the rights of a request with these headers, or None if it has none.

        Hashes are compared, so timing reveals nothing about a token.
        """
        if not self.is_guarded:
            return ANYONE
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = digest_of(token.strip(" "))
        if self.token is not None and digest == digest_of(self.token):
            return ANYONE
        identity = None if self.tokens is None else self.tokens.identity_of(digest)
        if identity is not None and identity.groups_header is not None:
            return identity.seen_by(",".join(headers.getlist(identity.groups_header)).split(","))
        return identity


def _check(sound: object, message: str) -> None:
    if not sound:
        raise InvalidParameter(message)


def _name_of(host: str) -> str:
    """Return the name in a Host header without the port; "" if the header is malformed."""
    match = _HOST_AND_PORT.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""


class RootPath:
    """ASGI middleware that adds the root path to requests if the proxy removed it."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request under the root path."""
        if scope["type"] == "http":
            path = scope["path"]
            if path != self._root and not path.startswith(self._root + "/"):
                path = self._root + path
            scope = {**scope, "path": path, "root_path": self._root}
        await self._app(scope, receive, send)


def local_path(scope: Scope) -> str:
    """Return the path of a request without the proxy's root path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class Guard:
    """ASGI middleware that refuses requests without access and sets the security headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse the request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        path = local_path(scope)  # read it now: routing changes the scope
        headers = Headers(scope=scope)
        identity = self._access.identity_of(headers)

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer_headers = MutableHeaders(scope=message)
                cache = "no-cache" if path == "/" or path.startswith("/static/") else "no-store"
                for name, value in {**HEADERS, "cache-control": cache}.items():
                    answer_headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope["method"], path, headers, identity) or self._app
        token = CURRENT.set(identity or NOBODY)
        try:
            await answer(scope, receive, guarded_send)
        finally:
            CURRENT.reset(token)

    def _refusal(
        self, method: str, path: str, headers: Headers, identity: Identity | None
    ) -> Response | None:
        hosts, origin = headers.getlist("host"), headers.get("origin")
        probed = path in _PROBES and bool(self._access.hosts)
        if len(hosts) != 1 or not (probed or self._access.knows_host(hosts[0])):
            return refusal(
                403,
                "UnknownHost",
                "this host name is not allowed; use localhost, or --allowed-host",
            )
        own_page = origin is None or urlsplit(origin).netloc.lower() == hosts[0].lower()
        if not own_page and origin not in self._access.origins:
            return refusal(
                403, "ForeignOrigin", "pages of that site may not send requests; see --cors-origin"
            )
        open_path = path in _OPEN_PATHS or path.startswith("/static/")
        preflight = method == "OPTIONS" and origin in self._access.origins  # it has no token
        if open_path or preflight or identity is not None:
            return None
        return refusal(
            401,
            "Unauthorized",
            "the token is missing or wrong; send the header Authorization: Bearer TOKEN",
            {"www-authenticate": "Bearer"},
        )
