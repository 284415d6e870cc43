"""ElstaticSE: statistics of the potentials between vertices (GraphGPS arXiv 2205.12454)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data

from graphagg.arrays import Doubles
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.encodings.structure import Component, components, laplace_structure

_BLOCK = 128


@dataclass(frozen=True)
class ElstaticSE(Encoding):
    """`electrostatic` `[N, 10]`: how a unit charge at one vertex is felt at the others.

    With G the pseudo-inverse of D - W, the potential at u of a charge at v, less that at v itself,
    is V(u, v) = G_uv - G_vv, at most 0. For a vertex v, over the other vertices u of its component:

        0-3  minimum, maximum, mean and standard deviation of V(u, v): v is charged
        4-7  the same of V(v, u): v feels the charges of the others
        8    mean of V(u, v) over the neighbors u, weighted by the edges
        9    mean of V(v, u) over the neighbors u, weighted by the edges

    The standard deviation divides by n. A vertex without neighbors gives 0.

    Departures from the code of GraphGPS, which has ten such statistics too: its maximum is taken
    twice over the same axis, and, as u = v is included, is 0 in every graph; here the charged
    vertex itself is left out of every statistic. It takes the differences between components, whose
    potentials have nothing to do with each other; here each component stands alone. The deviation
    of one value is NaN there.

    Components below `dense_below` vertices are inverted, O(n^3). Above, D - W with one vertex
    grounded is factorized once and solved for 128 columns at a time: O(n^2) numbers are looked
    at, O(128 n) are held beside the factor. The factor of a large graph that is not nearly planar
    can be too large for the memory.

    Attributes:
        dense_below: number of vertices from which a component is solved without a dense matrix.
        dtype: of the attributes written.
    """

    names: ClassVar[tuple[str, ...]] = ("electrostatic",)
    dense_below: int = 1000
    dtype: torch.dtype = torch.float32

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`electrostatic` of `data`."""
        structure = laplace_structure(data)
        statistics = np.zeros((structure.vertices, 10))
        for component in components(structure):
            if component.size > 1:
                statistics[component.vertices] = self._statistics(component)
        return {"electrostatic": statistics}

    def _statistics(self, component: Component) -> Doubles:
        size = component.size
        columns, block = _pseudo_inverse(component, size < self.dense_below)
        transition = component.sparse() / component.degrees[:, None]
        out = np.zeros((size, 10))
        felt = _Moments(size)
        for start in range(0, size, block):
            stop = min(start + block, size)
            potential = columns(start, stop)
            charged = np.arange(stop - start)
            potential -= potential[charged + start, charged]
            out[start:stop, 8] = (potential.T * transition[start:stop].toarray()).sum(axis=1)
            # Row u of the transition holds the neighbors v whose charges u feels.
            out[:, 9] += np.asarray(
                transition[:, start:stop].multiply(potential).sum(axis=1)
            ).ravel()
            potential[charged + start, charged] = np.nan
            out[start:stop, :4] = _statistics(potential.T)
            felt.add(potential)
        out[:, 4:8] = felt.statistics()
        return out


def _statistics(values: Doubles) -> Doubles:
    """Minimum, maximum, mean and deviation of each row but its NaN, `[rows, 4]`."""
    statistics = (np.nanmin, np.nanmax, np.nanmean, np.nanstd)
    return np.column_stack([statistic(values, axis=1) for statistic in statistics])


class _Moments:
    """The statistics of rows whose columns come in blocks (Chan, Golub and LeVeque 1983)."""

    def __init__(self, rows: int) -> None:
        self.count = np.zeros(rows)
        self.mean, self.squares = np.zeros(rows), np.zeros(rows)
        self.least, self.most = np.full(rows, np.inf), np.full(rows, -np.inf)

    def add(self, values: Doubles) -> None:
        """Take in `[rows, w]`, without their NaN."""
        there = ~np.isnan(values)
        count = there.sum(axis=1)
        filled = np.where(there, values, 0.0)
        mean = filled.sum(axis=1) / np.maximum(count, 1)
        squares = (np.where(there, values - mean[:, None], 0.0) ** 2).sum(axis=1)
        total = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self.mean += apart * count / total
        self.squares += squares + apart**2 * self.count * count / total
        self.count += count
        self.least = np.minimum(self.least, np.where(there, values, np.inf).min(axis=1))
        self.most = np.maximum(self.most, np.where(there, values, -np.inf).max(axis=1))

    def statistics(self) -> Doubles:
        """Minimum, maximum, mean and deviation, `[rows, 4]`."""
        return np.column_stack(
            [self.least, self.most, self.mean, np.sqrt(self.squares / self.count)]
        )


def _pseudo_inverse(component: Component, dense: bool) -> tuple[Callable[[int, int], Doubles], int]:
    """Columns `start:stop` of the pseudo-inverse of D - W, and how many to ask for at once."""
    size = component.size
    if dense:
        matrix = np.diag(component.degrees) - component.dense() + 1 / size
        whole: Doubles = np.asarray(np.linalg.inv(matrix) - 1 / size, dtype=np.float64)
        return lambda start, stop: whole[:, start:stop].copy(), size
    solve = _grounded(component)
    # G = (I - J) M (I - J), with M the inverse of the grounded Laplacian and J the means.
    means = solve(np.ones((size, 1)))[:, 0] / size
    mean = means.mean()

    def columns(start: int, stop: int) -> Doubles:
        charges = np.zeros((size, stop - start))
        charges[np.arange(start, stop), np.arange(stop - start)] = 1.0
        potentials: Doubles = solve(charges) - means[:, None] - means[start:stop] + mean
        return potentials

    return columns, _BLOCK


def _grounded(component: Component) -> Callable[[Doubles], Doubles]:
    """Solves with D - W, vertex 0 held at potential 0: `[n, w]` to `[n, w]`."""
    from scipy.sparse import csc_array, diags_array
    from scipy.sparse.linalg import splu

    laplacian = csc_array(diags_array(component.degrees) - component.sparse())
    factor = splu(
        csc_array(laplacian[1:, 1:]),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )

    def solve(charges: Doubles) -> Doubles:
        potentials = np.zeros_like(charges)
        potentials[1:] = factor.solve(charges[1:])
        return potentials

    return solve
