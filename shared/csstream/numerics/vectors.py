"""Short vectors for compiled kernels: several numbers as one value.

LLVM does not keep a row of accumulators in registers when a kernel is written with arrays, and
loops over a dozen pixels are too short for it to turn into vector instructions by itself. A
:class:`Lanes` value is an LLVM vector ``<width x dtype>``, as many registers as the processor
needs for it; results are the same on any width of register. Use all this inside ``@njit`` functions
only. Indices count over all axes of a contiguous array, and are not checked.

A kernel chooses its width where it makes ``load`` and ``spread`` with :func:`loader` and
:func:`spreader`; everything else takes lanes of any width. The operators ``+ - * /`` round after
each step. :func:`times` and :func:`add_product` may be fused, which is faster where the processor
can do it.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.extending import lower_builtin, type_callable
from numba.extending import intrinsic, models, register_model


class Lanes(types.Type):
    """The numba type of ``width`` numbers of one floating type."""

    def __init__(self, dtype: Any, width: int) -> None:
        self.dtype, self.width = dtype, width
        super().__init__(name=f"Lanes({dtype}, {width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        scalar = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(scalar, kind.width))


def _operator(function: Any, instruction: str) -> None:
    """Teach numba an operator between two values of the same lanes."""

    @type_callable(function)
    def typed(context: Any) -> Any:
        def typer(left: Any, right: Any) -> Any:
            return left if isinstance(left, Lanes) and left == right else None

        return typer

    @lower_builtin(function, Lanes, Lanes)
    def lowered(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


def _address(
    context: Any, builder: Any, array_type: Any, width: int, array: Any, index: Any
) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    scalar = context.get_value_type(array_type.dtype)
    return builder.bitcast(builder.gep(data, [index]), ir.VectorType(scalar, width).as_pointer())


def _flat(array: Any) -> bool:
    return isinstance(array, types.Array) and array.layout == "C"


def loader(width: int) -> Any:
    """Return ``load(array, index)``: the ``width`` numbers of an array from ``index`` on."""

    @intrinsic
    def load(typing_context: Any, array: Any, index: Any) -> Any:
        if not _flat(array):
            return None

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            where = _address(context, builder, signature.args[0], width, *args)
            return builder.load(where, align=array.dtype.bitwidth // 8)

        return Lanes(array.dtype, width)(array, types.intp), generate

    return load


def spreader(width: int) -> Any:
    """Return ``spread(array, value)``: ``width`` numbers of the array's type, all ``value``."""

    @intrinsic
    def spread(typing_context: Any, array: Any, value: Any) -> Any:
        if not _flat(array):
            return None

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            scalar = context.cast(builder, args[1], value, array.dtype)
            empty = ir.Constant(ir.VectorType(scalar.type, width), ir.Undefined)
            first = builder.insert_element(empty, scalar, _index(0))
            return builder.shuffle_vector(first, first, _order([0] * width))

        return Lanes(array.dtype, width)(array, value), generate

    return spread


@intrinsic
def store(typing_context: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write ``lanes`` to an array from ``index`` on."""
    if not _flat(array) or not isinstance(lanes, Lanes) or array.dtype != lanes.dtype:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _address(context, builder, signature.args[0], lanes.width, *args[:2])
        builder.store(args[2], where, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), generate


@intrinsic
def times(typing_context: Any, a: Any, b: Any) -> Any:
    """Return a·b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args, flags=("contract",))

    return a(a, a), generate


@intrinsic
def add_product(typing_context: Any, total: Any, a: Any, b: Any) -> Any:
    """Return total + a·b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(args[1], args[2], flags=("contract",))
        return builder.fadd(args[0], product, flags=("contract",))

    return total(total, total, total), generate


@intrinsic
def added(typing_context: Any, lanes: Any) -> Any:
    """Return the sum of the lanes, pairwise: their number is a power of two."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (rest,) = args
        width = lanes.width
        while width > 1:
            width //= 2
            upper = builder.shuffle_vector(rest, rest, _order(range(width, 2 * width)))
            lower = builder.shuffle_vector(rest, rest, _order(range(width)))
            rest = builder.fadd(lower, upper)
        return builder.extract_element(rest, _index(0))

    return lanes.dtype(lanes), generate


@intrinsic
def larger(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the larger of each pair, ``b`` where they do not compare."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, a), generate


@intrinsic
def where_above(typing_context: Any, value: Any, limit: Any, yes: Any, no: Any) -> Any:
    """Return ``yes`` where the value is above the limit, else ``no``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args[:2]), *args[2:])

    return yes(value, value, yes, yes), generate


def _index(at: int) -> Any:
    return ir.Constant(cgutils.int32_t, at)


def _order(indices: Any) -> Any:
    chosen = list(indices)
    return ir.Constant(ir.VectorType(cgutils.int32_t, len(chosen)), chosen)
