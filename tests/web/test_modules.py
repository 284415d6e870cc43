"""Parts of the page on their own, over generated input, in the browser that will run them."""

from __future__ import annotations

import csv
import io
from itertools import count
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.browser import Page

pytestmark = pytest.mark.web

# An example is a list of cases: a call into the browser costs more than many cases.
few = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

unicode = st.characters(exclude_categories=["Cs"])
"""All but lone surrogates, which no UTF-8 can carry."""
texts = st.text(unicode, min_size=1, max_size=12)
in_xml = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=12,
)
in_csv = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)

communities = st.fixed_dictionaries(
    {
        "seeds": st.lists(texts, max_size=5, unique=True),
        "method": st.sampled_from(["fused", "minhash"]),
        "size": st.integers(1, 1000),
    }
)
filters = st.fixed_dictionaries({"key": texts, "operator": texts, "value": texts})
questions = st.fixed_dictionaries(
    {
        "question": st.text(unicode, max_size=30),
        "mode": st.sampled_from(["multihop", "bm25"]),
        "size": st.integers(1, 100),
        "page": st.integers(1, 50),
        "filters": st.lists(filters, max_size=3),
        "history": st.lists(st.text(unicode, min_size=1, max_size=12), max_size=3),
        "asOf": st.sampled_from(["", "2024-02-29"]),
        "recency": st.sampled_from(["", "0.2", "1"]),
    }
)
maps = st.fixed_dictionaries(
    {
        "theme": st.sampled_from(["", "1", "12"]),
        "name": st.text(unicode, max_size=12),
        "question": st.text(unicode, max_size=30),
        "filters": st.lists(filters, max_size=3),
    }
)
weighted = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 3))
spans = st.tuples(st.integers(0, 20), st.integers(0, 20))
marked = st.tuples(st.text("aé😀 .", max_size=20), st.lists(spans, max_size=5))
walks = st.lists(st.sampled_from(["undo", "redo", "new"]), max_size=30)


def several(cases: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(cases, min_size=1, max_size=25)


@pytest.fixture
def opened(page: Page) -> Page:
    page.open()
    return page


def each(page: Page, module: str, expression: str, cases: list[Any]) -> list[Any]:
    """What an expression over a module `m` gives for each case `c`."""
    answer = page.driver.execute_async_script(
        "const [cases, done] = arguments;"
        f"import(new URL('static/js/{module}', document.baseURI))"
        f".then((m) => cases.map((c) => {expression}))"
        ".then(done, (error) => done(String(error)))",
        cases,
    )
    assert isinstance(answer, list), answer
    return answer


@pytest.mark.parametrize(
    ("view", "state"), [("communities", communities), ("passages", questions), ("themes", maps)]
)
def test_an_address_says_all_of_a_view(opened: Page, view: str, state: Any):
    @few
    @given(several(state))
    def holds(states: list[Any]) -> None:
        back = each(opened, "address.js", f"m.parse(m.format('{view}', c))", states)
        assert back == [{"view": view, "state": state} for state in states]

    holds()


@few
@given(several(st.text(unicode, max_size=60)))
def test_any_address_is_read_without_an_error(opened: Page, ends: list[str]):
    starts = ("#/communities?", "#/passages?filter=", "#/similar?", "#")
    each(opened, "address.js", "m.parse(c)", [start + end for start in starts for end in ends])


@few
@given(several(st.lists(weighted, max_size=150)))
def test_drawn_ties_hang_together_as_all_ties_do(opened: Page, graphs: list[Any]):
    sent = []
    for edges in graphs:
        pairs = {(min(a, b), max(a, b)): weight / 4 for a, b, weight in edges if a != b}
        ties = [{"source": str(a), "target": str(b), "weight": w} for (a, b), w in pairs.items()]
        sent.append(ties)
    for ties, drawn in zip(
        sent, each(opened, "communities/ties.js", "m.drawnTies(c)", sent), strict=True
    ):
        whole, part = (nx.Graph((t["source"], t["target"]) for t in some) for some in (ties, drawn))
        assert all(tie in ties for tie in drawn) and part.number_of_edges() == len(drawn)
        assert parts(whole) == parts(part)
        assert len(drawn) <= 3 * whole.number_of_nodes()  # 4 ends of 2 a vertex, and the forest


def test_edges_of_seeds_are_always_drawn(opened: Page):
    spokes = [
        {"source": "hub", "target": str(i), "weight": 0.1, "in_graph": True} for i in range(30)
    ]
    alike = [
        {"source": str(a), "target": str(b), "weight": 0.9, "in_graph": False}
        for a in range(30) for b in range(a)
    ]  # fmt: skip
    expression = "m.drawnTies(c, [{id: 'hub', seed: true}])"
    (drawn,) = each(opened, "communities/ties.js", expression, [alike + spokes])
    assert all(spoke in drawn for spoke in spokes) and len(drawn) < len(alike)


def parts(graph: nx.Graph) -> set[frozenset[str]]:
    return set(map(frozenset, nx.connected_components(graph)))


@few
@given(several(st.lists(in_xml, min_size=2, max_size=6, unique=True)))
def test_graphml_brings_every_id_back(opened: Page, several_ids: list[list[str]]):
    expression = (
        "m.toGraphml({vertices: c.map((id) => ({id, seed: false, community: 1, score: 0.5})),"
        "edges: c.slice(1).map((target) => ({source: c[0], target, weight: 0.25}))})"
    )
    written = each(opened, "communities/export.js", expression, several_ids)
    for ids, text in zip(several_ids, written, strict=True):
        graph = nx.parse_graphml(text)
        assert set(graph) == set(ids) and graph.number_of_edges() == len(ids) - 1


def test_reasons_in_words(opened: Page):
    shared = {"seed": "ann", "shared_neighbors": 3, "examples": [], "adjacent": True}
    bare = shared | {"shared_neighbors": 0}
    many = shared | {"shared_neighbors": None, "adjacent": False}
    cases = [[shared], [bare], [many], [shared | {"adjacent": False}, shared], []]
    said = each(opened, "communities/members.js", "m.reasonInWords(c)", cases)
    assert said == [
        "3 neighbors shared with ann, linked to it",
        "linked to ann",
        "many neighbors shared with ann",
        "3 neighbors shared with ann; 3 neighbors shared with ann, linked to it",
        "reached through others",
    ]


@few
@given(several(st.lists(in_csv, max_size=6)))
def test_csv_brings_every_id_back(opened: Page, several_ids: list[list[str]]):
    expression = (
        "m.toCsv(c.map((id) => ({id, score: 1, scores: {pagerank: 0.5}, reason: []})), () => 3)"
    )
    written = each(opened, "communities/export.js", expression, several_ids)
    for ids, text in zip(several_ids, written, strict=True):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert [row["id"] for row in rows] == ids
        assert all((row["pagerank"], row["sub_community"]) == ("0.5", "3") for row in rows)


@few
@given(several(marked))
def test_highlighting_changes_no_character_and_marks_what_it_was_told(
    opened: Page, cases: list[tuple[str, list[tuple[int, int]]]]
):
    told = [
        (text, [{"start": a, "end": b, "entity": "e"} for a, b in cuts if a < b <= len(text)])
        for text, cuts in cases
    ]
    expression = (
        "m.highlighted(c[0], c[1], new Set(['e']), []).map((n) => [n.nodeName, n.textContent])"
    )
    shown = each(opened, "passages/highlight.js", expression, [list(case) for case in told])
    for (text, mentions), pieces in zip(told, shown, strict=True):
        assert "".join(piece for _, piece in pieces) == text
        marks = {piece for name, piece in pieces if name == "MARK"}
        assert marks <= {text[m["start"] : m["end"]] for m in mentions}
        assert bool(marks) == bool(mentions)


@few
@given(several(walks))
def test_undo_and_redo_are_those_of_a_list_with_a_cursor(opened: Page, cases: list[list[str]]):
    expression = (
        "(() => { const u = new m.Undo(); u.record({n: 0}); let next = 1;"
        "return c.map((step) => step === 'new' ? (u.record({n: next}), next++)"
        " : u[step]()?.n ?? null); })()"
    )
    for steps, seen in zip(cases, each(opened, "undo.js", expression, cases), strict=True):
        assert seen == cursor(steps)


def cursor(steps: list[str]) -> list[int | None]:
    states, at, fresh = [0], 0, count(1)
    seen: list[int | None] = []
    for step in steps:
        if step == "new":
            states[at + 1 :] = [next(fresh)]
        moved = at + (-1 if step == "undo" else 1)
        known = 0 <= moved < len(states)
        at = moved if known else at
        seen.append(states[at] if known else None)
    return seen
