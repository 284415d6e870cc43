"""Ids are found, missed and merged as their types say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from graphagg.errors import InvalidGraph, UnknownVertex
from graphagg.graph import VertexIds


def test_find_and_closest_integers():
    ids = VertexIds.of([5, 1, 90, 40])
    assert list(ids) == [1, 5, 40, 90]
    assert ids.find(40) == 2
    assert ids.find("40") == 2
    assert [ids.find(x) for x in (41, -1, 2**70, "x", True, 1.0, None)] == [None] * 7
    assert ids.closest(41) == [40, 5, 1]
    assert ids.closest("nobody") == [1, 5, 40]


def test_find_and_closest_strings():
    ids = VertexIds.of(["Cosette", "Marius", "Javert", "café"])
    assert ids.find("Marius") == 2
    assert ids.find(3) is None
    assert ids.closest("Cosete", 1) == ["Cosette"]
    assert ids.closest("cafe", 1) == ["café"]


@pytest.mark.parametrize(
    "typed", ["pytho3-numpy", "pyhton3-numpy", "python3-numpx", "xpython3-numpy"]
)
def test_a_name_one_letter_away_is_found_among_many(typed):
    """Thousands of names stand between it and its place in the order."""
    others = [f"py{letter}{i:04}-numpy" for letter in "athizo" for i in range(1_000)]
    ids = VertexIds.of(["python3-numpy", *others, *(f"python{i}-doc" for i in range(5_000))])
    assert ids.closest(typed, 1) == ["python3-numpy"]
    assert VertexIds.of(["b", "a" * 50]).closest("", 5) == ["b", "a" * 50]
    with pytest.raises(UnknownVertex, match=r"'gmip' is not .* closest ids are 'gimp'"):
        VertexIds.of(["gimp", "gnome", "zip"]).known("gmip")


def test_positions_and_union():
    a, b = VertexIds.of([1, 3, 5]), VertexIds.of([3, 4])
    assert list(a.union(b)) == [1, 3, 4, 5]
    assert a.positions(b).tolist() == [1, -1]
    s, t = VertexIds.of(["x", "y"]), VertexIds.of(["a", "y"])
    assert list(s.union(t)) == ["a", "x", "y"]
    assert s.positions(t).tolist() == [-1, 1]
    with pytest.raises(InvalidGraph, match="some vertex ids are integers"):
        a.union(s)


def test_tokens():
    wide = 2**32 + 7
    assert VertexIds.of([3, 2**32 - 1, wide]).tokens().tolist() == [3, 2**32 - 1, 1 ^ 7]
    digest = hashlib.sha1(b"Cosette").digest()[:4]
    token = VertexIds.of(["Cosette"]).tokens()
    assert token.dtype == np.uint32
    assert token[0] == int.from_bytes(digest, "little")
