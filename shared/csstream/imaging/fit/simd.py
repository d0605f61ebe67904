"""Short vectors for compiled kernels: eight neighbouring pixels at once.

Loops over the dozen pixels of a stamp's row are too short for the compiler to turn into vector
instructions by itself. These functions say it directly, on any processor that LLVM knows, and sums
are taken in one fixed order. Use them inside ``@njit`` functions only. Indices are not checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 8


class _Lanes(types.Type):
    """``LANES`` numbers of one floating type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        scalar = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(scalar, LANES))


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    scalar = context.get_value_type(array_type.dtype)
    pointer = builder.gep(data, [index])
    return builder.bitcast(pointer, ir.VectorType(scalar, LANES).as_pointer())


def _flat(array: Any) -> bool:
    return isinstance(array, types.Array) and array.layout == "C"


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Return the lanes at ``index`` of a contiguous array, counted over all its axes."""
    if not _flat(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _address(context, builder, array, *args)
        return builder.load(where, align=array.dtype.bitwidth // 8)

    return _Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write ``lanes`` to ``index`` of a contiguous array."""
    if not _flat(array) or array.dtype != getattr(lanes, "dtype", None):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _address(context, builder, array, args[0], args[1])
        builder.store(args[2], where, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), generate


@intrinsic
def spread(typing_context: Any, array: Any, value: Any) -> Any:
    """Return lanes of the array's type that all hold ``value``."""
    if not _flat(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar = context.cast(builder, args[1], value, array.dtype)
        vector = ir.VectorType(scalar.type, LANES)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, _index(0))
        return builder.shuffle_vector(first, first, _order([0] * LANES))

    return _Lanes(array.dtype)(array, value), generate


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
    """Return the sum of the lanes, pairwise."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (rest,) = args
        width = LANES
        while width > 1:
            width //= 2
            upper = builder.shuffle_vector(rest, rest, _order(range(width, 2 * width)))
            lower = builder.shuffle_vector(rest, rest, _order(range(width)))
            rest = builder.fadd(lower, upper)
        return builder.extract_element(rest, _index(0))

    return lanes.dtype(lanes), generate


def _index(at: int) -> Any:
    return ir.Constant(cgutils.int32_t, at)


def _order(indices: Any) -> Any:
    chosen = list(indices)
    return ir.Constant(ir.VectorType(cgutils.int32_t, len(chosen)), chosen)
