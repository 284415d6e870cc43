"""Asking the processor for memory before it is read.

A kernel that goes from place to place of a large file waits for memory at each of them, several
hundred cycles. Where it knows the places ahead, it asks for one while it works on another.
"""

from __future__ import annotations

from typing import Any

from graphagg.kernels import Kernel


class _Prefetch(Kernel[[Any, Any], None]):
    """An instruction of the processor, which numba puts where a kernel calls it."""

    def compiled(self) -> Any:
        """The instruction."""
        if self._compiled is None:
            self._compiled = _instruction()
        return self._compiled


@_Prefetch
def prefetch(array: Any, place: Any) -> None:
    """Ask for the cache line of `array[place]` of a contiguous array of one axis; changes nothing.

    A place past the end is asked for in vain.
    """


def _instruction() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    number = ir.IntType(32)
    for_reading, keep, of_data = number(0), number(3), number(1)

    @intrinsic
    def prefetch(typing: Any, array: Any, place: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, given[0]).data
            at = builder.bitcast(builder.gep(data, [given[1]]), ir.IntType(8).as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [at.type, number, number, number])
            called = builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
            builder.call(called, [at, for_reading, keep, of_data])
            return context.get_dummy_value()

        return types.void(array, types.intp), code

    return prefetch
