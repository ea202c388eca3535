"""The op table: every operation that a graph may hold, with what each stage needs to know of it.

A row gives the op's TensorFlow spelling, its NumPy and Arb functions and its cost. The worst error
of TensorFlow's kernel stands in kernels.toml, as measured. Everything else in symact reads these
tables; nothing branches on op names where a column can answer.
"""

from __future__ import annotations

import math
import operator
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb


@dataclass(frozen=True)
class Op:
    """One row of the table.

    Attributes:
        name: the op's name in graph nodes.
        arity: number of arguments.
        tensorflow: its spelling, ``{0}``, ``{1}`` standing for the arguments.
        numpy: the function on float64 arrays, correct to about 1 ULP of float64.
        arb: the function on Arb balls; None where it has none (booleans).
        cost: relative cost of one element when fused; an addition is 1.
        noun: what a temporary holding its result is called in emitted code.
        precedence: of the TensorFlow spelling, as in Python (0 lowest); 9 for calls and names.
        boolean: True where the result is a truth value.
        exact: True where the result needs no rounding, so that no kernel can have an error.
        parts: what its results are called in emitted code, where there are several.
        part: which of its argument's results it takes, where that has several.
    """

    name: str
    arity: int
    tensorflow: str
    numpy: Callable[..., Any]
    arb: Callable[..., Any] | None
    cost: float = 1.0
    noun: str = "t"
    precedence: int = 9
    boolean: bool = False
    exact: bool = False
    parts: tuple[str, ...] = ()
    part: int | None = None


def _elementwise(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A float function of the math module over arrays: NaN where it is undefined, ±inf kept."""

    def safe(value: float) -> float:
        try:
            return function(value)
        except (ValueError, OverflowError):
            return math.nan

    vectorized = np.frompyfunc(safe, 1, 1)
    return lambda values: np.asarray(vectorized(np.asarray(values, float)), float)


# Whole numbers beyond this are no exponents that Arb has memory for.
_LARGEST_BY_SQUARING = 2**40


def _power_of_balls(base: arb, exponent: arb) -> arb:
    is_small = exponent.is_exact() and abs(exponent) < _LARGEST_BY_SQUARING
    integer = exponent.unique_fmpz() if is_small else None
    if integer is not None:
        return base**integer
    # x**y is real for negative x only at integers y, and 0**y is 0 for y > 0.
    if base.is_zero() and exponent > 0:
        return arb(0)
    return (exponent * base.log()).exp()


def _erfc_of_ball(value: arb) -> arb:
    # Of a ball Arb bounds the slope by that at 0, which is far off in the tail; it falls all the way.
    if value.is_exact() or not value > 1:
        return value.erfc()
    return value.lower().erfc().union(value.upper().erfc())


def _over_last(reduction: Callable[..., Any]) -> Callable[..., Any]:
    return lambda values: reduction(values, axis=-1, keepdims=True)


# What the two results of a scaled and of a shifted sum are called.
_SCALED_SUM, _SHIFTED_SUM = ("scale", "total"), ("shift", "total")
_SHIFTED_TERMS = (*_SHIFTED_SUM, "e")


def power_of_two(largest: Any, most: int = 126) -> Any:
    """As the emitted ``_scale``: the largest power of two up to ``largest``, of float32 or of another format
    whose exponents go to ``most``."""
    sizes = np.exp2(np.clip(np.floor(np.log2(largest)), -most, most))
    return np.where((largest > 0) & np.isfinite(largest), sizes, 1.0)


def scaled_sum(vector: Any, power: Any, least: Any, most: int = 126) -> Any:
    """As the emitted ``_scaled_sum``; ``most`` is as for ``power_of_two``."""
    size = np.abs(vector)
    scale = power_of_two(np.maximum(np.max(size, axis=-1, keepdims=True), least), most)
    return scale, np.sum((size / scale) ** power, axis=-1, keepdims=True)


def _shifted_terms(exponents: Any) -> Any:
    shift = _nearest_number(np.max(exponents, axis=-1, keepdims=True))
    terms = np.exp(exponents - shift)
    return shift, np.sum(terms, axis=-1, keepdims=True), terms


def _shifted_sum(exponents: Any) -> Any:
    return _shifted_terms(exponents)[:2]


def _nearest_number(largest: Any) -> Any:
    return np.clip(largest, -np.finfo(np.float64).max, np.finfo(np.float64).max)


# Splits a float64 into halves whose products are exact.
_SPLITTER = 2.0**27 + 1


def _rest_of_product(a: Any, b: Any, product: Any) -> Any:
    """As the emitted function: a·b - product (T. J. Dekker, Numerische Mathematik 18, 1971)."""
    (high, low), (high2, low2) = _halves(a), _halves(b)
    whole = a * b
    rest = high * high2 - whole + high * low2 + low * high2 + low * low2
    return whole - product + rest


def _halves(value: Any) -> tuple[Any, Any]:
    scaled = value * _SPLITTER
    high = scaled - (scaled - value)
    return high, value - high


def _rest_of_sum(a: Any, b: Any, total: Any) -> Any:
    """As the emitted function: a + b - total."""
    whole = a + b
    part = whole - a
    return whole - total + (a - (whole - part) + (b - part))


_TABLE = [
    # arithmetic
    Op("add", 2, "{0} + {1}", np.add, operator.add, noun="total", precedence=5),
    Op("sub", 2, "{0} - {1}", np.subtract, operator.sub, noun="difference", precedence=5),
    Op("mul", 2, "{0} * {1}", np.multiply, operator.mul, noun="product", precedence=6),
    Op("div", 2, "{0} / {1}", np.divide, operator.truediv, cost=4, noun="quotient", precedence=6),
    Op("neg", 1, "-{0}", np.negative, operator.neg, noun="negated", precedence=7, exact=True),
    Op("abs", 1, "tf.abs({0})", np.abs, abs, noun="magnitude", exact=True),
    Op("sign", 1, "tf.sign({0})", np.sign, arb.sgn, noun="sign", exact=True),
    Op("max", 2, "tf.maximum({0}, {1})", np.maximum, arb.max, noun="upper", exact=True),
    Op("min", 2, "tf.minimum({0}, {1})", np.minimum, arb.min, noun="lower", exact=True),
    Op("floor", 1, "tf.floor({0})", np.floor, arb.floor, noun="whole", exact=True),
    Op("ceil", 1, "tf.math.ceil({0})", np.ceil, arb.ceil, noun="whole", exact=True),
    Op("round", 1, "tf.round({0})", np.rint, None, noun="nearest", exact=True),
    # powers
    Op("square", 1, "tf.square({0})", np.square, lambda a: a * a, noun="square"),
    Op("sqrt", 1, "tf.sqrt({0})", np.sqrt, arb.sqrt, cost=5, noun="root"),
    Op("pow", 2, "tf.pow({0}, {1})", np.power, _power_of_balls, 25, "power"),
    # exponentials and logarithms
    Op("exp", 1, "tf.exp({0})", np.exp, arb.exp, 8, "e"),
    Op("expm1", 1, "tf.math.expm1({0})", np.expm1, arb.expm1, 14, "m"),
    Op("log", 1, "tf.math.log({0})", np.log, arb.log, 10, "logarithm"),
    Op("log1p", 1, "tf.math.log1p({0})", np.log1p, arb.log1p, 14, "logarithm"),
    # a factor ≥ 0 that XLA must not merge with others (it makes exp(a)·exp(b) one exp(a + b))
    Op("keep", 1, "_kept({0})", lambda a: np.maximum(a, 0.0), lambda a: a, noun="kept", exact=True),
    # a product that XLA must round before anything is added to it or taken from it
    Op("rounded", 1, "_rounded({0})", np.asarray, lambda a: a, noun="rounded", exact=True),
    # what rounding took from a product, and from a sum: of the two arguments, and the result
    Op("rest_of_product", 3, "_rest_of_product({0}, {1}, {2})", _rest_of_product,
       lambda a, b, product: a * b - product, 4, "rest", exact=True),
    Op("rest_of_sum", 3, "_rest_of_sum({0}, {1}, {2})", _rest_of_sum,
       lambda a, b, total: a + b - total, 4, "rest", exact=True),
    # what XLA is to write to memory, where several kernels take it
    Op("stored", 1, "_stored({0})", np.asarray, lambda a: a, noun="stored", exact=True),
    # from one format to the other
    Op("widen", 1, "tf.cast({0}, tf.float64)", np.asarray, lambda a: a, noun="wide", exact=True),
    Op("narrow", 1, "tf.cast({0}, tf.float32)", np.asarray, None, noun="narrow", exact=True),
    # hyperbolic
    Op("sinh", 1, "tf.sinh({0})", np.sinh, arb.sinh, 20, "hyperbolic"),
    Op("cosh", 1, "tf.cosh({0})", np.cosh, arb.cosh, 20, "hyperbolic"),
    Op("tanh", 1, "tf.tanh({0})", np.tanh, arb.tanh, 12, "hyperbolic"),
    Op("asinh", 1, "tf.asinh({0})", np.arcsinh, arb.asinh, 25, "area"),
    Op("acosh", 1, "tf.acosh({0})", np.arccosh, arb.acosh, 25, "area"),
    Op("atanh", 1, "tf.atanh({0})", np.arctanh, arb.atanh, 25, "area"),
    # trigonometric
    Op("sin", 1, "tf.sin({0})", np.sin, arb.sin, 18, "sine"),
    Op("cos", 1, "tf.cos({0})", np.cos, arb.cos, 18, "cosine"),
    Op("tan", 1, "tf.tan({0})", np.tan, arb.tan, 22, "tangent"),
    Op("asin", 1, "tf.asin({0})", np.arcsin, arb.asin, 22, "angle"),
    Op("acos", 1, "tf.acos({0})", np.arccos, arb.acos, 22, "angle"),
    Op("atan", 1, "tf.atan({0})", np.arctan, arb.atan, 18, "angle"),
    # special
    Op("erf", 1, "tf.math.erf({0})", _elementwise(math.erf), arb.erf, 14, "erf_term"),
    Op("erfc", 1, "tf.math.erfc({0})", _elementwise(math.erfc), _erfc_of_ball, 25, "tail"),
    # over the axis; the emitted functions know of masks
    Op("reduce_sum", 1, "_sum({0}, axis, mask)", _over_last(np.sum), None, 2, "total"),
    Op("reduce_max", 1, "_max({0}, axis, mask)", _over_last(np.max), None, 2, "largest", exact=True),
    Op("reduce_min", 1, "_min({0}, axis, mask)", _over_last(np.min), None, 2, "smallest", exact=True),
    Op("first", 1, "_first({0}, axis)", lambda values: values[..., :1], None, 1, "first", exact=True),
    # a maximum as a shift of exponents, and as a scale of squares
    Op("shift", 1, "_shift({0})", _nearest_number, None, noun="shift", exact=True),
    Op("scale", 1, "_scale({0})", power_of_two, None, noun="scale", exact=True),
    # a power of two next to a norm, and the sum of the vector's powers divided by that one's
    Op("scaled_sum", 3, "_scaled_sum({0}, {1}, {2}, axis, mask)", scaled_sum, None, 4, parts=_SCALED_SUM),
    # the same of an input's squares
    Op("scaled_squares", 2, "_scaled_squares({0}, {1}, axis, mask)",
       lambda vector, least: scaled_sum(vector, 2, least), None, 4, parts=_SCALED_SUM),
    # what exponents are shifted by, and the sum of the exponentials; one with a logarithm next to 0; and with
    # the exponentials
    Op("shifted_sum", 1, "_shifted_sum({0}, axis, mask)", _shifted_sum, None, 10, parts=_SHIFTED_SUM),
    Op("centred_sum", 1, "_centred_sum({0}, axis, mask)", _shifted_sum, None, 10, parts=_SHIFTED_SUM),
    Op("shifted_terms", 1, "_shifted_terms({0}, axis, mask)", _shifted_terms, None, 10, parts=_SHIFTED_TERMS),
    Op("shift_of", 1, "{0}", lambda pair: pair[0], None, noun="shift", exact=True, part=0),
    Op("scale_of", 1, "{0}", lambda pair: pair[0], None, noun="scale", exact=True, part=0),
    Op("sum_of", 1, "{0}", lambda pair: pair[1], None, noun="total", exact=True, part=1),
    Op("terms_of", 1, "{0}", lambda pair: pair[2], None, noun="e", exact=True, part=2),
    Op("masked", 1, "_masked({0}, mask)", np.asarray, None, noun="masked", exact=True),
    # comparisons and choice
    Op("lt", 2, "{0} < {1}", np.less, None, noun="below", precedence=3, boolean=True),
    Op("le", 2, "{0} <= {1}", np.less_equal, None, noun="below", precedence=3, boolean=True),
    Op("gt", 2, "{0} > {1}", np.greater, None, noun="above", precedence=3, boolean=True),
    Op("ge", 2, "{0} >= {1}", np.greater_equal, None, noun="above", precedence=3, boolean=True),
    Op("eq", 2, "tf.equal({0}, {1})", np.equal, None, noun="same", boolean=True),
    Op("ne", 2, "tf.not_equal({0}, {1})", np.not_equal, None, noun="differs", boolean=True),
    Op("and", 2, "tf.logical_and({0}, {1})", np.logical_and, None, noun="both", boolean=True),
    Op("or", 2, "tf.logical_or({0}, {1})", np.logical_or, None, noun="either", boolean=True),
    Op("not", 1, "tf.logical_not({0})", np.logical_not, None, noun="unless", boolean=True),
    Op("is_nan", 1, "tf.math.is_nan({0})", np.isnan, None, noun="undefined", boolean=True),
    Op("where", 3, "tf.where({0}, {1}, {2})", np.where, None, noun="branch", exact=True),
]  # fmt: skip

OPS: dict[str, Op] = {op.name: op for op in _TABLE}
# Nanoseconds; measured ones are noise below this.
_ADDITION = 0.02
_UNMEASURED = (np.array([]), np.full((3, 1), 2.0))


def kernel_ulp(op: str, format_name: str, argument: Any) -> Any:
    """The worst error of TensorFlow's kernel, eager or XLA, as measured.

    Args:
        op: name of an op that is not exact; of one without rows (a sum over an axis) a guess is made.
        format_name: "float32" or "float64".
        argument: the first argument, float64 array of any shape.

    Returns:
        Errors in ULP of the result: an array of the argument's shape, or one number for all of it.
    """
    return _column(op, format_name, argument, 1)


def fused_kernel_ulp(op: str, format_name: str, argument: Any) -> tuple[Any, Any]:
    """The worst error of XLA's kernel and the root mean square of its errors; otherwise as ``kernel_ulp``."""
    worst, rms = (_column(op, format_name, argument, column) for column in (0, 2))
    return worst, rms


def kernel_time(op: str, format_name: str) -> float:
    """Nanoseconds that an element of the op takes in XLA on one processor, as measured; at least what an
    addition does."""
    narrow, wide = _table()["nanoseconds"].get(op, (0.0, 0.0))
    return float(max(wide if format_name == "float64" else narrow, _ADDITION))


def _column(op: str, format_name: str, argument: Any, column: int) -> Any:
    edges, columns = _kernels().get((format_name, op), _UNMEASURED)
    return columns[column][np.searchsorted(edges, argument)] if len(edges) else float(columns[column][0])


@cache
def _kernels() -> dict[tuple[str, str], tuple[Any, Any]]:
    """By format and op: the ends of all intervals but the last; and in each the worst error in XLA, the worst
    there is, and the root mean square in XLA."""
    table = _table()
    columns = {
        (format_name, op): np.array([row.split() for row in rows], float).T
        for format_name in ("float32", "float64")
        for op, rows in table[format_name].items()
    }
    return {
        at: (high[:-1], np.array([xla, worst, rms]))
        for at, (_, high, _, xla, worst, rms, _) in columns.items()
    }


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("kernels.toml").read_text("utf-8"))
