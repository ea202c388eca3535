"""Truth and score: what everything else is measured by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from symact.grammar import parse_text
from symact.stabilize.formats import FLOAT32, FLOAT64
from symact.stabilize.score import WRONG, bits_of_error, ulp_error
from symact.stabilize.truth import Truth

CASES = [
    ("sinc(x)", 0.0, 1.0),
    ("x/(exp(x)-1)", 0.0, 1.0),
    ("(1-cos(x))/x**2", 0.0, 0.5),
    ("log(1-exp(-abs(x)))", 0.0, math.nan),
    ("1/x", 0.0, math.nan),
    ("sqrt(x)", -1.0, math.nan),
    ("1/(1+exp(-x))", -1e300, 0.0),
    ("tanh(x)", math.inf, 1.0),
    ("x*tanh(log(1+exp(x)))", -math.inf, 0.0),
    ("x*tanh(log(1+exp(x)))", math.inf, math.inf),
    ("sin(x)", math.inf, math.nan),
    ("exp(x)", 1000.0, math.inf),
    ("erfc(x)", 26.0, 5.663192408856143e-296),
    ("log((1+erf(x))/2)", -100.0, -10005.870732303225),
    ("log(erfc(-x/sqrt(2))/2)", -1000.0, -500007.82669481216),
    ("log(3-3*erf(x))", 100.0, -10004.078972833997),
    ("x - tanh(x)", 1e-100, 1e-300 / 3),
    ("log(1+exp(x))*exp(-x)", -1e5, 1.0),
    ("log(exp(x)+1)*(exp(x)-1)/exp(x)", -1e9, -1.0),
]


@pytest.mark.parametrize(("text", "point", "expected"), CASES)
def test_truth_at_the_hard_places(text, point, expected):
    value, _ = Truth(parse_text(text)).at(np.float64(point))
    assert (np.isnan(value) and math.isnan(expected)) or value == pytest.approx(expected, rel=1e-15)


def test_truth_is_a_double_double():
    third, rest = Truth(sp.Rational(1, 3) + 0 * sp.Symbol("x", real=True)).at(np.float64(1.0))
    assert third == 1 / 3
    assert rest == pytest.approx(1.850371707708594e-17, rel=1e-10)


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda f: f.name)
def test_ordinals_are_the_order_of_the_numbers(fmt):
    numbers = np.array([-fmt.max, -1.0, -fmt.min_normal, 0.0, fmt.min_normal, 1.0, 1.0 + 2 * fmt.epsilon])
    ordinals = fmt.ordinal(numbers)
    assert (np.diff(ordinals) > 0).all()
    assert ordinals[-1] - ordinals[-2] == 1
    np.testing.assert_array_equal(fmt.number(ordinals), numbers)


ERRORS = [
    # computed, truth, error in ULP of float32
    (1.0, 1.0, 0.0),
    (1.0 + 2**-23, 1.0, 1.0),
    (1.0, 1.0 + 2**-24, 0.5),
    (0.0, 1e-40, 0.0),
    (0.0, 1.0, 2**23),
    (math.nan, 1.0, WRONG),
    (math.inf, 1.0, WRONG),
    (math.inf, 1e39, 0.0),
    (-math.inf, 1e39, WRONG),
    (math.nan, math.nan, 0.0),
]


@pytest.mark.parametrize(("computed", "truth", "expected"), ERRORS)
def test_errors_in_ulp(computed, truth, expected):
    error = ulp_error(np.float64(computed), np.float64(truth), np.float64(0), FLOAT32)
    assert error == pytest.approx(expected)


def test_bits_of_error():
    np.testing.assert_array_equal(bits_of_error(np.array([0.0, 1.0, 7.0])), [0.0, 1.0, 3.0])


def test_towers_of_powers_have_a_truth_or_none_and_never_crash():
    x = sp.Symbol("x", real=True)
    tower = Truth(x**x**x**x)
    assert tower.at(np.array([0.5, 2.0]))[0] == pytest.approx([0.5**0.5**0.5**0.5, 65536.0])
    (huge,) = tower.at(np.array([1e30]))[0]
    assert math.isinf(huge) or math.isnan(huge)
