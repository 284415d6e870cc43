"""Compiled functions: numba compiles each at its first call, so importing one does not load numba.

Loading numba takes longer than answering most questions. `kernel` stands for `numba.njit` with
`cache=True`: compiled code is kept on disk beside the source.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from graphagg.errors import MissingExtra

P = ParamSpec("P")
R = TypeVar("R")

_LOCK = threading.RLock()


class Kernel(Generic[P, R]):
    """A function that numba compiles at its first call; made by `kernel`."""

    def __init__(self, function: Callable[P, R], options: dict[str, bool]) -> None:
        self.function = function
        self._options = options
        self._compiled: Any = None
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the compiled function."""
        compiled = self.compiled() if self._compiled is None else self._compiled
        result: R = compiled(*args, **kwargs)
        return result

    def __reduce__(self) -> str:
        """Pickle by name, for another process."""
        return self.function.__qualname__

    def compiled(self) -> Any:
        """The dispatcher of numba; raises `MissingExtra` where numba is not installed."""
        with _LOCK:
            if self._compiled is None:
                self._compiled = _numba().njit(cache=True, **self._options)(self.function)
        return self._compiled


@overload
def kernel(function: Callable[P, R], /) -> Kernel[P, R]: ...
@overload
def kernel(
    *, fastmath: bool = False, nogil: bool = False
) -> Callable[[Callable[P, R]], Kernel[P, R]]: ...
def kernel(
    function: Callable[P, R] | None = None, /, *, fastmath: bool = False, nogil: bool = False
) -> Any:
    """Compile a function when it is first called: `@kernel` or `@kernel(nogil=True)`.

    Args:
        function: a function in numba's subset of Python; it may call other kernels.
        fastmath: let sums run in SIMD lanes; their order follows from their lengths.
        nogil: release the interpreter's lock, so that threads run the function side by side.

    Examples:
        >>> @kernel
        ... def square(x: float) -> float:
        ...     return x * x
        >>> square.function(3.0)
        9.0
    """
    if function is None:
        return lambda f: Kernel(f, {"fastmath": fastmath, "nogil": nogil})
    return Kernel(function, {})


@cache
def _numba() -> Any:
    """Load numba, and let it take a `Kernel` that another kernel calls as its compiled function."""
    try:
        import numba
        from numba.extending import typeof_impl
    except ImportError:
        raise MissingExtra("numba", "fast") from None

    @typeof_impl.register(Kernel)  # type: ignore[untyped-decorator, unused-ignore]
    def typeof_kernel(value: Kernel[..., Any], context: Any) -> Any:
        return numba.typeof(value.compiled())  # type: ignore[no-untyped-call]

    return numba


@kernel
def lower_bound(values: Any, low: int, high: int, value: Any) -> int:
    """The first position of ascending `values[low:high]` with at least `value`, else `high`."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
