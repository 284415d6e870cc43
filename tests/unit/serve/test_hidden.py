"""A token with a filter gets, on every surface, the answers of an index of its passages alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from graphagg.communities import CommunityIndex
from graphagg.rag import PassageIndex
from graphagg.rag.config.modes import MODES
from graphagg.rag.documents.passages import Passage
from graphagg.serve.http.app import create_app
from graphagg.serve.http.security import Access
from graphagg.serve.mcp import create_server, http_app
from graphagg.serve.rights import TokenFile, digest_of
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
TOKEN, WHOLE = "a-token-of-a-reader", "a-token-that-sees-all"
HEADERS = {"accept": "application/json, text/event-stream", "host": "localhost"}
VOLATILE = {"version"}

# --- corpora -------------------------------------------------------------------------------------

NAMES = ["Ada", "Babbage", "London", "Thames", "Ada Lovelace", "Engine", "Zanzibar", "Quill"]
VERBS = ["met", "lies on", "designed", "knows"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "year": st.sampled_from([1843, 1991, "unknown", "MCM"]),
    "when": st.sampled_from(["1843-07-01", "2001-01-01", "later"]),
    "tags": st.sampled_from([["a"], ["a", "b", "a"], [], [1], [f"t{i}" for i in range(60)]]),
    "kind": st.sampled_from(["city", "river", True]),
    "size": st.sampled_from([1, 2.5, 10**20, None]),
}


@st.composite
def corpora(draw: st.DrawFn) -> list[Passage]:
    """Passages of two tenants, some of them chunks of one document; at least one of each."""
    tenants = ["ours", "theirs", *draw(st.lists(st.sampled_from(["ours", "theirs"]), max_size=8))]
    chunked = draw(st.lists(st.booleans(), min_size=len(tenants), max_size=len(tenants)))
    rows = []
    for i, (tenant, is_chunk) in enumerate(zip(tenants, chunked, strict=True)):
        some = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4))
        text = f"{some[0]} {draw(st.sampled_from(VERBS))} {' and '.join(some[1:])}."
        keys = draw(st.lists(st.sampled_from(list(VALUES)), unique=True, max_size=3))
        metadata = {"tenant": tenant, **{key: draw(VALUES[key]) for key in keys}}
        place = ("d", i) if is_chunk else ("", 0)
        title = draw(st.sampled_from(["", some[0]]))
        rows.append(Passage(f"p{i}", text, title, metadata, *place))
    return draw(st.permutations(rows))


# --- requests ------------------------------------------------------------------------------------

IDS = st.sampled_from([*(f"p{i}" for i in range(10)), "d", "absent"])
QUESTIONS = st.lists(st.sampled_from([*NAMES, "who", "met"]), min_size=1, max_size=4).map(
    lambda words: f"{' '.join(words)}?"
)
FILTERS = st.sampled_from([
    None, {}, {"tenant": "theirs"}, {"not": {"tenant": "theirs"}}, {"nokey": 1}, {"year": 1843},
    {"year": {"gte": 1900}}, {"year": "unknown"}, {"when": {"lt": "1900-01-01"}},
    {"when": {"exists": False}}, {"tags": ["a"]}, {"tags": 1}, {"kind": "city"}, {"kind": True},
    {"size": {"gte": 2}}, {"or": [{"kind": "river"}, {"tags": "b"}]},
])  # fmt: skip
THEMES = st.sampled_from(["0", "1", "2", "nope"])
OPTIONS = {
    "filter": FILTERS, "mode": st.sampled_from(MODES), "neighbors": st.integers(0, 2),
    "include": st.none() | st.lists(IDS, max_size=3), "exclude": st.lists(IDS, max_size=2),
    "as_of": st.sampled_from([None, "1900-01-01"]), "recency": st.sampled_from([0, 0.5]),
    "history": st.none() | st.lists(QUESTIONS, max_size=2),
}  # fmt: skip
SEARCH = {"question": QUESTIONS, "k": st.integers(1, 6), **OPTIONS}
BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "/passages/search": {**SEARCH, "offset": st.integers(0, 2)},
    "/passages/facets": {**OPTIONS, "question": st.none() | QUESTIONS},
    "/passages/themes": {"filter": FILTERS},
    "/passages/theme": {"filter": FILTERS, "theme": THEMES},
    "/passages/theme-distribution": {"question": QUESTIONS, "filter": FILTERS},
    "/passages/similar": {"filter": FILTERS, "passage": IDS},
}
"""Queries of passages, by their address below `/v1` and below a collection."""
STORE = "/v1/vector_stores/{store_id}/search"
PRODUCTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "/retrieval": {
        "knowledge_id": st.sampled_from(["a", "passages"]),
        "query": QUESTIONS,
        "retrieval_setting": st.fixed_dictionaries(
            {"top_k": st.integers(1, 6), "score_threshold": st.sampled_from([0, 0.1])}
        ),
    },
    STORE: {"query": QUESTIONS, "max_num_results": st.integers(1, 6)},
}
"""Queries of passages in the form of other products."""
SIMILAR_ENTITIES = {"entity": st.sampled_from([*map(str.lower, NAMES), "nobody"])}
REFUSED = {
    ("POST", "/communities/query"): {"seeds": ["a"]},
    ("POST", "/communities/structure"): {"seeds": ["a"]},
    ("GET", "/communities/vertices"): None,
    ("GET", "/communities/neighbors"): None,
    ("POST", "/embedding/neighbors"): {"vertex": "a"},
}
"""Requests to other indices, below `/v1` and below a collection: refused to a filter."""
WRITES = {
    ("POST", "/v1/collections"): {"name": "b"},
    ("DELETE", "/v1/collections/{name}"): None,
    ("POST", "/v1/collections/{name}/passages"): {"passages": [{"id": "a", "text": "A."}]},
    ("POST", "/v1/collections/{name}/passages/delete"): {"ids": ["p1"]},
    ("POST", "/v1/collections/{name}/sync"): None,
    ("POST", "/v1/collections/{name}/files"): None,
    ("GET", "/v1/collections/{name}/files/{path:path}"): None,
    ("DELETE", "/v1/collections/{name}/files/{path:path}"): None,
}
"""Writes, and the files of collections: refused to a filter."""
DOCUMENTS = ("GET", "/v1/collections/{name}/documents")
ABOUT = {
    ("GET", "/v1/info"), ("GET", "/v1/collections"), ("GET", "/v1/collections/{name}"), DOCUMENTS,
}  # fmt: skip
NOT_OF_PASSAGES = {"/", "/docs", "/healthz", "/readyz", "/metrics", "/openapi.json", "/static"}
TOOLS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "search_passages": SEARCH | {"show": st.just(["year", "when"])},
    "read_passage": {"passage_id": IDS, "around": st.integers(0, 3)},
    "search": {"query": QUESTIONS},
    "fetch": {"id": IDS},
}
PREFIXES = ("/v1", "/v1/collections/{name}")


# --- two sites -----------------------------------------------------------------------------------


class Site:
    """A service over HTTP and MCP; a token that sees all asks everything first."""

    def __init__(self, service: Service, access: Access, held: ExitStack) -> None:
        self.app = create_app(service, access)
        self._http = TestClient(self.app, raise_server_exceptions=False)
        server = http_app(create_server(service), service, access)
        self._mcp = held.enter_context(TestClient(server, raise_server_exceptions=False))

    def http(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        address = (
            path.replace("{name}", "a").replace("{store_id}", "a").replace("{path:path}", "x.txt")
        )
        query = {"vertex": "a", "search": "p", "sort": "passages"} if method == "GET" else None
        for token in (WHOLE, TOKEN) if (method, path) not in WRITES else (TOKEN,):
            headers = HEADERS | {"authorization": f"Bearer {token}"}
            answer = self._http.request(method, address, json=body, headers=headers, params=query)
        return answer.status_code, answer.json()

    def mcp(self, method: str, **params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        for token in (WHOLE, TOKEN):
            headers = HEADERS | {"authorization": f"Bearer {token}"}
            answer = self._mcp.post("/mcp", json=request, headers=headers)
            assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def site(folder: Path, corpus: list[Passage], filter: str) -> Iterator[Site]:
    """A site with a token of this filter; its corpus is served as a collection and alone."""
    path = folder / "root" / "a"
    half = max(len(corpus) // 2, 1)
    with PassageIndex.build(corpus[:half], path / "passages", language="en", **MODELS) as index:
        if corpus[half:]:
            index.add(corpus[half:])
        index.map()  # the stored map is of all passages
    (path / "collection.json").write_text("{}")
    CommunityIndex.build([("a", "b"), ("b", "c")], path / "communities").close()
    tokens = folder / "tokens.toml"
    rights = {TOKEN: filter, WHOLE: ""}
    tokens.write_text(
        "".join(
            f'[[token]]\nsha256 = "{digest_of(token)}"\nrole = "read"\n{each}\n'
            for token, each in rights.items()
        )
    )
    sources = Sources(path / "passages", path / "communities", root=folder / "root", **MODELS)
    with ExitStack() as held:
        service = Service(sources)
        held.callback(service.close)
        yield Site(service, Access(tokens=TokenFile(tokens)), held)


def same(found: Any, wanted: Any, at: str = "") -> None:
    """Equal but for times and versions; scores to 1e-5."""
    if isinstance(wanted, Mapping):
        assert found.keys() == wanted.keys(), at
        for key in wanted.keys() - VOLATILE:
            same(found[key], wanted[key], f"{at}.{key}")
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted), f"{at}: {found} {wanted}"
        for i, pair in enumerate(zip(found, wanted, strict=True)):
            same(*pair, f"{at}[{i}]")
    elif isinstance(wanted, float):
        assert math.isclose(found, wanted, abs_tol=1e-5), at
    else:
        assert found == wanted, at


@settings(max_examples=max(settings().max_examples // 5, 1), report_multiple_bugs=False)
@given(corpus=corpora(), data=st.data())
def test_a_token_sees_what_an_index_of_its_passages_would_show(
    corpus: list[Passage], data: st.DataObject
) -> None:
    def drawn(fields: Mapping[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
        return data.draw(st.fixed_dictionaries(dict(fields)))

    visible = [each for each in corpus if each.metadata["tenant"] == "ours"]
    with (
        TemporaryDirectory() as folder,
        site(Path(folder) / "all", corpus, 'filter = {tenant = "ours"}') as full,
        site(Path(folder) / "ours", visible, "") as alone,
    ):
        for path, fields in BODIES.items():
            body = drawn(fields)
            if path.endswith("similar") and data.draw(st.booleans()):
                body = {"filter": body["filter"], **drawn(SIMILAR_ENTITIES)}
            address = data.draw(st.sampled_from(PREFIXES)) + path
            same(*(each.http("POST", address, body) for each in (full, alone)), f"{path} {body}")
        for path, fields in PRODUCTS.items():
            body = drawn(fields)
            same(*(each.http("POST", path, body) for each in (full, alone)), f"{path} {body}")
        for tool, fields in TOOLS.items():
            arguments = drawn(fields)
            pair = [
                each.mcp("tools/call", name=tool, arguments=arguments) for each in (full, alone)
            ]
            same(*pair, f"{tool} {arguments}")
        listed = [each.mcp("tools/list")["result"]["tools"] for each in (full, alone)]
        same(*listed, "tools/list")
        check_about(full, alone)


def check_about(full: Site, alone: Site) -> None:
    same(*(each.http(*DOCUMENTS) for each in (full, alone)), "documents")
    for method, path in ABOUT - {("GET", "/v1/collections"), DOCUMENTS}:
        (_, found), (_, wanted) = (each.http(method, path) for each in (full, alone))
        assert found["communities"] is None is found["embedding"]
        assert found["passages"].pop("counts") == {
            "passages": wanted["passages"].pop("counts")["passages"]
        }
        same(found["passages"], wanted["passages"], path)
    (_, found), (_, wanted) = (each.http("GET", "/v1/collections") for each in (full, alone))
    assert found["collections"][0].pop("passages") is None
    wanted["collections"][0].pop("passages")
    same(found, wanted)
    below = {(m, prefix + p): body for (m, p), body in REFUSED.items() for prefix in PREFIXES}
    for (method, path), body in (WRITES | below | {("GET", "/metrics"): None}).items():
        status, answer = full.http(method, path, body)
        assert (status, answer["error"]["type"]) == (403, "Forbidden"), (path, answer)


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes of an application, also of the routers that it includes."""
    for route in routes:
        router = getattr(route, "original_router", None)
        yield from [route] if router is None else flat(router.routes)


def test_every_surface_has_a_case(tmp_path: Path) -> None:
    """A new route or tool is added to the cases above."""
    with site(tmp_path, [Passage("p1", "Ada.")], "") as found:
        routes = {
            (method, route.path)
            for route in flat(found.app.routes)
            for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
            # test_parts: tokens with a filter may not use the routes of parts
            if route.path not in NOT_OF_PASSAGES and not route.path.startswith("/v1/parts/")
        }
        tools = {each["name"] for each in found.mcp("tools/list")["result"]["tools"]}
        others = [
            found.mcp(f"{kind}/list")["result"][name]
            for kind, name in (
                ("resources", "resources"),
                ("resources/templates", "resourceTemplates"),
                ("prompts", "prompts"),
            )
        ]
    below = {("POST", path) for path in BODIES} | REFUSED.keys()
    cases = {(method, prefix + path) for method, path in below for prefix in PREFIXES}
    assert routes == cases | WRITES.keys() | ABOUT | {("POST", path) for path in PRODUCTS}
    assert tools - {"community_of"} == TOOLS.keys()
    assert others == [[], [], []]
