"""Checks that features are finite. All parts of `graphagg.nn` use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from graphagg.errors import NotFinite

_inside = ContextVar("inside", default=False)
"""Whether this thread is inside a model that has checked the input of its layers."""


@contextmanager
def skip_value_checks() -> Iterator[None]:
    """Skip value checks inside the `with` block, for values that the model computed.

    Reading each tensor several times per layer is a large part of the cost of a small batch.
    Shapes are still checked, and the model checks its final vectors.
    """
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def checks_values() -> bool:
    """Return whether to check values: not in `skip_value_checks`, nor while compilers trace."""
    return not (torch.compiler.is_compiling() or _inside.get())


def check_finite(x: Tensor, name: str = "x") -> None:
    """Raise `NotFinite` with the first row of `x` `[N, ...]` that holds NaN or infinity."""
    if _inside.get():
        return
    # One pass: if the sum is finite, all terms are. If it is not, check again, as it may overflow.
    if bool(torch.isfinite(x.detach().sum())):
        return
    bad = ~torch.isfinite(x.detach().reshape(len(x), -1)).all(1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise NotFinite(
            f"row {row} of {name} holds NaN or infinity, as do {int(bad.sum())} rows in all; "
            "expected finite values: replace or remove them first"
        )
