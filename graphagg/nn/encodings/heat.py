"""HKdiagSE: the diagonal of the heat kernel (GraphGPS arXiv 2205.12454, Table 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data

from graphagg.arrays import Doubles
from graphagg.checks import number
from graphagg.errors import InvalidParameter
from graphagg.nn.encodings.adjacency import (
    Component,
    CompressedRows,
    components,
    symmetric_adjacency,
)
from graphagg.nn.encodings.balls import chebyshev_diagonal
from graphagg.nn.encodings.base import Encoding

_TIMES = tuple(float(t) for t in range(1, 21))
_TAIL = 1e-12  # Chebyshev coefficients below this are left out


@dataclass(frozen=True)
class HKdiagSE(Encoding):
    """`heat` `[N, T]`: sum over the eigenvalues l > 0 of exp(-t l) phi(v)^2, for each time t.

    The Laplacian is D - W of the undirected graph without self-loops. This is the heat left at v
    at time t of a unit put there at time 0, less 1/n, what stays forever on its component of n
    vertices (`trivial=True` keeps that).

    Components below `dense_below` vertices are solved by an eigendecomposition, O(n^3). Above,
    exp(-t L) is expanded in Chebyshev polynomials, whose diagonals are inner products of vectors
    T_k(L) e_v that reach k hops, all times at once; exact to 1e-12. The degree is about
    sqrt(30 t l_max) (and half of that is the radius of the balls), so that on a large graph with
    hubs small times are cheap and large ones are not: O(sum over the vertices of the entries in
    the ball, times the degree).

    Source: GraphGPS, arXiv 2205.12454 (exp(-t l), as its code does, not exp(-2 t l), as a comment
    there says).

    Attributes:
        times: t of each column, positive.
        trivial: keep the part of the eigenvalue 0.
        dense_below: number of vertices from which a component is solved without a dense matrix.
        dtype: of the attributes written.
    """

    names: ClassVar[tuple[str, ...]] = ("heat",)
    times: tuple[float, ...] = _TIMES
    trivial: bool = False
    dense_below: int = 500
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        times = tuple(number("times", time, above=0.0) for time in self.times)
        object.__setattr__(self, "times", times)
        if not times:
            raise InvalidParameter("times is (), wanted at least one positive number")

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`heat` of `data`."""
        adjacency = symmetric_adjacency(data)
        heat = np.zeros((adjacency.matrix.shape[0], len(self.times)))
        for component in components(adjacency):
            if component.size == 1:
                diagonals = np.ones((1, len(self.times)))
            elif component.size < self.dense_below:
                diagonals = self._dense(component)
            else:
                diagonals = self._expanded(component)
            heat[component.vertices] = diagonals if self.trivial else diagonals - 1 / component.size
        return {"heat": heat}

    def _dense(self, component: Component) -> Doubles:
        matrix = np.diag(component.degrees) - component.matrix.toarray()
        values, vectors = np.linalg.eigh(matrix)
        diagonals: Doubles = vectors**2 @ np.exp(-np.outer(np.maximum(values, 0), self.times))
        return diagonals

    def _expanded(self, component: Component) -> Doubles:
        bound = component.laplacian_bound
        coefficients = chebyshev_coefficients(np.array(self.times) * bound / 2)
        scaled = CompressedRows.from_matrix(component.matrix, component.matrix.data * (-2 / bound))
        diagonal = component.degrees * (2 / bound) - 1
        moments = chebyshev_diagonal(scaled, diagonal, len(coefficients) - 1)
        diagonals: Doubles = moments @ coefficients
        return diagonals


def chebyshev_coefficients(times: Doubles) -> Doubles:
    """`[degree + 1, T]`: exp(-s (x + 1)) = sum_k c_k(s) T_k(x) on [-1, 1], for each s of `times`.

    c_k = (2 - [k = 0]) (-1)^k exp(-s) I_k(s); the degree is where all that is left is below 1e-12.
    """
    from scipy.special import ive

    most = int(10 + 4 * times.max() ** 0.5 * 6 + 40)
    orders = np.arange(most)
    coefficients: Doubles = 2 * (-1.0) ** orders[:, None] * ive(orders[:, None], times[None, :])
    coefficients[0] /= 2
    needed = int(np.nonzero(np.abs(coefficients).max(axis=1) > _TAIL)[0].max())
    return coefficients[: needed + 1]
