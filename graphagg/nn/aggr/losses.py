"""Losses that measure how far a learned operator is from a commutative monoid.

The tree of arXiv 2212.08541 returns the same result for every order of a neighborhood only if the
operator is associative and commutative, and the value of an empty neighborhood must be the
identity. The loss of each law is a mean squared difference; add it to a training loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class MonoidLosses:
    """Differentiable losses, one per law of a commutative monoid.

    Attributes:
        associativity: mean square of psi(psi(a, b), c) - psi(a, psi(b, c)).
        commutativity: mean square of psi(a, b) - psi(b, a); 0 for the operators of this package.
        identity: mean square of psi(e, a) - a and psi(a, e) - a.
    """

    associativity: Tensor
    commutativity: Tensor
    identity: Tensor

    @property
    def total(self) -> Tensor:
        """Sum of the three losses."""
        return self.associativity + self.commutativity + self.identity


def monoid_losses(
    operator: nn.Module, rows: Tensor, identity: Tensor, triples: int = 256
) -> MonoidLosses:
    """Compute the losses on triples of rows drawn with replacement.

    Args:
        operator: psi(a, b) on `[P, d]`.
        rows: `[N, d]`; if it is empty, the losses are computed on the identity alone.
        identity: `[d]`.
        triples: P.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import SymmetricGRU, monoid_losses
        >>> losses = monoid_losses(SymmetricGRU(4), torch.randn(9, 4), torch.zeros(4))
        >>> bool(losses.commutativity == 0)
        True
    """
    if not len(rows):
        rows = identity.detach().unsqueeze(0)
    drawn = torch.randint(len(rows), (3, triples), device=rows.device)
    a, b, c = rows[drawn]
    ab, e = operator(a, b), identity.to(rows.dtype).expand_as(a)
    return MonoidLosses(
        associativity=_mean_square(operator(ab, c) - operator(a, operator(b, c))),
        commutativity=_mean_square(ab - operator(b, a)),
        identity=0.5 * (_mean_square(operator(e, a) - a) + _mean_square(operator(a, e) - a)),
    )


def _mean_square(difference: Tensor) -> Tensor:
    return difference.square().mean()
