"""Roles and filters of tokens: a tenant sees what an index of its own passages would show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityIndex
from graphagg.errors import InvalidToken
from graphagg.rag import PassageIndex
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.endpoint import Endpoint
from graphagg.serve.http.security import Access
from graphagg.serve.rights import TokenFile, digest_of, read_tokens
from graphagg.serve.service import Service, Sources
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving, until
from tests.upstream import event, upstream

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
TOKENS = {name: f"{name}-token-0123456789" for name in ("writer", "reader", "ours", "theirs")}
SECRET = "Zanzibar"
OURS = [
    Passage(p.id, p.text, p.title, {**p.metadata, "tenant": "ours"}) for p in CORPUS
]  # fmt: skip
THEIRS = [
    Passage("t1", f"Ada met {SECRET} Quill in London.", "Ada", {"tenant": "theirs", "secret": 1}),
    Passage("t2", f"{SECRET} Quill designed the Engine with Babbage.", "Engine",
            {"tenant": "theirs", "kind": SECRET}),
    Passage("t3", "The Thames lies in London. Ada lived there.", "Thames", {"tenant": "theirs"}),
]  # fmt: skip
WORDS = ["Ada", "London", "Engine", "Thames", SECRET, "Quill", "river", "lived", "designed", "Who"]
MODES = ["multihop", "linearrag", "dense", "bm25", "rrf"]


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
    mixed = [OURS[0], THEIRS[0], *OURS[1:3], *THEIRS[1:], *OURS[3:]]
    PassageIndex.build(mixed, root / "root" / "a", **MODELS).close()
    PassageIndex.build(OURS, root / "alone", **MODELS).close()
    CommunityIndex.build([("a", "b"), ("b", "c")], root / "root" / "graph").close()
    return root


@pytest.fixture(scope="module")
def live(root: Path) -> Iterator[Live]:
    access = Access(tokens=TokenFile(written(root / "tokens.toml")))
    with serving(Service(Sources(root=root / "root", **MODELS), patient()), access) as running:
        yield running


@pytest.fixture(scope="module")
def alone(root: Path) -> Iterator[Live]:
    """A service of an index that holds our passages alone."""
    with serving(Service(Sources(root / "alone", **MODELS), patient())) as running:
        yield running


def as_(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[name]}"}


def test_roles(live: Live) -> None:
    row = {"passages": [{"id": "new", "text": "New."}]}
    path = "/v1/collections/a/passages"
    for name in ("reader", "ours"):
        for method, address, body in (
            ("POST", path, row), ("PUT", path, row), ("POST", f"{path}/delete", {"ids": ["p1"]}),
            ("POST", "/v1/collections", {"name": "b"}), ("DELETE", "/v1/collections/a", None),
            ("POST", "/v1/collections/a/sync", None), ("POST", "/v1/collections/a/files", None),
            ("POST", "/v1/collections/graph/communities/edges", {"add": [["x", "y"]]}),
        ):  # fmt: skip
            answer = live.client.request(method, address, json=body, headers=as_(name))
            assert error_of(answer, 403) == "Forbidden"
        assert live.get("/v1/collections", headers=as_(name)).json()["may_write"] is False
    assert live.post("/v1/collections", {"name": "b"}, headers=as_("writer")).status_code == 201
    assert live.client.delete("/v1/collections/b", headers=as_("writer")).is_success
    assert error_of(live.get("/v1/collections"), 401) == "Unauthorized"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5),
    mode=st.sampled_from(MODES),
    k=st.integers(1, 8),
    filter=st.sampled_from([None, {"kind": "city"}, {"not": {"kind": "city"}}]),
)
def test_a_tenant_sees_what_an_index_of_its_own_would_show(
    live: Live, alone: Live, words: list[str], mode: str, k: int, filter: Any
) -> None:
    body = {"question": " ".join(words) + "?", "mode": mode, "k": k, "filter": filter}
    ours = live.post("/v1/collections/a/passages/search", body, headers=as_("ours"))
    own = alone.post("/v1/passages/search", body)
    assert ours.status_code == own.status_code == 200
    assert ours.json()["hits"] == own.json()["hits"]


def test_nothing_of_another_tenant_is_said(live: Live, alone: Live, caplog: Any) -> None:
    path, tenant = "/v1/collections/a/passages", as_("ours")
    facets = live.post(f"{path}/facets", {}, headers=tenant).json()["keys"]
    assert facets == alone.json("/v1/passages/facets", {})["keys"]
    info = live.get("/v1/collections/a", headers=tenant).json()["passages"]
    assert info["counts"] == {"passages": len(OURS)}
    assert info["metadata"] == alone.json("/v1/info")["passages"]["metadata"]
    listed = live.get("/v1/collections", headers=tenant).json()["collections"]
    assert [each["passages"] for each in listed] == [None, None]
    themes = live.post(f"{path}/themes", {}, headers=tenant).json()
    own = alone.json("/v1/passages/themes", {})
    assert [t["words"] for t in themes["themes"]] == [t["words"] for t in own["themes"]]
    bodies = [
        (f"{path}/search", {"question": "Ada?", "filter": {"nope": 1}}),
        (f"{path}/search", {"question": "Ada?", "bridge_through_filtered": True}),
        (f"{path}/similar", {"passage": "t1"}), (f"{path}/similar", {"entity": f"{SECRET} Quill"}),
        (f"{path}/theme-distribution", {"question": SECRET}),
        (f"{path}/search", {"question": f"{SECRET}?", "include": ["t1", "p1"]}),
        ("/v1/collections/graph/communities/query", {"seeds": ["a"]}),
        ("/v1/collections/graph/communities/vertices", None),
        ("/v1/collections/a/files/x.txt", None),
    ]  # fmt: skip
    for address, body in bodies:
        answer = (
            live.get(address, headers=tenant) if body is None
            else live.post(address, body, headers=tenant)
        )  # fmt: skip
        said = answer.text.replace(str((body or {}).get("question")), "").replace(
            str((body or {}).get("entity")), ""
        )
        assert "Quill" not in said and "secret" not in said and "theirs" not in said, address
    for name in TOKENS.values():
        assert name not in caplog.text


def test_a_token_that_is_revoked_ends_its_streams(root: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "tokens.toml")
    with upstream() as model:
        model.hold.clear()
        model.hold_after = 2
        model.chunks = [event(""), event("In "), *[event("more ")] * 50, event(finish="stop")]
        endpoint = Endpoint(model.url, "small", timeout=SECONDS)
        sources = Sources(root=root / "root", **MODELS)
        access = Access(tokens=TokenFile(path))
        with serving(Service(sources, patient()), access, endpoint=endpoint) as live:
            body = {"question": "Who is Ada?", "stream": True}
            address, heard = "/v1/collections/a/passages/answer", []
            with live.client.stream("POST", address, json=body, headers=as_("ours")) as answer:
                lines = answer.iter_lines()
                while "In " not in next(lines):
                    pass
                written(path, ("writer",))
                until(lambda: live.get("/v1/collections", headers=as_("ours")).status_code == 401)
                model.hold.set()
                with pytest.raises(Exception, match=r"peer closed|incomplete"):
                    heard += list(lines)
            assert "citations" not in "".join(heard)
            assert live.get("/v1/collections", headers=as_("writer")).is_success
            path.unlink()
            until(lambda: live.get("/v1/collections", headers=as_("writer")).status_code == 401)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[token]]\nrole = 'read'", "sha256 is no hash"),
        ("[[token]]\nsha256 = 'x'\nrole = 'read'", "sha256 is no hash"),
        (f"[[token]]\nsha256 = '{'a' * 64}'", "role is None"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'admin'", "role is 'admin'"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'write'\nfilter = {{a = 1}}", "two tokens"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nfilter = 'a=1'", "no table"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nfilter = {{}}", "no table"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nfilter = {{a = 2024-01-01}}", "quotes"),
        (f"[[token]]\nsha256 = '{'a' * 64}'\nrole = 'read'\nname = 'x'", "unknown"),
        ("[[token]]\nsha256 = ", "not readable TOML"),
        ("a = 1\n[[token]]\n", "wanted tables"),
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
