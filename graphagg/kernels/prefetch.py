"""Asking the processor for memory before it is read.

A kernel that jumps about in a large file waits for memory at each position, several hundred cycles.
Where it knows the positions ahead, it asks for one while it works on another.
"""

from __future__ import annotations

from typing import Any

from graphagg.kernels import Kernel


class _Prefetch(Kernel[[Any, Any], None]):
    """An instruction of the processor, which numba puts where a kernel calls it."""

    def compiled(self) -> Any:
        """The instruction, as a function of numba."""
        if self._compiled is None:
            self._compiled = _instruction()
        return self._compiled


def _prefetch(array: Any, position: Any) -> None:
    """Ask for the cache line of `array[position]` of a contiguous array of one axis.

    It changes nothing; a position past the end is asked for in vain.
    """


prefetch = _Prefetch(_prefetch, {})


def _instruction() -> Any:
    import numba
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    integer = ir.IntType(32)
    for_reading, keep, of_data = integer(0), integer(3), integer(1)

    @intrinsic
    def instruction(typing: Any, array: Any, position: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [address.type, integer, integer, integer])
            called = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
            builder.call(called, [address, for_reading, keep, of_data])
            return context.get_dummy_value()

        return types.void(array, types.intp), code

    ask: Any = instruction
    return numba.njit(lambda array, position: ask(array, position))
