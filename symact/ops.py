"""The op table: every operation that a graph may hold, with what each stage needs to know of it.

A row gives the op's TensorFlow spelling, its NumPy and Arb functions, the worst error of
TensorFlow's kernel and its cost. Everything else in symact reads this table; nothing branches on
op names where a column can answer.

Kernel errors are in ULP, the larger of eager and XLA, float32, measured over the normal range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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
        kernel_ulp: worst error of TensorFlow's kernel, in ULP of float32.
        cost: relative cost of one element when fused; an addition is 1.
        noun: what a temporary holding its result is called in emitted code.
        precedence: of the TensorFlow spelling, as in Python (0 lowest); 9 for calls and names.
        boolean: True where the result is a truth value.
    """

    name: str
    arity: int
    tensorflow: str
    numpy: Callable[..., Any]
    arb: Callable[..., Any] | None
    kernel_ulp: float = 0.5
    cost: float = 1.0
    noun: str = "t"
    precedence: int = 9
    boolean: bool = False


def _elementwise(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A float function of the math module over arrays: NaN where it is undefined, ±inf kept."""

    def safe(value: float) -> float:
        try:
            return function(value)
        except (ValueError, OverflowError):
            return math.nan

    vectorized = np.frompyfunc(safe, 1, 1)
    return lambda values: np.asarray(vectorized(np.asarray(values, float)), float)


def _sign_of_ball(value: arb) -> arb:
    return value.sgn()


def _power_of_balls(base: arb, exponent: arb) -> arb:
    integer = exponent.unique_fmpz() if exponent.is_exact() else None
    if integer is not None:
        return base**integer
    # x**y is real for negative x only at integers y, and 0**y is 0 for y > 0.
    if base.is_zero() and exponent > 0:
        return arb(0)
    return (exponent * base.log()).exp()


def _over_last(reduction: Callable[..., Any]) -> Callable[..., Any]:
    return lambda values: reduction(values, axis=-1, keepdims=True)


_TABLE = [
    # arithmetic
    Op("add", 2, "{0} + {1}", np.add, lambda a, b: a + b, noun="total", precedence=5),
    Op("sub", 2, "{0} - {1}", np.subtract, lambda a, b: a - b, noun="difference", precedence=5),
    Op("mul", 2, "{0} * {1}", np.multiply, lambda a, b: a * b, noun="product", precedence=6),
    Op("div", 2, "{0} / {1}", np.divide, lambda a, b: a / b, cost=4, noun="quotient", precedence=6),
    Op("neg", 1, "-{0}", np.negative, lambda a: -a, 0, noun="negated", precedence=7),
    Op("abs", 1, "tf.abs({0})", np.abs, abs, 0, noun="magnitude"),
    Op("sign", 1, "tf.sign({0})", np.sign, _sign_of_ball, 0, noun="sign"),
    Op("max", 2, "tf.maximum({0}, {1})", np.maximum, lambda a, b: a.max(b), 0, noun="upper"),
    Op("min", 2, "tf.minimum({0}, {1})", np.minimum, lambda a, b: a.min(b), 0, noun="lower"),
    Op("floor", 1, "tf.floor({0})", np.floor, lambda a: a.floor(), 0, noun="whole"),
    Op("ceil", 1, "tf.math.ceil({0})", np.ceil, lambda a: a.ceil(), 0, noun="whole"),
    Op("round", 1, "tf.round({0})", np.rint, None, 0, noun="nearest"),
    # powers
    Op("square", 1, "tf.square({0})", np.square, lambda a: a * a, noun="square"),
    Op("sqrt", 1, "tf.sqrt({0})", np.sqrt, lambda a: a.sqrt(), cost=5, noun="root"),
    Op("pow", 2, "tf.pow({0}, {1})", np.power, _power_of_balls, 2, 25, "power"),
    # exponentials and logarithms
    Op("exp", 1, "tf.exp({0})", np.exp, lambda a: a.exp(), 1.2, 8, "e"),
    Op("expm1", 1, "tf.math.expm1({0})", np.expm1, lambda a: a.expm1(), 5.3, 14, "m"),
    Op("log", 1, "tf.math.log({0})", np.log, lambda a: a.log(), 2.6, 10, "logarithm"),
    Op("log1p", 1, "tf.math.log1p({0})", np.log1p, lambda a: a.log1p(), 3.6, 14, "logarithm"),
    # a factor ≥ 0 that XLA must not merge with others (it makes exp(a)·exp(b) one exp(a + b))
    Op("keep", 1, "_kept({0})", np.asarray, lambda a: a, 0, noun="kept"),
    # hyperbolic
    Op("sinh", 1, "tf.sinh({0})", np.sinh, lambda a: a.sinh(), 24, 20, "hyperbolic"),
    Op("cosh", 1, "tf.cosh({0})", np.cosh, lambda a: a.cosh(), 24, 20, "hyperbolic"),
    Op("tanh", 1, "tf.tanh({0})", np.tanh, lambda a: a.tanh(), 4.7, 12, "hyperbolic"),
    Op("asinh", 1, "tf.asinh({0})", np.arcsinh, lambda a: a.asinh(), 2.7, 25, "area"),
    Op("acosh", 1, "tf.acosh({0})", np.arccosh, lambda a: a.acosh(), 4, 25, "area"),
    Op("atanh", 1, "tf.atanh({0})", np.arctanh, lambda a: a.atanh(), 4, 25, "area"),
    # trigonometric
    Op("sin", 1, "tf.sin({0})", np.sin, lambda a: a.sin(), 1.5, 18, "sine"),
    Op("cos", 1, "tf.cos({0})", np.cos, lambda a: a.cos(), 1.5, 18, "cosine"),
    Op("tan", 1, "tf.tan({0})", np.tan, lambda a: a.tan(), 4, 22, "tangent"),
    Op("asin", 1, "tf.asin({0})", np.arcsin, lambda a: a.asin(), 4, 22, "angle"),
    Op("acos", 1, "tf.acos({0})", np.arccos, lambda a: a.acos(), 4, 22, "angle"),
    Op("atan", 1, "tf.atan({0})", np.arctan, lambda a: a.atan(), 3.2, 18, "angle"),
    # special
    Op("erf", 1, "tf.math.erf({0})", _elementwise(math.erf), lambda a: a.erf(), 5, 14, "erf_term"),
    Op("erfc", 1, "tf.math.erfc({0})", _elementwise(math.erfc), lambda a: a.erfc(), 63, 25, "tail"),
    # over the axis; the emitted functions know of masks
    Op("reduce_sum", 1, "_sum({0}, axis, mask)", _over_last(np.sum), None, 2, 2, "total"),
    Op("reduce_max", 1, "_max({0}, axis, mask)", _over_last(np.max), None, 0, 2, "largest"),
    Op("reduce_min", 1, "_min({0}, axis, mask)", _over_last(np.min), None, 0, 2, "smallest"),
    Op("first", 1, "_first({0}, axis)", lambda values: values[..., :1], None, 0, 1, "first"),
    # a maximum as a shift of exponents, and as a scale of squares
    Op("shift", 1, "_shift({0})", np.asarray, None, 0, noun="shift"),
    Op("scale", 1, "_scale({0})", np.asarray, None, 0, noun="scale"),
    Op("masked", 1, "_masked({0}, mask)", np.asarray, None, 0, noun="masked"),
    # comparisons and choice
    Op("lt", 2, "{0} < {1}", np.less, None, 0, noun="below", precedence=3, boolean=True),
    Op("le", 2, "{0} <= {1}", np.less_equal, None, 0, noun="below", precedence=3, boolean=True),
    Op("gt", 2, "{0} > {1}", np.greater, None, 0, noun="above", precedence=3, boolean=True),
    Op("ge", 2, "{0} >= {1}", np.greater_equal, None, 0, noun="above", precedence=3, boolean=True),
    Op("eq", 2, "tf.equal({0}, {1})", np.equal, None, 0, noun="same", boolean=True),
    Op("ne", 2, "tf.not_equal({0}, {1})", np.not_equal, None, 0, noun="differs", boolean=True),
    Op("and", 2, "tf.logical_and({0}, {1})", np.logical_and, None, 0, noun="both", boolean=True),
    Op("or", 2, "tf.logical_or({0}, {1})", np.logical_or, None, 0, noun="either", boolean=True),
    Op("not", 1, "tf.logical_not({0})", np.logical_not, None, 0, noun="unless", boolean=True),
    Op("is_nan", 1, "tf.math.is_nan({0})", np.isnan, None, 0, noun="undefined", boolean=True),
    Op("where", 3, "tf.where({0}, {1}, {2})", np.where, None, 0, noun="branch"),
]  # fmt: skip

OPS: dict[str, Op] = {op.name: op for op in _TABLE}
