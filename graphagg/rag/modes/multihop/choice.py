"""The choice of passages, one after another, by what no chosen one holds yet."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.outcome import Candidates, Outcome


def choose(
    outcome: Outcome, config: MultihopConfig, k: int
) -> tuple[list[int], list[tuple[float, float]]]:
    """Choose passages one after another, by score and by what they are the first to hold.

    Returns:
        Positions in the order of choice, and the gains of each.
    """
    candidates, eligible = outcome.candidates, outcome.eligible
    covers, pages = candidates.covers, candidates.pages
    terms, sides = np.zeros(covers.shape[1]), np.zeros(pages.shape[1])  # held by what is chosen
    remaining = np.where(eligible, outcome.score, -np.inf)
    chosen: list[int] = []
    gains: list[tuple[float, float]] = []
    for _ in range(min(k, int(eligible.sum()))):
        of_terms, of_sides = gains_of(candidates, outcome.weights, terms, sides)
        # argmax takes the first of equals: the lower id
        best = int((remaining + config.coverage * of_terms + config.side * of_sides).argmax())
        chosen.append(best)
        gains.append((float(of_terms[best]), float(of_sides[best])))
        remaining[best] = -np.inf
        terms, sides = np.maximum(terms, covers[best]), np.maximum(sides, pages[best])
    return chosen, gains


def gains_of(
    candidates: Candidates, weights: Array, terms: Array, sides: Array
) -> tuple[Array, Array]:
    """What each candidate adds to the terms `[t]` and pages `[e]` that are held, `[n]` each."""
    new_terms = weighted(np.maximum(candidates.covers - terms, 0.0), weights)
    return new_terms, np.maximum(candidates.pages - sides, 0.0).sum(axis=1)


def weighted(values: Array, weights: Array) -> Array:
    """Weighted sums of rows, `[n]`; BLAS would round a row by how many rows there are."""
    sums: Array = (values * weights).sum(axis=1)
    return sums
