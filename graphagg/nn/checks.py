"""Checks of features, shared by all parts of `graphagg.nn`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from graphagg.errors import NotFinite


class _CheckState(threading.local):
    """Whether this thread is inside a model that has checked what its layers are given."""

    inside = False


_state = _CheckState()


@contextmanager
def skip_value_checks() -> Iterator[None]:
    """Skip checks of values inside the `with` block, because the model has made these values.

    A pass over each tensor, several times per layer, is a good part of the cost of a small batch.
    Shapes are checked all the same, and the model checks the last vectors.
    """
    before = _state.inside
    _state.inside = True
    try:
        yield
    finally:
        _state.inside = before


def checks_values() -> bool:
    """Whether values are checked: not in `skip_value_checks`, and not while compilers trace."""
    return not (torch.compiler.is_compiling() or _state.inside)


def check_finite(x: Tensor, name: str = "x") -> None:
    """Raise `NotFinite` with the first row of `x` `[N, ...]` that holds NaN or infinity.

    Finite features cost one pass over memory.
    """
    if _state.inside:
        return
    # The sum is finite only if all is, but for sums that overflow: those are looked at again.
    values = x.detach()
    if bool(torch.isfinite(values.sum())):
        return
    bad = ~torch.isfinite(values).flatten(1).all(1) if x.dim() > 1 else ~torch.isfinite(values)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise NotFinite(
            f"row {row} of {name} holds NaN or infinity, as do {int(bad.sum())} rows in all; "
            "wanted finite values: replace or remove them first"
        )
