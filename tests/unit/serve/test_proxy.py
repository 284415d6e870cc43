"""Behind a reverse proxy: names, paths and addresses that it brings."""

from __future__ import annotations

import logging

import pytest

from graphagg.errors import InvalidParameter
from graphagg.serve.http.requests import ACCESS
from graphagg.serve.http.security import Access
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import Live, error_of, patient, serving

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def public(indices: Sources):
    """A service on loopback that goes by a public name, under a path."""
    access = Access(hosts=("rag.example.org", "*.apps.example.org"), root_path="/rag")
    with serving(Service(Sources(communities=indices.communities), patient()), access) as running:
        yield running


ALLOWED = ["rag.example.org", "RAG.example.org:443", "a.apps.example.org", "b.a.apps.example.org",
           "localhost", "127.0.0.1:8321"]  # fmt: skip
OTHERS = ["example.org", "apps.example.org", "xapps.example.org", "rag.example.org.evil.net"]


@pytest.mark.parametrize("host", [*ALLOWED, *OTHERS, "evil.net"])
def test_only_allowed_names_are_known_except_to_probes(public: Live, host: str) -> None:
    answer = public.get("/v1/info", headers={"host": host})
    assert answer.is_success if host in ALLOWED else error_of(answer, 403) == "UnknownHost"
    for probe in ("/healthz", "/rag/readyz"):  # which comes by the address of the moment
        assert public.get(probe, headers={"host": host}).is_success


def test_pages_of_the_public_site_may_ask(public: Live) -> None:
    names = {"host": "rag.example.org", "origin": "https://rag.example.org"}
    asked = public.post("/v1/communities/query", {"seeds": [3]}, headers=names)
    assert asked.is_success
    names["origin"] = "https://other.example.org"
    assert error_of(public.get("/v1/info", headers=names), 403) == "ForeignOrigin"


@pytest.mark.parametrize("prefix", ["", "/rag"])
def test_a_proxy_may_hand_its_path_on_or_take_it_off(public: Live, prefix: str) -> None:
    assert public.get(f"{prefix}/v1/info").is_success
    assert public.post(f"{prefix}/v1/communities/query", {"seeds": [3]}).is_success
    page = public.get(f"{prefix}/")
    assert page.is_success and "text/html" in page.headers["content-type"]
    assert public.get(f"{prefix}/static/index.html").headers["cache-control"] == "no-cache"
    assert error_of(public.get(f"{prefix}/v1/nothing"), 404) == "NotFound"
    document = public.get(f"{prefix}/openapi.json").json()
    assert document["servers"] == [{"url": "/rag"}] and "/v1/info" in document["paths"]
    for path in ("/ragged/v1/info", "/rag/rag/v1/info", "/other/v1/info"):
        assert error_of(public.get(path), 404) == "NotFound"


def test_under_a_path_the_token_is_wanted_for_the_same_addresses(start, indices: Sources) -> None:
    access = Access(token=TOKEN, root_path="/rag")
    running = start(Sources(communities=indices.communities), access=access)
    for prefix in ("", "/rag"):
        for path in ("/", "/healthz", "/readyz", "/static/index.html"):
            assert running.get(prefix + path).is_success
        for path in ("/v1/info", "/metrics", "/openapi.json"):
            assert running.get(prefix + path).status_code == 401


def test_only_a_trusted_proxy_is_believed(
    indices: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    def clients(indices: Sources, access: Access, *forwarded: str) -> str:
        """The client that a request with these headers is taken to come from."""
        headers = [("x-forwarded-for", each) for each in forwarded]
        service = Service(Sources(communities=indices.communities), patient())
        with caplog.at_level(logging.INFO, ACCESS), serving(service, access) as running:
            assert running.get("/v1/info", headers=headers).is_success
            running.get("/healthz")
        lines = [record for record in caplog.records if record.name == ACCESS]
        return lines[-1].getMessage().split()[1]

    lie = "203.0.113.9"
    assert clients(indices, Access(), lie) == "127.0.0.1"
    assert clients(indices, Access(proxies=("10.0.0.0/8",)), lie) == "127.0.0.1"
    trusting = Access(proxies=("127.0.0.1", "10.0.0.0/8"))
    assert clients(indices, trusting, lie) == lie
    # What a client writes itself stands left of what the proxies add.
    assert clients(indices, trusting, "198.51.100.1", f"{lie}, 10.1.2.3") == lie
    assert clients(indices, trusting) == "127.0.0.1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": ("https://rag.example.org",)}, {"hosts": ("rag.example.org:443",)},
        {"hosts": ("*",)}, {"hosts": ("",)}, {"hosts": ("a.*.org",)}, {"hosts": ("a b",)},
        {"root_path": "rag"}, {"root_path": "/rag/"}, {"root_path": "/"}, {"root_path": "/v1"},
        {"root_path": "/static/x"}, {"root_path": "//a"}, {"root_path": "/a?b"},
        {"origins": ("*",)}, {"origins": ("example.org",)}, {"origins": ("https://a.org/",)},
        {"origins": ("ftp://a.org",)}, {"origins": ("https://",)},
        {"proxies": ("proxy.example.org",)}, {"proxies": ("*",)}, {"proxies": ("10.0.0.1/8",)},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter):
        Access(**wrong)  # type: ignore[arg-type]


def test_beyond_loopback_allowed_names_are_the_only_ones(indices: Sources) -> None:
    access = Access("0.0.0.0", TOKEN, hosts=("rag.example.org",))
    assert access.knows_host("rag.example.org") and access.knows_host("localhost")
    assert not access.knows_host("evil.example")
    assert Access("0.0.0.0", TOKEN).knows_host("evil.example")  # the token keeps pages out


@pytest.mark.parametrize(
    ("kind", "said"),
    [(None, "without a content type"), ("text/plain", "as 'text/plain'"),
     ("application/x-www-form-urlencoded", "as 'application/x-www-form-urlencoded'")],
)  # fmt: skip
def test_a_body_of_another_type_is_told_what_to_send(
    live: Live, kind: str | None, said: str
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    for path in ("/v1/passages/search", "/v1/communities/query"):
        answer = live.client.post(path, content=b'{"seeds": [3]}', headers=headers)
        assert error_of(answer, 422) == "InvalidRequest"
        message = answer.json()["error"]["message"]
        assert said in message and "Content-Type: application/json" in message
    odd = {"content-type": "application/vnd.api+json; charset=utf-8"}
    assert live.client.post(
        "/v1/communities/query", content=b'{"seeds": [3]}', headers=odd
    ).is_success
