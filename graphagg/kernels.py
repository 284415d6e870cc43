"""Functions that numba compiles at their first call, so importing them does not load numba.

Compiling a function takes seconds, and loading numba takes longer than answering most questions.
`kernel(small=True)` lets Python run the function uncompiled while its inputs are small, until this
has cost about as much as loading the compiled code would. `kernel` is `numba.njit` with
`cache=True`: compiled code is cached on disk beside the source.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, update_wrapper
from pathlib import Path
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, overload

from graphagg.errors import MissingExtra, needs

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 0.5
"""Total CPU seconds for which Python runs one kernel before numba compiles it."""
_SILENT = 2.0  # seconds of compilation before a message is logged

_LOG = logging.getLogger("graphagg")
_LOCK = threading.RLock()
_THREAD = threading.local()


class Kernel(Generic[P, R]):
    """A function that numba compiles; created by `kernel`.

    Attributes:
        small_rows: maximum total rows of a call's arrays for Python to run it; 0: always compile.
    """

    small_rows: ClassVar[int] = 1 << 14

    def __init__(
        self, function: Callable[P, R], options: dict[str, bool], small: bool = False
    ) -> None:
        self.function, self._options = function, options
        self._compiled: Any = None
        self._patience = PATIENCE if small else 0.0
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function, either compiled or in Python."""
        if getattr(_THREAD, "interprets", False):  # called by a kernel that Python runs
            return self.function(*args, **kwargs)
        result: R
        if self._compiled is None and self._patience > 0 and _rows(args) <= self.small_rows:
            result = self._interpret(args, kwargs)
        else:
            compiled = self.compiled() if self._compiled is None else self._compiled
            try:
                result = compiled(*args, **kwargs)
            except (AttributeError, ImportError):  # the cache refers to classes of another version
                _remove_cache()
                result = compiled(*args, **kwargs)
        return result

    def _interpret(self, args: Any, kwargs: Any) -> Any:
        """Run the function in Python; return the same value as the compiled function."""
        import numpy as np

        begin, _THREAD.interprets = time.thread_time(), True
        try:
            with np.errstate(over="ignore"):  # hashes wrap around
                return _unboxed(self.function(*args, **kwargs))
        finally:
            _THREAD.interprets = False
            self._patience -= time.thread_time() - begin

    def __reduce__(self) -> str:
        """Pickle the kernel by name, to send it to another process."""
        return self.function.__qualname__

    def compiled(self) -> Any:
        """Return numba's dispatcher; raises `MissingExtra` if numba is not installed."""
        with _LOCK:
            if self._compiled is None:
                # Skip the entry point for C, which is never used: compiling takes a fifth less.
                options = {"cache": True, "no_cfunc_wrapper": True, **self._options}
                self._compiled = _numba().njit(**options)(self.function)
        return self._compiled


@overload
def kernel(function: Callable[P, R], /) -> Kernel[P, R]: ...
@overload
def kernel(
    *, checked: bool = True, fastmath: bool = False, nogil: bool = False, small: bool = False
) -> Callable[[Callable[P, R]], Kernel[P, R]]: ...
def kernel(
    function: Callable[P, R] | None = None,
    /,
    *,
    checked: bool = True,
    fastmath: bool = False,
    nogil: bool = False,
    small: bool = False,
) -> Any:
    """Compile a function when it is first called: `@kernel` or `@kernel(nogil=True)`.

    Args:
        function: a function in numba's subset of Python; it may call other kernels.
        checked: raise `IndexError` for an index out of range, as Python does, instead of accessing
            other memory. Set it to False only if this process computed or checked every index
            (`graphagg.store.layout`); such loops can be vectorized.
        fastmath: let sums use SIMD lanes; the order of summation depends only on the length.
        nogil: release the GIL, so that several threads can run the function in parallel.
        small: let Python run it on small inputs. The results must be bit-identical: Python does
            not widen numbers, so convert values of 8, 16 or 32 bits before adding them up.

    Examples:
        >>> @kernel(small=True)
        ... def square(x: float) -> float:
        ...     return x * x
        >>> square(3.0)
        9.0
    """
    if function is None:
        options = {"boundscheck": checked, "fastmath": fastmath, "nogil": nogil}
        return lambda f: Kernel(f, options, small)
    return Kernel(function, {"boundscheck": True})


def load() -> None:
    """Load numba if it is installed, so that later calls need not wait for it."""
    with suppress(MissingExtra):
        _numba()


def _remove_cache() -> None:
    """Remove the cache beside the sources; numba loads it before it compares versions."""
    for file in Path(__file__).parent.rglob("__pycache__/*.nb[ic]"):
        with suppress(OSError):
            file.unlink()


@cache
def _numba() -> Any:
    """Load numba and register `Kernel`, so that compiled kernels can call other kernels."""
    with needs("numba", "fast"):
        import numba
        from numba.extending import typeof_impl

    @typeof_impl.register(Kernel)  # type: ignore[untyped-decorator, unused-ignore]
    def typeof_kernel(value: Kernel[..., Any], context: Any) -> Any:
        return numba.typeof(value.compiled())  # type: ignore[no-untyped-call]

    _announce_compiling()
    return numba


def _announce_compiling() -> None:
    """Log a message if compilation takes long; needs a version of numba that reports it."""
    try:
        from numba.core import event
    except ImportError:
        return

    class Listener(event.Listener):
        depth = 0  # nested: callees are compiled with their kernel; one kernel at a time
        timer: threading.Timer

        def on_start(self, _: Any) -> None:
            self.depth += 1
            if self.depth == 1:
                self.timer = threading.Timer(_SILENT, _say_that_it_compiles)
                self.timer.daemon = True
                self.timer.start()

        def on_end(self, _: Any) -> None:
            self.depth -= 1
            if not self.depth:
                self.timer.cancel()

    event.register("numba:compile", Listener())  # type: ignore[no-untyped-call]


@cache
def _say_that_it_compiles() -> None:  # once per process
    _LOG.warning("compiling functions because this installation uses them for the first time")


def _rows(value: Any) -> int:
    """Count the rows of all arrays in the arguments, including those in tuples."""
    if isinstance(value, tuple):
        return sum(map(_rows, value))
    shape = getattr(value, "shape", ())
    return int(shape[0]) if shape else 0


def _unboxed(value: Any) -> Any:
    """Convert NumPy scalars to Python numbers, which compiled code would return."""
    if type(value) is tuple:
        return tuple(map(_unboxed, value))
    return value.item() if getattr(value, "shape", None) == () else value


@kernel
def lower_bound(values: Any, low: int, high: int, value: Any) -> int:
    """Return the first position of ascending `values[low:high]` that is at least `value`."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
