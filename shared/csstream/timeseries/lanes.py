"""Sixteen single-precision numbers as one value inside numba kernels.

LLVM does not keep a row of accumulators in registers when a kernel is written with arrays, and the
box search lives from that. A :data:`LANE` value is an LLVM vector ``<16 x float>``: one register
with AVX-512, two with AVX, four with SSE or NEON; the results are the same everywhere. It has the
operators ``+ - * /``, and the functions below; it exists inside compiled code only.
"""

from __future__ import annotations

import operator
from typing import Any, Final

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.extending import (
    intrinsic,
    lower_builtin,
    models,
    register_model,
    type_callable,
)

WIDTH: Final = 16
compiled: Any = intrinsic  # numba calls what it makes without the first argument
VECTOR: Final = ir.VectorType(ir.FloatType(), WIDTH)


class Lane(types.Type):
    """The numba type of sixteen floats."""

    def __init__(self) -> None:
        super().__init__(name="Lane")


LANE: Final = Lane()


@register_model(Lane)
class _LaneModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, VECTOR)


def _operator(function: Any, instruction: str) -> None:
    """Teach numba an operator between two lanes."""

    @type_callable(function)
    def typed(context: Any) -> Any:
        def typer(left: Any, right: Any) -> Any:
            return LANE if isinstance(left, Lane) and isinstance(right, Lane) else None

        return typer

    @lower_builtin(function, Lane, Lane)
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_function, _instruction)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    place = builder.gep(data, [offset])
    return builder.bitcast(place, VECTOR.as_pointer())


@compiled
def load(typing: Any, array: Any, offset: Any) -> Any:
    """Sixteen floats of a contiguous float32 array from a flat offset on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=4)

    return LANE(array, types.intp), code


@compiled
def store(typing: Any, array: Any, offset: Any, lane: Any) -> Any:
    """Write a lane to a contiguous float32 array at a flat offset."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lane), code


@compiled
def spread(typing: Any, value: Any) -> Any:
    """The same float32 in all sixteen places."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = builder.insert_element(
            ir.Constant(VECTOR, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return builder.shuffle_vector(first, first, mask)

    return LANE(types.float32), code


@compiled
def larger(typing: Any, left: Any, right: Any) -> Any:
    """The larger of each pair."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right = arguments
        return builder.select(builder.fcmp_ordered(">", left, right), left, right)

    return LANE(left, right), code


@compiled
def where_above(typing: Any, value: Any, limit: Any, yes: Any, no: Any) -> Any:
    """``yes`` where the value is above the limit, else ``no``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, limit, yes, no = arguments
        return builder.select(builder.fcmp_ordered(">", value, limit), yes, no)

    return LANE(value, limit, yes, no), code
