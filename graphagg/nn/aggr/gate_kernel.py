"""The elementwise parts of `SymmetricGate` on a CPU, each in one pass over the rows.

PyTorch would need a dozen operations for them, each allocating a tensor. PyTorch computes the
matrix products between them, in `fold.py`. `values` is `[rows, d]`: the elements of a
block, then its nodes; node i combines rows a = `left[i]` and b = `right[i]`. For P nodes, `total`
is a + b, `apart` |a - b|, `z` the gate and `s` = sigmoid(2 n), so that tanh(n) = 2 s - 1; all are
`[P, d]`.
"""

from __future__ import annotations

from typing import Any

from graphagg.kernels import kernel


@kernel(checked=False, nogil=True)
def join(values: Any, left: Any, right: Any, total: Any, apart: Any) -> None:
    """Write a + b and |a - b| of each pair."""
    width = values.shape[1]
    for i in range(len(left)):
        a, b = values[left[i]], values[right[i]]
        for k in range(width):
            total[i, k] = a[k] + b[k]
            apart[i, k] = abs(a[k] - b[k])


@kernel(checked=False, nogil=True)
def mix(total: Any, apart: Any, z: Any, s: Any, out: Any) -> None:
    """Write psi = (1 - z) max(a, b) + z tanh(n) into `out` `[P, d]`."""
    width, one, half = out.shape[1], out.dtype.type(1), out.dtype.type(0.5)
    for i in range(len(out)):
        for k in range(width):
            largest = half * (total[i, k] + apart[i, k])
            out[i, k] = largest + z[i, k] * (s[i, k] + s[i, k] - one - largest)


@kernel(checked=False, nogil=True)
def unmix(total: Any, apart: Any, z: Any, s: Any, grad: Any) -> None:
    """Overwrite `z` and `s` with the gradients of the inputs of the sigmoids.

    `grad` `[P, d]`, the gradient of psi, becomes half of that of max(a, b).
    """
    width, one, half = grad.shape[1], grad.dtype.type(1), grad.dtype.type(0.5)
    for i in range(len(grad)):
        for k in range(width):
            largest = half * (total[i, k] + apart[i, k])
            g, gate, candidate = grad[i, k], z[i, k], s[i, k]
            z[i, k] = g * gate * (one - gate) * (candidate + candidate - one - largest)
            s[i, k] = g * gate * (candidate + candidate) * (one - candidate)
            grad[i, k] = half * g * (one - gate)


@kernel(checked=False, nogil=True)
def part(grad: Any, grad_total: Any, grad_apart: Any, left: Any, right: Any, values: Any) -> None:
    """Overwrite the values of both children of each node with their gradients.

    `grad` is the result of `unmix`. A row is the child of at most one node.
    """
    width = values.shape[1]
    for i in range(len(left)):
        a, b = values[left[i]], values[right[i]]
        for k in range(width):
            of_total, of_apart = grad_total[i, k] + grad[i, k], grad_apart[i, k] + grad[i, k]
            if a[k] < b[k]:
                of_apart = -of_apart
            elif a[k] == b[k]:
                of_apart -= of_apart
            a[k], b[k] = of_total + of_apart, of_total - of_apart
