"""Truth: the exact value of the user's unrewritten expression, by Arb balls at growing precision.

F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE
Transactions on Computers 66(8), 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, ctx

from symact.convert import to_graph
from symact.graph import Node, walk
from symact.numbers import as_ball
from symact.ops import OPS
from symact.stabilize.formats import Array
from symact.tails import with_small_terms, with_tails

# Enough for a double-double: twice the 53 bits of float64, and a few to spare.
_WANTED_BITS = 110
_PRECISIONS = (128, 256, 512, 1024, 2048, 4096, 16384)
# Where a value is still not finite at this precision, it may be a gap: it has exponents for all of float64.
_GAP_PRECISION = 2048
# Values kept, since a search asks for many of them again.
_MOST_KNOWN = 50_000
# After so many neighbours of which the last precision told nothing it is not tried: 1 - tanh(x) far out.
_ENOUGH = 4
# A gap in the formula (0/0) is filled by its limit, read off this close to it.
_NEAR, _NEARER = 2.0**-300, 2.0**-330

Ball = Any  # arb, or bool for conditions, or None where a condition cannot be decided


class Truth:
    """Exact values of one expression.

    Args:
        expression: over real symbols; conditions of a Piecewise included.
        name: the input; every other symbol is a parameter.
        kinks: inputs where ``expression``, a derivative, may jump. Its rules are applied to every
            kinked part alone, and what they add up to may be no subgradient of the whole; there the
            value is the common limit from both sides, or else kept between the two.
    """

    def __init__(self, expression: sp.Expr, name: str = "x", kinks: frozenset[float] = frozenset()) -> None:
        self._kinks = kinks
        self._steps = list(walk([with_small_terms(with_tails(to_graph(expression)))]))
        position = {step: i for i, step in enumerate(self._steps)}
        self._plan = [
            (i, _function(step), tuple(position[arg] for arg in step.args))
            for i, step in enumerate(self._steps)
            if step.args
        ]
        self._inputs = [i for i, step in enumerate(self._steps) if step.op == "var" and step.name == name]
        self._parameters = [
            (i, str(step.name))
            for i, step in enumerate(self._steps)
            if step.op == "var" and step.name != name
        ]
        self._begin = self._unknown = 0
        self._constants: dict[int, list[Ball]] = {}
        self._known: dict[tuple[tuple[str, float], ...], dict[float, tuple[float, float]]] = {}

    def at(self, points: Array | float, /, **params: float) -> tuple[Array, Array]:
        """The values at ``points`` (float64, any shape) as unevaluated sums ``hi + lo``.

        ``hi`` is NaN where the expression has no value, and ±inf where it exceeds float64. Gaps
        that a limit fills (sin(x)/x at 0) have that limit's value. At an infinite point the value
        is the limit there, if it exists.
        """
        points = np.asarray(points, np.float64)
        high, low = np.empty(points.shape), np.zeros(points.shape)
        flat_high, flat_low = high.reshape(-1), low.reshape(-1)
        precision = ctx.prec
        try:
            known = self._known.setdefault(tuple(sorted(params.items())), {})
            for i, point in enumerate(points.reshape(-1).tolist()):
                found = known.get(point)
                if found is None:
                    found = self._value(point, params)
                    if len(known) < _MOST_KNOWN and (point or math.copysign(1.0, point) > 0):
                        known[point] = found
                flat_high[i], flat_low[i] = found
        finally:
            ctx.prec = precision
        return high, low

    def ball(self, point: float | arb, params: dict[str, float], precision: int) -> arb:
        """The value at ``point`` as a ball computed with ``precision`` bits."""
        ctx.prec = precision
        return self._evaluate(arb(point) if isinstance(point, float) else point, params, precision)

    def sharp(self, point: arb, params: dict[str, float], bits: int) -> arb | None:
        """The value at ``point`` to ``bits`` bits, by growing precision; None if it has none."""
        for precision in (2 * bits, 8 * bits, 32 * bits):
            value = self.ball(point, params, precision)
            if value.is_finite() and (value.rel_accuracy_bits() >= bits or value.is_zero()):
                return value
        return None

    def side(self, point: float, side: int, params: dict[str, float], near: float = _NEAR) -> float:
        """The limit at ``point`` from one side (-1 or 1), read off at ``near`` times its size."""
        step = arb(near) * arb(max(abs(point), 1.0))
        return float(self.ball(arb(point) + side * step, params, 4096).mid())

    def _value(self, point: float, params: dict[str, float]) -> tuple[float, float]:
        if math.isnan(point):
            return math.nan, 0.0
        if math.isinf(point):
            return self._limit_at_infinity(point, params)
        if point in self._kinks:
            settled = self._subgradient(point, params)
            if settled is not None:
                return settled
        for at, precision in enumerate(_PRECISIONS[self._begin :], self._begin):
            if precision == _PRECISIONS[-1] and self._unknown >= _ENOUGH:
                break
            ctx.prec = precision
            value = self._evaluate(arb(point), params, precision)
            if not value.is_finite():
                if precision == _GAP_PRECISION:
                    filled = self._fill_gap(point, params)
                    if filled is not None:
                        return filled
                continue
            known = value.rel_accuracy_bits()
            if known >= _WANTED_BITS or value.is_zero():
                self._begin_next_at(at, spare=known - _WANTED_BITS)
                return _split(value)
            if value.abs_upper() < arb(2) ** -1200:
                self._begin_next_at(at, spare=0)
                return 0.0, 0.0  # below every float64
            if value.abs_lower() > arb(2) ** 1200:
                return math.copysign(math.inf, float(value.mid().sgn())), 0.0
        if value.is_finite() and value.contains(0) and value.abs_upper() < arb(2) ** -3000:
            return 0.0, 0.0
        self._unknown += 1
        return math.nan, 0.0

    def _begin_next_at(self, at: int, spare: int) -> None:
        """The next point is most often a neighbour, and takes the same precision, or the one below."""
        less = at > 0 and spare >= _PRECISIONS[at] - _PRECISIONS[at - 1]
        self._begin = min(at - less, _PRECISIONS.index(_GAP_PRECISION))
        self._unknown = 0

    def _subgradient(self, point: float, params: dict[str, float]) -> tuple[float, float] | None:
        """A subgradient at a kink: the value by the rules where it lies between the two sides'."""
        step = arb(_NEAR) * arb(max(abs(point), 1.0))
        sides = [self.ball(arb(point) + side * step, params, 4096) for side in (-1, 1)]
        here = self.ball(point, params, 4096)
        if not all(value.is_finite() for value in sides):
            return None
        low, high = sorted((value.mid() for value in sides), key=float)
        slack = abs(high - low) / 2**40 + arb(2) ** -200 * (1 + abs(high))
        if here.is_finite() and low - slack <= here.mid() <= high + slack:
            return None
        middle = (low + high) / 2
        return _split(middle) if abs(middle) > arb(2) ** -190 else (0.0, 0.0)

    def _fill_gap(self, point: float, params: dict[str, float]) -> tuple[float, float] | None:
        """The limit at ``point`` from both sides, or None where there is none."""
        precision = 4096
        ctx.prec = precision
        scale = arb(max(abs(point), 1e-300) if point else 1.0)
        values: list[arb] = []
        for step, side in product((arb(_NEAR), arb(_NEARER)), (1, -1)):
            values.append(self._evaluate(arb(point) + side * step * scale, params, precision))
            if not values[-1].is_finite():
                return None
        if all(value.abs_upper() < arb(_NEAR) ** arb(0.5) for value in values):
            return 0.0, 0.0
        if any(value.rel_accuracy_bits() < _WANTED_BITS for value in values):
            return None
        spread = max(abs(float(value.mid() - values[-1].mid())) for value in values[:-1])
        size = max(abs(float(values[-1].mid())), 2.0**-200)
        if not spread <= size * 2.0**-150:
            return None
        return _split(values[-1].mid())

    def _limit_at_infinity(self, point: float, params: dict[str, float]) -> tuple[float, float]:
        """The limit at ±oo, read off huge arguments: a settled value, 0, or ±inf; else NaN."""
        sign = math.copysign(1.0, point)
        seen = []
        for exponent in (1100, 4400):
            value = self.ball(sign * arb(2) ** exponent, params, 16384)
            if not value.is_finite():
                return math.nan, 0.0
            seen.append(value.mid())
        first, second = seen
        if abs(second) < arb(2) ** -1074 and abs(first) < arb(2) ** -1000:
            return math.copysign(0.0, float(second.sgn())), 0.0
        if abs(second) > 2 * abs(first) and abs(first) > arb(2) ** 60:
            return math.copysign(math.inf, float(second.sgn())), 0.0
        if abs(second - first) <= abs(second) * arb(2) ** -100:
            return _split(second)
        return math.nan, 0.0

    def _evaluate(self, point: arb, params: dict[str, float], precision: int) -> arb:
        constants = self._constants.get(precision)
        if constants is None:
            constants = [_constant(step) for step in self._steps]
            self._constants[precision] = constants
        values = constants.copy()
        for i in self._inputs:
            values[i] = point
        for i, name in self._parameters:
            values[i] = arb(params[name])
        value_of = values.__getitem__
        for i, function, arguments in self._plan:
            values[i] = function(*map(value_of, arguments))
        return values[-1]


def _constant(step: Node) -> Ball:
    if step.op in ("true", "false"):
        return step.op == "true"
    return as_ball(step.value) if step.op == "const" else None


def _split(value: arb) -> tuple[float, float]:
    middle = value.mid()
    high = float(middle)
    if not math.isfinite(high):
        return math.copysign(math.inf, float(middle.sgn())), 0.0
    return high, float(middle - arb(high))


def _decide(name: str) -> Callable[[arb, arb], bool | None]:
    """A comparison of balls: None where they overlap and so do not decide it."""
    order: dict[str, tuple[Callable[[arb, arb], bool], Callable[[arb, arb], bool]]] = {
        "lt": (lambda a, b: a < b, lambda a, b: a >= b),
        "le": (lambda a, b: a <= b, lambda a, b: a > b),
        "gt": (lambda a, b: a > b, lambda a, b: a <= b),
        "ge": (lambda a, b: a >= b, lambda a, b: a < b),
        "eq": (lambda a, b: bool((a - b).is_zero()), lambda a, b: a != b),
        "ne": (lambda a, b: a != b, lambda a, b: bool((a - b).is_zero())),
    }
    holds, fails = order[name]
    return lambda a, b: True if holds(a, b) else False if fails(a, b) else None


def _choose(condition: bool | None, yes: Ball, no: Ball) -> Ball:
    return arb.nan() if condition is None else yes if condition else no


def _both(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else None if a is None or b is None else True


def _opposite(a: bool | None) -> bool | None:
    return None if a is None else not a


LOGIC: dict[str, Callable[..., Ball]] = {
    **{name: _decide(name) for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "and": _both,
    "or": lambda a, b: _opposite(_both(_opposite(a), _opposite(b))),
    "not": _opposite,
    "where": _choose,
}


def _function(step: Node) -> Callable[..., Ball]:
    function = LOGIC.get(step.op) or OPS[step.op].arb
    assert function is not None, f"{step.op} has no exact value"
    return function
