"""Charts: in which variable a function is smooth on an interval, and which factor carries its size.

About 0 it is x**p times a polynomial in x, about a root (x - r) times one in x - r, towards infinity
|x|**p times one in 1/|x|, with exp(w(x)) as a further factor where it grows or falls so. The powers p
are those that occur: whole, and with denominators 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
from flint import arb

from symact.convert import integer_power
from symact.graph import Node, const, node, var
from symact.stabilize.exponents import Exponent, exponential
from symact.stabilize.formats import Format


@dataclass(frozen=True)
class Factor:
    """A graph that is multiplied (``op`` "mul") or divided by ("div")."""

    op: str
    graph: Node

    def applied(self, graph: Node) -> Node:
        """``graph`` times this factor."""
        return node(self.op, graph, self.graph)


@dataclass(frozen=True)
class Chart:
    """How a function is written on an interval: ``factor`` times a polynomial in ``variable``.

    Attributes:
        variable: graph of the polynomial's variable v.
        factors: graphs of the factor's parts, in the order in which they are multiplied; so that no
            product on the way leaves the normal range where the result does not.
        to_input: the input at a value of v.
        factor_at: the product of the factors at an input.
        low, high: the interval of v.
        root: if given, (v - root) is multiplied into the polynomial instead of a factor's graph.
    """

    variable: Node
    factors: tuple[Factor, ...]
    to_input: Callable[[arb], arb]
    factor_at: Callable[[arb], arb]
    low: float
    high: float
    root: arb | None = None


def rational_power(base: Node, power: sp.Rational) -> tuple[Factor, ...]:
    """Factors whose product is ``base**power`` for a positive base: whole powers by products, roots
    by the kernels that are exact to a unit or two.

    Of a large base the reciprocal may be flushed to zero where the result is not: by a base that is
    needed once is divided.
    """
    whole, part = divmod(abs(power), 1)
    op = "mul" if power > 0 else "div"
    factors = [Factor(op, root_of(base, int(part.q), int(part.p)))] if part else []
    if whole == 1 and factors and op == "div":
        # XLA would make one division by root · base of two, and that product may be flushed to zero.
        factors = [Factor("mul", node("keep", const(1) / factors[0].graph)), Factor(op, base)]
    elif whole == 1:
        factors.append(Factor(op, base))
    elif whole:
        if power < 0:
            base = const(1) / base
        halves = (int(whole) // 2, int(whole) - int(whole) // 2)
        factors += [Factor("mul", integer_power(base, half)) for half in halves]
    return tuple(factors)


def root_of(base: Node, degree: int, times: int = 1) -> Node:
    """``base**(times/degree)`` for ``base > 0``: by a step of Newton's method from the pow kernel,
    whose exponent is rounded."""
    if degree == 2:
        return integer_power(node("sqrt", base), times)
    guess = node("pow", base, const(sp.Rational(1, degree)))
    rest = (guess - base / integer_power(guess, degree - 1)) / const(degree)
    return integer_power(guess - rest, times)


def _size(x: arb, power: sp.Rational) -> arb:
    size = abs(x)
    if power.q == 1:
        return size ** int(power)
    return (size.log() * int(power.p) / int(power.q)).exp()


def origin(name: str, low: float, high: float, power: sp.Rational, parity: int, degree: int = 1) -> Chart:
    """About 0: x**power times a polynomial in x, in x² where the function has a parity; in |x|**(1/degree)
    where the power is not whole, or ``degree`` is not 1."""
    x = var(name)
    size = node("abs", x) if low < 0 else x
    if degree > 1:
        sign, reach = (1 if high > 0 else -1), max(abs(low), abs(high))
        return Chart(
            root_of(size, degree), rational_power(size, power),
            lambda v: sign * v**degree, lambda x: _size(x, power), 0.0, reach ** (1 / degree),
        )  # fmt: skip
    whole = power.q == 1
    factors = rational_power(x if whole else size, power)
    if parity and whole:
        reach = max(abs(low), abs(high)) ** 2
        return Chart(node("square", x), factors, lambda v: v.sqrt(), lambda x: x ** int(power), 0.0, reach)
    at = (lambda x: x ** int(power)) if whole else (lambda x: _size(x, power))
    return Chart(x, factors, lambda v: v, at, low, high)


def center(name: str, low: float, high: float) -> Chart:
    """About the middle of an interval, rounded to a short number so that x - c is exact near it."""
    middle = _short((low + high) / 2, (high - low) / 8)
    return Chart(
        var(name) - const(middle), (),
        lambda v: v + middle, lambda x: arb(1), low - middle, high - middle,
    )  # fmt: skip


def root(name: str, low: float, high: float, at: arb, fmt: Format) -> Chart:
    """About a simple root r: (x - r) times a polynomial, multiplied out in x - h, h = r rounded.

    The constant term, f(h), is tiny and as precise as any constant, so the result is accurate relative
    to its size right up to the root. Subtracting r in two parts would do the same, but XLA and Grappler
    add such constants up.
    """
    head = float(fmt.round(np.float64(float(at))))
    return Chart(
        var(name) - const(head), (),
        lambda v: v + head, lambda x: x - at, low - head, high - head, root=at - head,
    )  # fmt: skip


def infinity(name: str, low: float, high: float, power: sp.Rational, degree: int = 1) -> Chart:
    """Towards ±oo: |x|**power times a polynomial in 1/|x|, or in its root of the given degree."""
    x, sign = var(name), 1 if high > 0 else -1
    size = node("abs", x) if sign < 0 else x
    inverse = const(1) / size
    nearest = min(abs(low), abs(high))
    return Chart(
        inverse if degree == 1 else root_of(inverse, degree), rational_power(size, power),
        lambda v: sign / v**degree, lambda x: _size(x, power), 0.0, nearest ** (-1 / degree),
    )  # fmt: skip


# Sizes beyond exp of this are kept out of intermediate results, by a shift of the exponent.
_MODERATE = 60.0


def exponential_tail(
    name: str,
    low: float,
    high: float,
    exponent: Exponent,
    power: sp.Rational,
    fmt: Format,
    middle: float | None = None,
) -> Chart:
    """Where it falls or grows as exp(w(x)): exp(w(x))·|x|**power times a polynomial in 1/|x|, or, given a
    ``middle`` m of the interval, in (|x| - m)/(|x| + m).

    Asymptotic series are in 1/|x|, and often end. Those that do not are better conditioned in the other
    variable, and reach further in (J. L. Schonfelder, "Chebyshev expansions for the error and related
    functions", Mathematics of Computation 32, 1978).

    exp(w - s) is computed, with a whole number s whose exp is taken into the coefficients, so that the
    exponential stays in range wherever the result does.
    """
    sign = 1 if high > 0 else -1
    size = node("abs", var(name))  # also for x > 0: the form may be mirrored, and "keep" is for x ≥ 0
    near, far = sorted((abs(low), abs(high)))
    furthest = float(exponent.at(arb(sign * far)))
    beyond = max(abs(furthest) - _MODERATE, 0.0)
    shift = math.copysign(math.ceil(beyond), furthest)
    whole = exponential(exponent, name, fmt, int(shift))
    for factor in rational_power(size, power):
        whole = factor.applied(whole)
    # In one piece: Grappler reorders products with a constant, and c · exp(w - s) alone may be flushed.
    factors = (Factor("mul", node("keep", whole) if shift and power else whole),)

    def factor_at(x: arb) -> arb:
        return (exponent.at(x) - shift).exp() * _size(x, power)

    if middle is None:
        return Chart(const(1) / size, factors, lambda v: sign / v, factor_at, 1 / far, 1 / near)
    return Chart(
        (size - const(middle)) / (size + const(middle)), factors,
        lambda v: sign * middle * (1 + v) / (1 - v), factor_at,
        (near - middle) / (near + middle), (far - middle) / (far + middle),
    )  # fmt: skip


def whole_tail(
    name: str,
    far: float,
    exponent: Exponent,
    powers: tuple[sp.Rational, sp.Rational],
    fmt: Format,
    middle: float,
) -> Chart:
    """An exponential tail from 0 to ``far``, of a function that has one of the whole ``powers`` of |x| at 0
    and the other far out: as ``exponential_tail`` with the first, times a power of |x| + m."""
    at_zero, at_infinity = powers
    low, high = sorted((0.0, far))
    tail = exponential_tail(name, low, high, exponent, at_zero, fmt, middle)
    beyond = int(at_infinity - at_zero)
    size = node("abs", var(name)) + const(middle)
    return replace(
        tail,
        factors=(*tail.factors, *rational_power(size, sp.Integer(beyond))),
        factor_at=lambda x: tail.factor_at(x) * (abs(x) + middle) ** beyond,
    )


def exponential_slope(name: str, low: float, high: float, rate: float) -> Chart:
    """In any steep tail: exp(2**k (x - c)), whose argument is exact, times a polynomial in x - c."""
    middle = _short((low + high) / 2, (high - low) / 8)
    distance = var(name) - const(middle)
    return Chart(
        distance, (Factor("mul", node("exp", const(rate) * distance)),),
        lambda v: v + middle, lambda x: (rate * (x - middle)).exp(), low - middle, high - middle,
    )  # fmt: skip


def short(value: float) -> float:
    """The number of fewest binary digits within an eighth of ``value``."""
    return _short(value, value / 8)


def _short(value: float, tolerance: float) -> float:
    """The number of fewest binary digits within ``tolerance`` of ``value``."""
    for exponent in range(64, -200, -1):
        rounded = round(value * 2.0**-exponent) * 2.0**exponent if abs(value) < 2.0**60 else value
        if abs(rounded - value) <= tolerance:
            return rounded
    return value
