"""Who may ask, and what every answer carries."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from graphagg.errors import InsecureBinding, InvalidParameter, InvalidToken, PortTaken
from graphagg.serve.http.security import Access, is_loopback
from graphagg.serve.http.server import bind
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.rights import ANYONE, digest_of, read_tokens
from graphagg.serve.service import Sources
from tests.unit.serve.live import Live, error_of

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def guarded(start, indices: Sources) -> Live:
    return start(Sources(communities=indices.communities), access=Access(token=TOKEN))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_the_right_token_opens_and_any_other_does_not(guarded: Live) -> None:
    for path in ("/v1/info", "/metrics", "/openapi.json", "/v1/nothing", "/V1/info"):
        for headers in (
            {}, {"authorization": "Bearer"}, bearer(TOKEN[:-1]), bearer(TOKEN + "x"),
            bearer(TOKEN.upper()),
            {"authorization": TOKEN}, {"authorization": f"Basic {TOKEN}"}, bearer("é" * 28),
        ):  # fmt: skip
            raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
            answer = guarded.get(path, headers=raw)
            assert error_of(answer, 401) == "Unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer" and TOKEN not in answer.text
    assert guarded.get("/v1/info", headers=bearer(TOKEN)).status_code == 200
    assert guarded.get("/v1/info", headers={"authorization": f"bearer {TOKEN}"}).is_success
    assert guarded.get("/healthz").json() == {"status": "ok"}
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE"):
        assert guarded.client.request(method, "/v1/info").status_code == 401
    twice = [("authorization", "Bearer wrong"), ("authorization", f"Bearer {TOKEN}")]
    assert error_of(guarded.get("/v1/info", headers=twice), 401) == "Unauthorized"


def test_the_document_says_that_a_token_is_wanted(guarded: Live, live: Live) -> None:
    schemes = guarded.get("/openapi.json", headers=bearer(TOKEN)).json()["components"]
    assert schemes["securitySchemes"]["HTTPBearer"] == {"type": "http", "scheme": "bearer"}
    assert "securitySchemes" not in live.json("/openapi.json")["components"]


OWN = ["localhost", "LOCALHOST:1234", "127.0.0.1:99", "[::1]:8321"]
FOREIGN = [
    "evil.example", "127.0.0.1.evil.example", "evil.example:8321", "[::2]", "", "0.0.0.0",
    "[::1]evil", "[::1", "localhost:80@evil.example", "localhost@evil.example", "localhost:80:80",
]  # fmt: skip


@pytest.mark.parametrize("host", OWN + FOREIGN)
def test_only_own_host_names_are_known_on_loopback(live: Live, host: str) -> None:
    for path in ("/", "/v1/info", "/healthz"):
        answer = live.get(path, headers={"host": host})
        assert answer.is_success if host in OWN else error_of(answer, 403) == "UnknownHost"


def test_a_foreign_page_may_not_ask(live: Live) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "file://"):
        answer = live.post("/v1/communities/query", {"seeds": [3]}, headers={"origin": origin})
        assert error_of(answer, 403) == "ForeignOrigin"
        assert "access-control-allow-origin" not in answer.headers
        preflight = {"origin": origin, "access-control-request-method": "POST"}
        assert live.client.options("/v1/info", headers=preflight).status_code == 403
    own = live.get("/v1/info", headers={"origin": live.url})
    assert own.is_success and "access-control-allow-origin" not in own.headers


def test_a_listed_site_may_ask(start, indices: Sources) -> None:
    site = "https://app.example.org"
    running = start(
        Sources(communities=indices.communities), access=Access(token=TOKEN, origins=(site,))
    )
    asked = {"origin": site, "access-control-request-method": "POST"}
    preflight = running.client.options("/v1/info", headers=asked)
    assert preflight.is_success
    assert preflight.headers["access-control-allow-origin"] == site
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = running.get("/v1/info", headers={"origin": site, **bearer(TOKEN)})
    assert answer.headers["access-control-allow-origin"] == site
    assert "origin" in answer.headers["vary"].lower()
    assert error_of(running.get("/v1/info", headers={"origin": site}), 401) == "Unauthorized"
    other = {"origin": "https://other.example.org", **bearer(TOKEN)}
    assert error_of(running.get("/v1/info", headers=other), 403) == "ForeignOrigin"


def test_every_answer_carries_the_headers(live: Live) -> None:
    answers = [
        live.get("/"), live.get("/v1/info"), live.get("/nothing"), live.get("/healthz"),
        live.post("/v1/communities/query", {}), live.get("/v1/info", headers={"host": "x"}),
        live.client.delete("/v1/info"),
    ]  # fmt: skip
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
    assert live.get("/v1/info").headers["cache-control"] == "no-store"


def test_beyond_loopback_there_must_be_a_token() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org", "10.0.0.1"):
        with pytest.raises(InsecureBinding, match="give `tokens`"):
            Access(host)
        assert Access(host, TOKEN).knows_host("any.example.org")
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8", "[::1]"):
        assert is_loopback(host) and Access(host).token is None


def test_a_token_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for text in ("", "hunter2", "a" * 15, "é" * 20, "two words " * 4, "a\tb" * 9):
        path.write_text(text)
        with pytest.raises(InvalidToken) as raised:
            read_tokens(path)
        assert not text or text not in str(raised.value).removeprefix(str(path))
    (tmp_path / "token").write_text(f"  {TOKEN}\n")
    assert read_tokens(tmp_path / "token") == {digest_of(TOKEN): ANYONE}
    with pytest.raises(InvalidToken, match="No such file"):
        read_tokens(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    with pytest.raises(InvalidToken, match="not text"):
        read_tokens(tmp_path / "binary")


def test_the_command_refuses_before_it_binds(call, indices: Sources, tmp_path: Path) -> None:
    communities = ("--communities", indices.communities)
    assert "InsecureBinding" not in call("serve", *communities, "--host", "0.0.0.0").error
    assert "--token-file" in call("serve", *communities, "--host", "0.0.0.0").error
    assert "no index to serve" in call("serve").error
    assert "no such folder" in call("serve", "--passages", tmp_path / "none").error
    assert "expected 'passages'" in call("serve", "--passages", indices.communities).error
    wrong = call("serve", *communities, "--token-file", tmp_path / "none")
    assert "expected a file that contains a token" in wrong.error
    assert "above 0" in call("serve", *communities, "--body-bytes", 0).error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("body_bytes = 0", "body_bytes is 0"),
        ("strange = 1", 'unknown option: "[serve][strange]"'),
        ('allowed_hosts = ["a.org", "https://b.org"]', "allowed host is 'https://b.org'"),
        ('root_path = "/v1"', "root path is '/v1'"),
    ],
)  # fmt: skip
def test_limits_come_from_a_file(
    call, indices: Sources, tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "serve.toml").write_text(f"[serve]\n{line}\n")
    command = ("serve", "--communities", indices.communities, "--config", tmp_path / "serve.toml")
    assert said.lower() in call(*command).error.lower()


def test_a_port_is_bound_once_and_its_small_answers_are_not_held_back() -> None:
    """asyncio leaves Nagle's algorithm on for sockets that do not name their protocol: 40 ms."""
    with bind("127.0.0.1", 0) as taken, pytest.raises(PortTaken, match="another `port`"):
        assert taken.proto == socket.IPPROTO_TCP
        bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(PortTaken):
        bind("no-such-host.invalid", 0)


def test_limits_are_above_zero() -> None:
    for name in vars(ServiceLimits()):
        with pytest.raises(InvalidParameter, match=f"{name} is 0"):
            ServiceLimits(**{name: 0})
