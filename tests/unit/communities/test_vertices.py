"""Type-ahead equals a look at every id."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.vertices import Vertices, prefix_ranges
from graphagg.graph.ids import VertexIds

small = st.integers(0, 3_000)
integers = st.lists(small | st.integers(0, 2**63 - 1), min_size=1, max_size=60, unique=True)
texts = st.lists(st.text("aAbBäÄßé-1", min_size=1, max_size=4), max_size=60, unique=True)


@given(ids=integers, prefix=st.integers(0, 400).map(str) | small.map(str) | st.just(""))
@example(ids=[0, 1, 9223372036854775807, 922], prefix="922")
def test_integers_are_found_by_their_digits(ids: list[int], prefix: str) -> None:
    table = VertexIds.of(ids)
    found = [table[i] for low, high in prefix_ranges(table, prefix) for i in range(low, high)]
    assert found == [i for i in table if str(i).startswith(prefix)]


@given(ids=texts, prefix=st.text("aAbBäÄßé-1", max_size=3))
def test_strings_are_found_as_written_or_in_another_case(ids: list[str], prefix: str) -> None:
    if not ids:
        return
    table = VertexIds.of(ids)
    found = [table[i] for low, high in prefix_ranges(table, prefix) for i in range(low, high)]
    cases = (prefix, prefix.lower(), prefix.upper(), prefix.title(), prefix.capitalize())
    assert found == [name for name in table if name.startswith(cases)]


@pytest.mark.parametrize("prefix", ["x", "-1", "1.5", "٣", "01", "1e3", " 1"])
def test_what_is_no_number_finds_no_integer(prefix: str) -> None:
    assert prefix_ranges(VertexIds.of([0, 1, 3, 10, 13]), prefix) == []


@given(
    pairs=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 150)), min_size=1, max_size=80),
    prefix=st.integers(0, 20).map(str) | st.just(""),
    limit=st.integers(1, 30),
)
def test_the_exact_id_comes_first_then_degree(pairs, prefix: str, limit: int) -> None:
    vertices = sorted({v for pair in pairs for v in pair})
    indptr = np.cumsum([0] + [sum(v in pair for pair in pairs) for v in vertices])
    neighborhoods = SimpleNamespace(sets=SimpleNamespace(indptr=indptr), walk=0)
    opened = SimpleNamespace(vertices=VertexIds.of(vertices), neighborhoods=neighborhoods)
    degree = dict(zip(vertices, np.diff(indptr).tolist(), strict=True))
    matching = [v for v in vertices if str(v).startswith(prefix)]
    ranked = sorted(matching, key=lambda v: (str(v) != prefix, -degree[v], v))
    listing = Vertices(opened).starting_with(prefix, limit)  # type: ignore[arg-type]
    assert list(listing.vertices) == [(v, degree[v]) for v in ranked[:limit]]
    assert listing.more is (len(matching) > limit)


@pytest.mark.parametrize("kind", ["directed-in", "directed-out", "two-mode"])
def test_neighbors_of_other_kinds_of_graph(tmp_path: Path, kind: str) -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("d", "a")]
    config = CommunityConfig(kind=kind)  # type: ignore[arg-type]
    with CommunityIndex.build(edges, tmp_path / "idx", config=config) as index:
        asked, listing = Vertices(index.snapshot).neighbors("a", 10)
    found = [each.id for each in listing.vertices]
    if kind == "two-mode":  # pairs of an element and a set: the elements of set a
        assert found == ["b", "c", "d"] and asked == ("a", 3)
    else:
        assert set(found) == {"b", "c", "d"}
        assert asked == ("a", 4)  # a -> b, and from b, c and d
