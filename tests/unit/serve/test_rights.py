"""Roles of tokens, and files of tokens that change. `test_hidden` tests the filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from graphagg.communities import CommunityIndex
from graphagg.errors import InvalidToken
from graphagg.rag import PassageIndex
from graphagg.rag.documents.passages import Passage
from graphagg.serve.http.security import Access
from graphagg.serve.mcp import create_server, http_app
from graphagg.serve.rights import TokenFile, digest_of, read_tokens
from graphagg.serve.service import Service, Sources
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.serve.live import Live, error_of, patient, serving

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
TOKENS = {name: f"{name}-token-0123456789" for name in ("writer", "reader", "ours", "theirs")}
PASSAGES = [Passage(p.id, p.text, p.title, {**p.metadata, "tenant": "ours"}) for p in CORPUS]


def written(path: Path, names: tuple[str, ...] = tuple(TOKENS)) -> Path:
    rights = {
        "writer": 'role = "write"', "reader": 'role = "read"',
        "ours": 'role = "read"\nfilter = {tenant = "ours"}',
        "theirs": 'role = "read"\nfilter = {tenant = "theirs"}',
    }  # fmt: skip
    path.write_text(
        "\n".join(
            f'[[token]]\nsha256 = "{digest_of(TOKENS[name])}"\n{rights[name]}\n' for name in names
        )
    )
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rights")
    PassageIndex.build(PASSAGES, root / "root" / "a", **MODELS).close()
    CommunityIndex.build([("a", "b"), ("b", "c")], root / "root" / "graph").close()
    return root


@pytest.fixture(scope="module")
def live(root: Path) -> Iterator[Live]:
    access = Access(tokens=TokenFile(written(root / "tokens.toml")))
    with serving(Service(Sources(root=root / "root", **MODELS), patient()), access) as running:
        yield running


def as_(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[name]}"}


def test_roles(live: Live) -> None:
    row = {"passages": [{"id": "new", "text": "New."}]}
    path = "/v1/collections/a/passages"
    for name in ("reader", "ours"):
        for method, address, body in (
            ("POST", path, row), ("POST", f"{path}/delete", {"ids": ["p1"]}),
            ("DELETE", "/v1/collections/a/files/a.md", None),
            ("POST", "/v1/collections", {"name": "b"}), ("DELETE", "/v1/collections/a", None),
            ("POST", "/v1/collections/a/sync", None), ("POST", "/v1/collections/a/files", None),
        ):  # fmt: skip
            answer = live.client.request(method, address, json=body, headers=as_(name))
            assert error_of(answer, 403) == "Forbidden"
        assert live.get("/v1/collections", headers=as_(name)).json()["may_write"] is False
    assert live.post("/v1/collections", {"name": "b"}, headers=as_("writer")).status_code == 201
    assert live.client.delete("/v1/collections/b", headers=as_("writer")).is_success
    assert error_of(live.get("/v1/collections"), 401) == "Unauthorized"


def test_mcp_refuses_a_token_that_is_revoked(root: Path, tmp_path: Path) -> None:
    access = Access(tokens=TokenFile(written(tmp_path / "tokens.toml")))
    service = Service(Sources(root / "root" / "a", **MODELS))
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {**as_("ours"), "host": "localhost", "accept": "application/json, text/event-stream"}
    with TestClient(http_app(create_server(service), service, access)) as client:
        assert client.post("/mcp", json=body, headers=headers).status_code == 200
        written(tmp_path / "tokens.toml", ("writer",))
        assert client.post("/mcp", json=body, headers=headers).status_code == 401
    service.close()


def test_a_filter_that_does_not_fit_an_index_shows_nothing(tmp_path: Path) -> None:
    PassageIndex.build(CORPUS, tmp_path / "idx", **MODELS).close()
    access = Access(tokens=TokenFile(written(tmp_path / "tokens.toml")))
    with serving(Service(Sources(tmp_path / "idx", **MODELS), patient()), access) as live:
        for path in ("search", "similar"):
            body = {"question": "Ada?"} if path == "search" else {"passage": "p1"}
            answer = live.post(f"/v1/passages/{path}", body, headers=as_("ours"))
            assert error_of(answer, 403) == "Forbidden" and "tenant" not in answer.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[token]]\nrole = 'read'", "token.0.sha256"),
        ("[[token]]\nsha256 = 'x'\nrole = 'read'", "token.0.sha256"),
        (f"[[token]]\nsha256 = '{'a' * 64}'", "token.0.role"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'admin'", "token.0.role"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'write'\nfilter = {{a = 1}}", "two tokens"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nfilter = 'a=1'", "token.0.filter"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nfilter = {{}}", "token.0.filter"),
        (
            f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nfilter = {{a = 2024-01-01}}",
            "token.0.filter",
        ),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nname = 'x'", "token.0.name"),
        ("[[token]]\nsha256 = ", "not readable TOML"),
        ("a = 1\n[[token]]\n", "a: Extra"),
    ],
)
def test_a_broken_file_of_tokens_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(InvalidToken, match=said):
        read_tokens(path)


def test_a_file_that_breaks_while_it_serves_admits_nobody(tmp_path: Path) -> None:
    tokens = TokenFile(written(tmp_path / "tokens.toml"))

    def roles() -> list[str | None]:
        found = [tokens.identity_of(digest_of(token)) for token in TOKENS.values()]
        return [each and each.role for each in found]

    assert roles() == ["write", "read", "read", "read"]
    (tmp_path / "tokens.toml").write_text("[[token]]\nbroken")
    assert roles() == [None] * 4
    written(tmp_path / "tokens.toml", ("reader",))
    assert roles() == [None, "read", None, None]
