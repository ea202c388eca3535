"""The exact derivative, against Arb's own differences of the formula at 1,000 digits."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx

from symact.derive import differentiate, kinks
from symact.grammar import parse_text
from symact.parse import parse
from symact.program import lower
from symact.stabilize.truth import Truth

x = sp.Symbol("x", real=True)

FORMULAS = [
    "x*tanh(log(1+exp(x)))",
    "x*(1+erf(x/sqrt(2)))/2",
    "exp(-x**2)*sin(3*x)",
    "x**3/(1+x**4) + 2**x",
    "(1+x**2)**(x/3)",
    "asinh(x) + atan(x) + acosh(2+x**2) + atanh(x/20) + asin(x/20) + acos(x/20)",
    "sinh(x)*cosh(x)/(2+coth(x+20)) + sech(x) + csch(x+20)",
    "tan(x/20) + cot(2+x/20) + sec(x/20) + csc(2+x/20)",
    "sinc(x) + erfc(x)",
    "Piecewise((x, x > 1), (x**2, x > -1), (exp(x), True))",
    "Max(x, x**2, 1/2) + Min(x, 3)*abs(x - 1/3)",
    "sign(x)*log(1+abs(x)) + Heaviside(x-1)*x",
    "floor(x) + ceiling(x) + x",
]


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("order", [1, 2])
def test_derivative_is_the_limit_of_differences(text, order):
    expression = parse_text(text)
    before = expression if order == 1 else differentiate(expression, x)
    exact = Truth(differentiate(before, x))
    plain = Truth(before)
    ctx.prec = 4000
    step = arb(2) ** -900
    for point in (-3.7, -0.8, 0.05, 0.9, 2.6):
        difference = (plain.ball(arb(point) + step, {}, 4000) - plain.ball(arb(point) - step, {}, 4000)) / (
            2 * step
        )
        derivative = exact.ball(point, {}, 4000)
        assert abs(difference - derivative) <= arb(2) ** -600 * (1 + abs(derivative))


CONVENTIONS = {
    # formula: {point: (smallest, largest) subgradient there}
    "Max(x, 0)": {0.0: 0.0},
    "Min(Max(x, 0), 6)": {0.0: 0.0, 6.0: 0.0},
    "abs(x)": {0.0: 0.0},
    "sign(x)": {0.0: 0.0},
    "Heaviside(x)": {0.0: 0.0},
    "Piecewise((x, x >= 0), (0.1*x, True))": {0.0: 1.0},
    "Piecewise((x, x > 0), (0.1*x, True))": {0.0: 0.1},
    "Piecewise((1, Eq(x, 0)), (sin(x)/x, True))": {0.0: 0.0},
}


@pytest.mark.parametrize("text", CONVENTIONS)
def test_conventions_at_kinks(text):
    derivative = differentiate(parse_text(text), x)
    for point, expected in CONVENTIONS[text].items():
        value, _ = Truth(derivative).at(np.float64(point))
        assert value == expected


def test_two_kinks_at_one_point_still_give_a_subgradient():
    # Each rule gives 0 at 0, but the function is the identity there.
    derivative = differentiate(parse_text("Max(x, 0) + Min(x, 0)"), x)
    value, _ = Truth(derivative, kinks=frozenset([0.0])).at(np.float64(0.0))
    assert value == 1.0


def test_kinks_are_exact():
    program = lower(
        parse("Piecewise((x, x > 1/3), (t*x, x > t), (0, x**2 < 2), (1, True))", params={"t": 0.1})
    )
    t = sp.Symbol("t", real=True)
    assert set(kinks(program)) == {sp.Rational(1, 3), t, sp.sqrt(2), -sp.sqrt(2)}
