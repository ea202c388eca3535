"""Series: polynomials fitted to the truth where no closed form is accurate.

A chart says in which variable the function is smooth and which factor carries its size: about 0 it is
x**k times a polynomial in x, about a root (x - r) times one in x - r, towards infinity |x|**p times
one in 1/|x|. The polynomial is the truncated Chebyshev series of the quotient, which is within a small
factor of the best polynomial of its degree (L. N. Trefethen, Approximation Theory and Approximation
Practice, SIAM 2013), with coefficients computed from Arb balls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp
from flint import arb, arb_mat, arb_poly, ctx

from symact.graph import Node, const, node, var
from symact.stabilize.exponents import Exponent, exponential
from symact.stabilize.formats import FLOAT64, Format
from symact.stabilize.truth import Truth

_PRECISION = 512
# Two exponents at which the size of a function near 0 or infinity is compared.
_FAR, _FARTHER = 400, 600


@dataclass(frozen=True)
class Chart:
    """How a function is written on an interval: ``factor`` times a polynomial in ``variable``.

    Attributes:
        name: what kind it is, for reports.
        variable: graph of the polynomial's variable v.
        factor: graph of the factor; None for 1.
        to_input: the input at a value of v.
        factor_at: the factor at an input.
        low, high: the interval of v.
        root: if given, (v - root) is multiplied into the polynomial instead of a factor's graph.
    """

    name: str
    variable: Node
    factor: Node | None
    to_input: Callable[[arb], arb]
    factor_at: Callable[[arb], arb]
    low: float
    high: float
    root: arb | None = None


def _power(base: Node, exponent: int) -> Node | None:
    if exponent == 0:
        return None
    result = base
    for _ in range(exponent - 1):
        result = result * base
    return result


def origin(name: str, low: float, high: float, power: int, parity: int) -> Chart:
    """About 0: x**power times a polynomial in x, in x² where the function has a parity."""
    x = var(name)
    if parity:
        reach = max(abs(low), abs(high)) ** 2
        return Chart(
            "series at 0", node("square", x), _power(x, power),
            lambda v: v.sqrt(), lambda x: x**power, 0.0, reach,
        )  # fmt: skip
    return Chart(
        "series at 0", x, _power(x, power), lambda v: v, lambda x: x**power, low, high
    )  # fmt: skip


def center(name: str, low: float, high: float) -> Chart:
    """About the middle of an interval, rounded to a short number so that x - c is exact near it."""
    middle = _short((low + high) / 2, (high - low) / 8)
    return Chart(
        "polynomial", var(name) - const(middle), None,
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
        "root factored out", var(name) - const(head), None,
        lambda v: v + head, lambda x: x - at, low - head, high - head, root=at - head,
    )  # fmt: skip


def infinity(name: str, low: float, high: float, power: int) -> Chart:
    """Towards ±oo: |x|**power times a polynomial in 1/|x|."""
    x, sign = var(name), 1 if high > 0 else -1
    inverse = const(1) / node("abs", x)
    size = _power(node("abs", x), power) if power > 0 else _power(inverse, -power)
    nearest = min(abs(low), abs(high))
    return Chart(
        "series at infinity", inverse, size,
        lambda v: sign / v, lambda x: abs(x) ** power, 0.0, 1.0 / nearest,
    )  # fmt: skip


def falling_tail(name: str, low: float, high: float, exponent: Exponent, power: int, fmt: Format) -> Chart:
    """In a tail that falls as exp(w(x)): exp(w(x))·|x|**power times a polynomial in 1/|x|."""
    size = node("abs", var(name))
    inverse = const(1) / size
    near, far = sorted((abs(low), abs(high)))
    sign = 1 if high > 0 else -1
    scale = _power(size if power > 0 else inverse, abs(power))
    factor = exponential(exponent, name, fmt)
    return Chart(
        "falling tail", inverse, factor if scale is None else scale * factor,
        lambda v: sign / v, lambda x: exponent.at(x).exp() * abs(x) ** power, 1 / far, 1 / near,
    )  # fmt: skip


def tail_power(truth: Truth, side: int, exponent: Exponent, params: dict[str, float]) -> int | None:
    """The integer p for which the function falls as exp(exponent)·|x|**p; None without one."""
    quotients = []
    for size in (24, 48):  # far enough to see the power, near enough for Φ(x) - 1 in 16,384 bits
        at = arb(side * size)
        value = truth.sharp(at, params, _PRECISION)
        if value is None or value.is_zero():
            return None
        quotients.append(abs(value / exponent.at(at).exp()))
    slope = (quotients[1] / quotients[0]).log() / arb(2).log()
    if not slope.is_finite() or abs(slope) > 40:
        return None
    power = round(float(slope.mid()))
    return power if abs(float(slope.mid()) - power) < 0.1 else None


def exponential_slope(name: str, low: float, high: float, rate: float) -> Chart:
    """In any steep tail: exp(2**k (x - c)), whose argument is exact, times a polynomial in x - c."""
    middle = _short((low + high) / 2, (high - low) / 8)
    distance = var(name) - const(middle)
    return Chart(
        "exponential tail", distance, node("exp", const(rate) * distance),
        lambda v: v + middle, lambda x: (rate * (x - middle)).exp(), low - middle, high - middle,
    )  # fmt: skip


def steepness(truth: Truth, low: float, high: float, params: dict[str, float]) -> float | None:
    """The power of two closest to the logarithmic slope between two points, signed; None if flat."""
    sizes = [abs(truth.ball(end, params, _PRECISION)) for end in (low, high)]
    if not all(size.is_finite() and size > 0 for size in sizes):
        return None
    slope = float(((sizes[1] / sizes[0]).log() / (high - low)).mid())
    if abs(slope) * (high - low) < 2.0:
        return None
    return math.copysign(2.0 ** round(math.log2(abs(slope))), slope)


def _short(value: float, tolerance: float) -> float:
    """The number of fewest binary digits within ``tolerance`` of ``value``."""
    for exponent in range(64, -200, -1):
        rounded = round(value * 2.0**-exponent) * 2.0**exponent if abs(value) < 2.0**60 else value
        if abs(rounded - value) <= tolerance:
            return rounded
    return value


def growth(truth: Truth, side: int, near_zero: bool, params: dict[str, float]) -> int | None:
    """The integer p for which the function behaves as |x|**p towards 0 or ±oo; None without one."""
    ends = (-_FAR, -_FARTHER) if near_zero else (_FAR, _FARTHER)
    sizes = [abs(truth.ball(side * arb(2) ** end, params, 8 * _PRECISION)) for end in ends]
    if not all(size.is_finite() and size > 0 for size in sizes):
        return None
    precise = (sizes[0] / sizes[1]).log() / arb(2).log() / (ends[0] - ends[1])
    if not abs(precise) < 40:
        return None
    power = round(float(precise.mid()))
    return power if abs(float(precise.mid()) - power) < 1e-2 else None


def exact_root(truth: Truth, near: float, fmt: Format, params: dict[str, float]) -> arb | None:
    """The simple root next to ``near``, to a few hundred bits, by secant steps; None if they stray."""
    width = float(fmt.ulp(np.float64(near)))
    a, b = arb(near - width), arb(near + width)
    fa, fb = truth.ball(a, params, _PRECISION), truth.ball(b, params, _PRECISION)
    for _ in range(14):
        slope = (fb - fa) / (b - a)
        if not slope.is_finite() or slope.contains(0):
            break
        a, fa = b, fb
        b = (b - fb / slope).mid()
        fb = truth.ball(b, params, _PRECISION)
    good = b.is_finite() and abs(float(b) - near) < 64 * width and abs(fb) < arb(2) ** -150
    return b if good else None


def fit(truth: Truth, chart: Chart, fmt: Format, params: dict[str, float]) -> Node | None:
    """The polynomial of least degree on ``chart`` that errs less than the format can tell, or None.

    None where the function is not smooth on the interval, or the degree would be above the format's
    limit (16 for float32, 34 for float64).
    """
    limit = 34 if fmt is FLOAT64 else 16
    series = _chebyshev(truth, chart, limit + 10, params)
    if series is None:
        return None
    coefficients, smallest = series
    allowed = fmt.epsilon / 8 * smallest
    degree = len(coefficients) - 1
    tail = 0.0
    while degree >= 0 and tail + abs(coefficients[degree].mid()) < allowed:
        tail += float(abs(coefficients[degree].mid()))
        degree -= 1
    if degree > limit:
        return None
    ctx.prec = _PRECISION
    monomials = _monomials(coefficients[: degree + 1], chart.low, chart.high)
    if chart.root is not None:
        product = arb_poly(monomials) * arb_poly([-chart.root, 1])
        monomials = [product[k].mid() for k in range(product.degree() + 1)]
    return _horner([_rounded(c, fmt) for c in monomials], chart)


def _chebyshev(
    truth: Truth, chart: Chart, count: int, params: dict[str, float]
) -> tuple[list[arb], float] | None:
    """Chebyshev coefficients of the quotient on the chart, and its smallest size at the nodes."""
    ctx.prec = _PRECISION
    low, high = arb(chart.low), arb(chart.high)
    nodes, cosines = _chebyshev_nodes(count)
    samples = []
    for node_at in nodes:
        at = chart.to_input((low + high) / 2 + (high - low) / 2 * node_at)
        value = truth.sharp(at, params, _PRECISION // 2)
        ctx.prec = _PRECISION
        if value is None:
            return None
        samples.append((value / chart.factor_at(at)).mid())
    column = cosines * arb_mat([[s] for s in samples])
    coefficients = [column[k, 0] * 2 / count for k in range(count)]
    coefficients[0] = coefficients[0] / 2
    return coefficients, min(float(abs(s)) for s in samples)


@lru_cache(maxsize=8)
def _chebyshev_nodes(count: int) -> tuple[list[arb], arb_mat]:
    """The Chebyshev nodes in (-1, 1), and the matrix of cos(k·angle) that transforms samples there."""
    angles = [arb.pi() * (2 * j + 1) / (2 * count) for j in range(count)]
    transform = arb_mat([[(angle * k).cos() for angle in angles] for k in range(count)])
    return [angle.cos() for angle in angles], transform


def _monomials(coefficients: list[arb], low: float, high: float) -> list[arb]:
    """Coefficients of 1, v, v², … of a Chebyshev series on [low, high]."""
    a, b = arb(low), arb(high)
    unit = arb_poly([-(a + b) / (b - a), 2 / (b - a)])
    before, current = arb_poly([1]), unit
    total = arb_poly([coefficients[0]]) if coefficients else arb_poly([0])
    for coefficient in coefficients[1:]:
        total = total + coefficient * current
        before, current = current, 2 * unit * current - before
    return [total[k].mid() for k in range(total.degree() + 1)] or [arb(0)]


def _rounded(value: arb, fmt: Format) -> sp.Rational:
    return sp.Rational(float(fmt.round(np.float64(float(value)))))


def _horner(coefficients: list[sp.Rational], chart: Chart) -> Node:
    """factor · (c0 + v·(c1 + …)); with c0 = 1 the factor is added last, unrounded by the product."""
    v = chart.variable
    rest: Node | None = None
    for coefficient in reversed(coefficients[1:]):
        if rest is None:
            rest = const(coefficient)
        else:
            rest = v * rest if coefficient == 0 else const(coefficient) + v * rest
    lead = coefficients[0]
    if rest is None:
        return const(lead) if chart.factor is None else const(lead) * chart.factor
    if chart.factor is None:
        return const(lead) + v * rest
    if lead == 1:
        return chart.factor + chart.factor * (v * rest)
    return chart.factor * (const(lead) + v * rest)
