"""Identities: the table of equations between graphs that candidates are made with, as data.

Each holds wherever both sides have a value and its conditions are met; a test walks the table and checks
every row against Arb. Letters are variables: u, v, w stand for any graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import sympy as sp

from symact.graph import Node, const, node, var


@dataclass(frozen=True)
class Identity:
    """``left == right``, used from left to right.

    Attributes:
        name: its name in reports.
        left, right: the two sides.
        given: what must hold: pairs of a fact ("positive", "nonnegative") and a graph of the variables.
        always: whether the right side is never the worse one, so that it is applied on sight.
    """

    name: str
    left: Node
    right: Node
    given: tuple[tuple[str, Node], ...] = ()
    always: bool = False


_u, _v, _w, _z = map(var, "uvwz")
(_exp, _log, _expm1, _log1p, _sqrt, _square, _abs) = (
    partial(node, name) for name in ("exp", "log", "expm1", "log1p", "sqrt", "square", "abs")
)
(_sinh, _cosh, _tanh, _asinh, _acosh, _atanh) = (
    partial(node, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
)
_pow = partial(node, "pow")
_sin, _cos, _tan, _atan = (partial(node, name) for name in ("sin", "cos", "tan", "atan"))
_erf, _erfc, _max = partial(node, "erf"), partial(node, "erfc"), partial(node, "max")
_half = const(sp.Rational(1, 2))


def _positive(*graphs: Node) -> tuple[tuple[str, Node], ...]:
    return tuple(("positive", graph) for graph in graphs)


def _nonnegative(*graphs: Node) -> tuple[tuple[str, Node], ...]:
    return tuple(("nonnegative", graph) for graph in graphs)


ON_SIGHT = (
    Identity("log1p", _log(1 + _u), _log1p(_u), always=True),
    Identity("log1p-right", _log(_u + 1), _log1p(_u), always=True),
    Identity("log1p-minus", _log(1 - _u), _log1p(-_u), always=True),
    Identity("expm1", _exp(_u) - 1, _expm1(_u), always=True),
    Identity("expm1-minus", 1 - _exp(_u), -_expm1(_u), always=True),
    Identity("erfc", 1 - _erf(_u), _erfc(_u), always=True),
    Identity("erfc-minus", 1 + _erf(_u), _erfc(-_u), always=True),
    Identity("erfc-reflect", 2 - _erfc(_u), _erfc(-_u), always=True),
    Identity("erfc-back", 1 - _erfc(_u), _erf(_u), always=True),
    Identity("squares-difference", _square(_u) - _square(_v), (_u - _v) * (_u + _v), always=True),
    Identity("cos-complement", 1 - _cos(_u), 2 * _square(_sin(_u / 2)), always=True),
    Identity("cos-complement-negated", _cos(_u) - 1, -2 * _square(_sin(_u / 2)), always=True),
    Identity("cosh-complement", _cosh(_u) - 1, 2 * _square(_sinh(_u / 2)), always=True),
    Identity("cosh-complement-negated", 1 - _cosh(_u), -2 * _square(_sinh(_u / 2)), always=True),
)

_ARITHMETIC = (
    Identity("add-commute", _u + _v, _v + _u),
    Identity("mul-commute", _u * _v, _v * _u),
    Identity("add-associate", (_u + _v) + _w, _u + (_v + _w)),
    Identity("mul-associate", (_u * _v) * _w, _u * (_v * _w)),
    Identity("add-sub", (_u + _v) - _w, _u + (_v - _w)),
    Identity("sub-add", (_u - _v) + _w, _u - (_v - _w)),
    Identity("sub-sub", (_u - _v) - _w, _u - (_v + _w)),
    Identity("sub-of-sub", _u - (_v - _w), (_u - _v) + _w),
    Identity("sub-self", _u - _u, const(0)),
    Identity("cancel-sum", (_u + _v) - _u, _v),
    Identity("cancel-difference", (_u - _v) - _u, -_v),
    Identity("cancel-common", (_w + _u) - (_w + _v), _u - _v),
    Identity("add-zero", _u + 0, _u),
    Identity("sub-zero", _u - 0, _u),
    Identity("zero-sub", 0 - _u, -_u),
    Identity("mul-one", _u * 1, _u),
    Identity("mul-zero", _u * 0, const(0)),
    Identity("div-one", _u / 1, _u),
    Identity("double", _u + _u, 2 * _u),
    Identity("neg-neg", node("neg", -_u), _u),
    Identity("add-neg", _u + -_v, _u - _v),
    Identity("sub-neg", _u - -_v, _u + _v),
    Identity("neg-mul", -_u * _v, -(_u * _v)),
    Identity("neg-sub", -(_u - _v), _v - _u),
    Identity("minus-one", -1 * _u, -_u),
    Identity("factor-sum", _u * _v + _u * _w, _u * (_v + _w)),
    Identity("factor-difference", _u * _v - _u * _w, _u * (_v - _w)),
    Identity("factor-one", _u + _u * _v, _u * (1 + _v)),
    Identity("factor-minus-one", _u * _v - _u, _u * (_v - 1)),
    Identity("factor-one-minus", _u - _u * _v, _u * (1 - _v)),
    Identity("square", _u * _u, _square(_u)),
    Identity("square-product", _square(_u) * _v, _u * (_u * _v)),
    Identity("square-of-product", _square(_u * _v), _square(_u) * _square(_v)),
    Identity("square-minus-one", _square(_u) - 1, (_u - 1) * (_u + 1)),
    Identity("one-minus-square", 1 - _square(_u), (1 - _u) * (1 + _u)),
)

# What a difference that has become one of equals leaves behind.
CANCELLED = (
    *(i for i in _ARITHMETIC if i.name in ("sub-self", "zero-sub", "add-zero")),
    Identity("zero-add", 0 + _u, _u),
    Identity("neg-add", -_u + _v, _v - _u),
)

_FRACTIONS = (
    Identity("div-self", _u / _u, const(1), _positive(_abs(_u))),
    Identity("fractions-add", _u / _v + _w / _v, (_u + _w) / _v),
    Identity("fractions-sub", _u / _v - _w / _v, (_u - _w) / _v),
    Identity("fractions-cross", _u / _v - _w / _z, (_u * _z - _w * _v) / (_v * _z)),
    Identity("fraction-minus-one", _u / _v - 1, (_u - _v) / _v),
    Identity("one-minus-fraction", 1 - _u / _v, (_v - _u) / _v),
    Identity("sum-over", (_u + _v) / _v, _u / _v + 1),
    Identity("sum-over-left", (_u + _v) / _u, 1 + _v / _u),
    Identity("difference-over", (_u - _v) / _v, _u / _v - 1),
    Identity("fraction-over", (_u / _v) / _w, _u / (_v * _w)),
    Identity("over-fraction", _u / (_v / _w), (_u * _w) / _v),
    Identity("times-fraction", _u * (_v / _w), (_u * _v) / _w),
    Identity("fraction-times", (_u * _v) / _w, _u * (_v / _w)),
    Identity("cancel-factor", (_u * _v) / (_u * _w), _v / _w, _positive(_abs(_u))),
    Identity("cancel-times", (_u * _v) / _u, _v, _positive(_abs(_u))),
    Identity("square-of-fraction", _square(_u / _v), _square(_u) / _square(_v)),
)

_ROOTS = (
    Identity("sqrt-square", _sqrt(_square(_u)), _abs(_u)),
    Identity("square-sqrt", _square(_sqrt(_u)), _u, _nonnegative(_u)),
    Identity("sqrt-times-sqrt", _sqrt(_u) * _sqrt(_u), _u, _nonnegative(_u)),
    Identity("sqrt-product", _sqrt(_u) * _sqrt(_v), _sqrt(_u * _v), _nonnegative(_u, _v)),
    Identity("over-sqrt", _u / _sqrt(_u), _sqrt(_u), _positive(_u)),
    Identity("abs-positive", _abs(_u), _u, _nonnegative(_u)),
    Identity("abs-square", _square(_abs(_u)), _square(_u)),
    Identity(
        "roots-difference", _sqrt(_u) - _sqrt(_v), (_u - _v) / (_sqrt(_u) + _sqrt(_v)), _positive(_u, _v)
    ),
    Identity("root-minus", _sqrt(_u) - _v, (_u - _square(_v)) / (_sqrt(_u) + _v), _positive(_u, _v)),
    Identity("minus-root", _v - _sqrt(_u), (_square(_v) - _u) / (_v + _sqrt(_u)), _positive(_u, _v)),
)

_EXPONENTIALS = (
    Identity("exp-product", _exp(_u) * _exp(_v), _exp(_u + _v)),
    Identity("exp-quotient", _exp(_u) / _exp(_v), _exp(_u - _v)),
    Identity("exp-reciprocal", 1 / _exp(_u), _exp(-_u)),
    Identity("over-exp", _v / _exp(_u), _v * _exp(-_u)),
    Identity("exp-square", _square(_exp(_u)), _exp(2 * _u)),
    Identity("exp-double", _exp(2 * _u), _square(_exp(_u))),
    Identity("exp-difference", _exp(_u) - _exp(_v), _exp(_v) * _expm1(_u - _v)),
    Identity("exp-sum", _exp(_u) + _exp(_v), _exp(_v) * (_exp(_u - _v) + 1)),
    Identity("exp-double-minus-one", _square(_exp(_u)) - 1, _expm1(2 * _u)),
    Identity("expm1-double", _expm1(2 * _u), _expm1(_u) * (_expm1(_u) + 2)),
    Identity("expm1-plus-one", _expm1(_u) + 1, _exp(_u)),
    Identity("exp-log", _exp(_log(_u)), _u, _positive(_u)),
    Identity("log-exp", _log(_exp(_u)), _u),
    Identity("log1p-expm1", _log1p(_expm1(_u)), _u),
    Identity("expm1-log1p", _expm1(_log1p(_u)), _u, _positive(1 + _u)),
    Identity("power", _pow(_u, _v), _exp(_v * _log(_u)), _positive(_u)),
    Identity("power-minus-one", _pow(_u, _v) - 1, _expm1(_v * _log(_u)), _positive(_u)),
    Identity("one-minus-power", 1 - _pow(_u, _v), -_expm1(_v * _log(_u)), _positive(_u)),
    Identity("log-power", _log(_pow(_u, _v)), _v * _log(_u), _positive(_u)),
    Identity("log-product", _log(_u * _v), _log(_u) + _log(_v), _positive(_u, _v)),
    Identity("log-quotient", _log(_u / _v), _log(_u) - _log(_v), _positive(_u, _v)),
    Identity("log-reciprocal", _log(1 / _u), -_log(_u), _positive(_u)),
    Identity("logs-sum", _log(_u) + _log(_v), _log(_u * _v), _positive(_u, _v)),
    Identity("logs-difference", _log(_u) - _log(_v), _log1p((_u - _v) / _v)),
    Identity("log1ps-difference", _log1p(_u) - _log1p(_v), _log1p((_u - _v) / (1 + _v))),
    Identity("log1p-log", _log1p(_u) - _log(_u), _log1p(1 / _u)),
    Identity("log-square", _log(_square(_u)), 2 * _log(_abs(_u))),
    Identity("log-sqrt", _log(_sqrt(_u)), _log(_u) / 2, _positive(_u)),
    Identity("log-ratio", _log((1 - _u) / (1 + _u)), -2 * _atanh(_u)),
    Identity("log-ratio-inverse", _log((1 + _u) / (1 - _u)), 2 * _atanh(_u)),
    Identity("logs-ratio", _log1p(_u) - _log1p(-_u), 2 * _atanh(_u)),
    Identity("softplus", _log1p(_exp(_u)), _max(_u, const(0)) + _log1p(_exp(-_abs(_u)))),
    Identity("softplus-minus", _log1p(_exp(_u)) - _u, _log1p(_exp(-_u))),
    Identity("sigmoid", 1 / (1 + _exp(-_u)), _exp(_u) / (1 + _exp(_u))),
    Identity("sigmoid-tanh", 1 / (1 + _exp(-_u)), _half * (1 + _tanh(_u / 2))),
    Identity("sigmoid-complement", 1 - 1 / (1 + _exp(-_u)), 1 / (1 + _exp(_u))),
)

_HYPERBOLIC = (
    Identity("exps-difference", _exp(_u) - _exp(-_u), 2 * _sinh(_u)),
    Identity("exps-sum", _exp(_u) + _exp(-_u), 2 * _cosh(_u)),
    Identity("sinh-exp", _sinh(_u), (_exp(_u) - _exp(-_u)) / 2),
    Identity("cosh-exp", _cosh(_u), (_exp(_u) + _exp(-_u)) / 2),
    Identity("tanh-expm1", _tanh(_u), _expm1(2 * _u) / (_exp(2 * _u) + 1)),
    Identity("tanh-quotient", _sinh(_u) / _cosh(_u), _tanh(_u)),
    Identity("tanh-complement", 1 - _tanh(_u), 2 / (_exp(2 * _u) + 1)),
    Identity("tanh-supplement", 1 + _tanh(_u), 2 / (1 + _exp(-2 * _u))),
    Identity("tanh-square", 1 - _square(_tanh(_u)), 1 / _square(_cosh(_u))),
    Identity("sinh-square", _square(_cosh(_u)) - 1, _square(_sinh(_u))),
    Identity("coshs-difference", _cosh(_u) - _cosh(_v), 2 * _sinh((_u + _v) / 2) * _sinh((_u - _v) / 2)),
    Identity("sinhs-difference", _sinh(_u) - _sinh(_v), 2 * _cosh((_u + _v) / 2) * _sinh((_u - _v) / 2)),
    Identity("cosh-minus-sinh", _cosh(_u) - _sinh(_u), _exp(-_u)),
    Identity("cosh-double", 2 * (_cosh(_u) - 1), 4 * _square(_sinh(_u / 2))),
    Identity("sinh-double", 2 * (_sinh(_u) * _cosh(_u)), _sinh(2 * _u)),
    Identity("tanh-log", _tanh(_log(_u)), (_square(_u) - 1) / (_square(_u) + 1), _positive(_u)),
    Identity("sqrt-square-plus-one", _log(_u + _sqrt(_square(_u) + 1)), _asinh(_u)),
    Identity("acosh-near-one", _acosh(1 + _u), _log1p(_u + _sqrt(_u * (2 + _u))), _nonnegative(_u)),
    Identity("atanh-log1p", _atanh(_u), _half * (_log1p(_u) - _log1p(-_u))),
)

_TRIGONOMETRIC = (
    Identity("cos-supplement", 1 + _cos(_u), 2 * _square(_cos(_u / 2))),
    Identity("tan-half", (1 - _cos(_u)) / _sin(_u), _tan(_u / 2)),
    Identity("tan-half-sine", 2 * _square(_sin(_u / 2)) / _sin(_u), _tan(_u / 2)),
    Identity("tan-half-other", _sin(_u) / (1 + _cos(_u)), _tan(_u / 2)),
    Identity("tan-quotient", _sin(_u) / _cos(_u), _tan(_u)),
    Identity("pythagoras", _square(_sin(_u)) + _square(_cos(_u)), const(1)),
    Identity("sine-square", 1 - _square(_cos(_u)), _square(_sin(_u))),
    Identity("cosine-square", 1 - _square(_sin(_u)), _square(_cos(_u))),
    Identity("sine-double", 2 * (_sin(_u) * _cos(_u)), _sin(2 * _u)),
    Identity("cosine-double", _square(_cos(_u)) - _square(_sin(_u)), _cos(2 * _u)),
    Identity("sine-sum", _sin(_u + _v), _sin(_u) * _cos(_v) + _cos(_u) * _sin(_v)),
    Identity("cosine-sum", _cos(_u + _v), _cos(_u) * _cos(_v) - _sin(_u) * _sin(_v)),
    Identity(
        "tangent-sum",
        _tan(_u + _v),
        (_sin(_u) * _cos(_v) + _cos(_u) * _sin(_v)) / (_cos(_u) * _cos(_v) - _sin(_u) * _sin(_v)),
    ),
    Identity("sines-difference", _sin(_u) - _sin(_v), 2 * (_sin((_u - _v) / 2) * _cos((_u + _v) / 2))),
    Identity("cosines-difference", _cos(_u) - _cos(_v), -2 * (_sin((_u - _v) / 2) * _sin((_u + _v) / 2))),
    Identity("tangents-difference", _tan(_u) - _tan(_v), _sin(_u - _v) / (_cos(_u) * _cos(_v))),
    Identity(
        "atans-difference", _atan(_u) - _atan(_v), _atan((_u - _v) / (1 + _u * _v)), _positive(1 + _u * _v)
    ),
    Identity("atan-complement", const(sp.pi / 2) - _atan(_u), _atan(1 / _u), _positive(_u)),
)

_ERROR_FUNCTION = (
    Identity("erf-odd", _erf(-_u), -_erf(_u)),
    Identity("erf-minus-one", _erf(_u) - 1, -_erfc(_u)),
    Identity("erfc-minus-one", _erfc(_u) - 1, -_erf(_u)),
    Identity("erfs-difference", _erf(_u) - _erf(_v), _erfc(_v) - _erfc(_u)),
    Identity("erfs-difference-negative", _erf(_u) - _erf(_v), _erfc(-_u) - _erfc(-_v)),
)

# Applied on sight to whatever the others make: sums as arguments are rounded, and far out that is
# all there is of them.
_SUMS = {"sine-sum", "cosine-sum", "tangent-sum"}
EXPANSIONS = tuple(i for i in _TRIGONOMETRIC if i.name in _SUMS)

IDENTITIES = (
    *ON_SIGHT,
    *_ARITHMETIC,
    *_FRACTIONS,
    *_ROOTS,
    *_EXPONENTIALS,
    *_HYPERBOLIC,
    *_TRIGONOMETRIC,
    *_ERROR_FUNCTION,
)
