"""Series: polynomials fitted to the truth where no closed form is accurate.

On a chart (see ``charts``) a function is a factor times a polynomial: the truncated Chebyshev series of
the quotient, which is within a small factor of the best polynomial of its degree (L. N. Trefethen,
Approximation Theory and Approximation Practice, SIAM 2013), with coefficients computed from Arb balls.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import sympy as sp
from flint import arb, arb_mat, arb_poly, ctx

from symact.graph import Node, const
from symact.stabilize.charts import Chart
from symact.stabilize.formats import FLOAT64, Format
from symact.stabilize.truth import Truth

_PRECISION = 512


def exact_root(truth: Truth, near: float, fmt: Format) -> arb | None:
    """The simple root next to ``near``, to a few hundred bits, by secant steps; None if they stray."""
    width = float(fmt.ulp(np.float64(near)))
    a, b = arb(near - width), arb(near + width)
    fa, fb = truth.ball(a, {}, _PRECISION), truth.ball(b, {}, _PRECISION)
    for _ in range(14):
        slope = (fb - fa) / (b - a)
        if not slope.is_finite() or slope.contains(0):
            break
        a, fa = b, fb
        b = (b - fb / slope).mid()
        fb = truth.ball(b, {}, _PRECISION)
    good = b.is_finite() and abs(float(b) - near) < 64 * width and abs(fb) < arb(2) ** -150
    return b if good else None


def fit(truth: Truth, chart: Chart, fmt: Format) -> Node | None:
    """The polynomial of least degree on ``chart`` that errs less than the format can tell, or None.

    None where the function is not smooth on the interval, or the degree would be above the format's
    limit (16 for float32, 34 for float64).
    """
    limit = 34 if fmt == FLOAT64 else 16
    series = _chebyshev(truth, chart, limit + 10)
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
    if not all(abs(c) < fmt.max / 2 for c in monomials):
        return None
    return _horner([_rounded(c, fmt.working or fmt) for c in monomials], chart)


def _chebyshev(truth: Truth, chart: Chart, count: int) -> tuple[list[arb], float] | None:
    """Chebyshev coefficients of the quotient on the chart, and its smallest size at the nodes."""
    ctx.prec = _PRECISION
    low, high = arb(chart.low), arb(chart.high)
    nodes, cosines = _chebyshev_nodes(count)
    samples = []
    for node_at in nodes:
        at = chart.to_input((low + high) / 2 + (high - low) / 2 * node_at)
        value = truth.sharp(at, {}, _PRECISION // 2)
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
    """(c0 + v·(c1 + …)) times the factors; with c0 = 1 the first is added last, unrounded by the product."""
    v = chart.variable
    rest: Node | None = None
    for coefficient in reversed(coefficients[1:]):
        if rest is None:
            rest = const(coefficient)
        else:
            rest = v * rest if coefficient == 0 else const(coefficient) + v * rest
    lead = coefficients[0]
    factors = chart.factors
    if rest is None and lead == 1 and factors and factors[0].op == "mul":
        result, factors = factors[0].graph, factors[1:]
    elif rest is None:
        result = const(lead)
    elif lead == 1 and factors and factors[0].op == "mul":
        first, factors = factors[0], factors[1:]
        result = first.graph + first.graph * (v * rest)
    else:
        result = const(lead) + v * rest
    for factor in factors:
        result = factor.applied(result)
    return result
