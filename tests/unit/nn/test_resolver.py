"""Objects by their names: what is found, and how an unknown name or option is refused."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidDataset, InvalidParameter
from graphagg.nn.aggr import aggregation
from graphagg.nn.attention import attention
from graphagg.nn.conv import local
from graphagg.nn.encodings import encoder
from graphagg.nn.presets import preset
from graphagg.nn.resolver import build, find

REGISTRY = {"exact": 1, "PerFormer": 2, "elu": 3}


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
def test_a_name_is_in_the_registry_or_refused_with_all_that_are(name: object) -> None:
    if name in list(REGISTRY):
        assert find("attention", name, REGISTRY) == REGISTRY[str(name)]
        return
    with pytest.raises(InvalidParameter) as error:
        find("attention", name, REGISTRY, "a module")
    said = str(error.value)
    assert said.startswith("no attention is named ")
    assert said.endswith("; wanted one of exact, PerFormer, elu, or a module")


@pytest.mark.parametrize(("name", "near"), [("exakt", "exact"), ("performer", "PerFormer")])
def test_the_nearest_name_is_proposed_whatever_its_case(name: str, near: str) -> None:
    with pytest.raises(InvalidDataset, match=rf"'{name}' \(did you mean '{near}'\?\); wanted"):
        find("attention", name, REGISTRY, error=InvalidDataset)


def test_a_name_of_a_megabyte_is_cut_and_not_matched_for_minutes() -> None:
    with pytest.raises(InvalidParameter) as error:
        find("attention", "e" * 10**6, REGISTRY)
    assert len(str(error.value)) < 300


def _make(width: int, *, depth: int = 1, norm: bool = True) -> tuple[int, int, bool]:
    return width, depth, norm


def test_options_are_those_of_the_function_less_what_is_set() -> None:
    assert build("a part", _make, 3, depth=2) == (3, 2, True)
    assert build("a part", partial(_make, norm=False), 3, depth=2) == (3, 2, False)
    with pytest.raises(InvalidParameter, match=r"^a part has no option 'width'; .* depth, norm$"):
        build("a part", _make, 3, width=2)
    with pytest.raises(InvalidParameter, match=r"'norm'; wanted some of depth$"):
        build("a part", partial(_make, norm=False), 3, norm=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda name: aggregation(name, 8),
        lambda name: attention(name, 8),
        lambda name: local(name, 8),
        lambda name: encoder(name, 8),
        preset,
    ],
    ids=["aggr", "attention", "conv", "encodings", "presets"],
)
@pytest.mark.parametrize("name", ["exakt", "", None, 3])
def test_each_registry_refuses_in_the_same_words(call, name: object) -> None:
    with pytest.raises(Exception, match=rf"^no [a-z ]+ is named {name!r}.*; wanted one of "):
        call(name)
