"""Checks of features that all parts of `graphagg.nn` make."""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.errors import NotFinite


def check_finite(x: Tensor, name: str = "x") -> None:
    """Refuse NaN and infinity; one pass over memory where all is well.

    Args:
        x: `[N, ...]`.
        name: what messages call it.

    Raises:
        NotFinite: names the first row that is not finite.
    """
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
