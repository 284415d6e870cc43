"""The stored view is compared with its ties before the first answer."""

from __future__ import annotations

import numpy as np
import pytest

from graphagg.rag.snapshot.layout import _check_view
from graphagg.rag.tables.view import IS_TITLE, MENTIONS

ARRAYS = {
    "gazetteer.pair_bounds": np.array([0, 2, 2, 4]),
    "view.tie": np.array([IS_TITLE | MENTIONS, 0, MENTIONS, IS_TITLE], np.uint8),
    "view.df": np.array([1, 0, 2], np.int32),
    "view.titled": np.array([0, 3]),
}


def test_a_view_agrees_with_its_ties() -> None:
    assert _check_view(ARRAYS.__getitem__) is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("view.titled", [0]),
        ("view.titled", [0, 2]),
        ("view.titled", [0, 3, 3]),
        ("view.df", [1, 1, 2]),
    ],
)
def test_a_view_that_differs_from_its_ties_is_named(name: str, values: list[int]) -> None:
    found = _check_view((ARRAYS | {name: np.array(values)}).__getitem__)
    assert found == (name, "differs from view.tie.npy")
