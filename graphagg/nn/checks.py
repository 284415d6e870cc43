"""Checks of features that all parts of `graphagg.nn` make."""

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
    """Inside, the parts of a model do not look again at values that it has checked or made.

    A pass over each tensor and a wait for its result, several times per layer, are a good part of
    what a small batch costs. Shapes are checked all the same. The model looks at the last vectors.
    """
    before = _state.inside
    _state.inside = True
    try:
        yield
    finally:
        _state.inside = before


def checks_values() -> bool:
    """Whether checks read values: not inside `skip_value_checks`, and not while compilers trace."""
    return not (torch.compiler.is_compiling() or _state.inside)


def check_finite(x: Tensor, name: str = "x") -> None:
    """Refuse NaN and infinity; one pass over memory where all is well.

    Args:
        x: `[N, ...]`.
        name: what messages call it.

    Raises:
        NotFinite: names the first row that is not finite.
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
