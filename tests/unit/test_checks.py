"""Parameter checks: what passes, what does not, and how it is said."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.checks import integer, number, one_of
from graphagg.errors import InvalidParameter


@given(st.integers(), st.integers(), st.integers())
def test_an_integer_passes_inside_its_bounds_only(value, least, width):
    most = least + abs(width)
    if least <= value <= most:
        assert integer("k", value, least, most) == value
    else:
        with pytest.raises(InvalidParameter, match=f"^k is .* expected an integer from {least} to"):
            integer("k", value, least, most)


@given(st.floats())
def test_a_number_is_finite_and_inside_its_bounds(value):
    if math.isfinite(value) and 0 < value <= 1:
        assert number("share", value, above=0, most=1) == value
    else:
        with pytest.raises(
            InvalidParameter, match="expected a finite number above 0 and of at most 1"
        ):
            number("share", value, above=0, most=1)


@pytest.mark.parametrize("value", [True, np.True_, "3", None, [3], 3.0, 10, np.float32(3)])
def test_what_is_no_small_integer_is_named(value):
    with pytest.raises(InvalidParameter, match=r"^k is .{1,110}, expected an integer from 1 to 9$"):
        integer("k", value, 1, 9)


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3)])
def test_integers_of_numpy_pass(value):
    assert type(integer("k", value, 1)) is int


@pytest.mark.parametrize("value", [True, "x", None, math.nan, math.inf, 10**400, 1 + 0j])
def test_what_is_no_finite_number_is_named(value):
    with pytest.raises(InvalidParameter, match=r"^rate is .*, expected a finite number$"):
        number("rate", value)


def test_numbers_of_other_libraries_pass():
    assert number("rate", Fraction(1, 2)) == number("rate", np.float32(0.5)) == 0.5


def test_a_choice_is_one_of_those():
    assert one_of("mode", "a", ("a", "b")) == "a"
    with pytest.raises(InvalidParameter, match=r"^mode is 'c', expected one of a, b$"):
        one_of("mode", "c", ("a", "b"))


def test_an_integer_of_thousands_of_digits_is_named_too():
    with pytest.raises(
        InvalidParameter, match=r"^k is an integer of thousands of digits, expected"
    ):
        integer("k", 10**5000, 1, 9)
