"""Kernels that are compiled when they are first called: a process that calls none loads no numba.

Loading numba takes longer than most questions. `kernel` stands for `numba.njit(cache=True)`, with
the same compiled code, kept beside the source as ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from graphagg.errors import MissingExtra

P = ParamSpec("P")
R = TypeVar("R")

_LOCK = threading.RLock()


class Kernel(Generic[P, R]):
    """A function that numba compiles at its first call.

    Args:
        function: in numba's subset of Python; kernels that it calls are compiled with it.
        fastmath: let sums run in any order.
        nogil: let go of the interpreter's lock, so that threads run it side by side.
    """

    def __init__(
        self, function: Callable[P, R], *, fastmath: bool = False, nogil: bool = False
    ) -> None:
        self.function = function
        self._fastmath, self._nogil = fastmath, nogil
        self._compiled: Any = None
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it."""
        result: R = self.compiled()(*args, **kwargs)
        return result

    def __reduce__(self) -> str:
        """Sent to another process by its name."""
        return self.function.__qualname__

    def compiled(self) -> Any:
        """What numba makes of it; raises `MissingExtra` where numba is not installed."""
        if self._compiled is None:
            try:
                import numba
            except ImportError:
                raise MissingExtra("numba", "fast") from None
            with _LOCK:
                names = self.function.__globals__
                for name in self.function.__code__.co_names:
                    called = names.get(name)
                    # Numba calls what it compiled itself: the name stands for that from here.
                    if isinstance(called, Kernel) and called is not self:
                        names[name] = called.compiled()
                if self._compiled is None:
                    self._compiled = numba.njit(
                        cache=True, fastmath=self._fastmath, nogil=self._nogil
                    )(self.function)
        return self._compiled


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Compile a function when it is first called."""
    return Kernel(function)


def fast_kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Likewise, and let its sums run in SIMD lanes: their order follows from their lengths."""
    return Kernel(function, fastmath=True)


@kernel
def lower_bound(values: Any, low: int, high: int, value: Any) -> int:
    """The first place of ascending `values[low:high]` that is at least `value`, else `high`."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
