"""The truth between sample points: interpolated as exactly as it claims, and only where that can be."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from symact.stabilize.formats import FLOAT32, FLOAT64
from symact.stabilize.smooth import smooth
from symact.stabilize.truth import Truth

LINE = (-np.inf, np.inf)
# Smooth everywhere, with a kink, with poles, with a root of every order, oscillating, on a half line.
FORMULAS = {
    "x/(1 + exp(-x))": LINE,
    "Abs(x - 1/3)*exp(x)": LINE,
    "1/(x**2 - 2)": LINE,
    "(x - tanh(x))**3": LINE,
    "sin(40*x)": LINE,
    "log(1 + x)/x": (-1.0, np.inf),
    "sqrt(x)*erf(x)": (0.0, np.inf),
    "exp(-x**2)": LINE,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_interpolated_values_are_a_small_part_of_an_ulp_off(formula):
    domain = FORMULAS[formula]
    truth = Truth(sp.sympify(formula, {"x": sp.Symbol("x", real=True)}), "x")
    points, values = smooth(truth, FLOAT32, domain).sample(64, seed=5)
    assert len(points) > 500
    assert (np.diff(points) > 0).all()
    assert ((points > domain[0]) & (points < domain[1])).all()
    assert np.array_equal(points, FLOAT32.round(points))
    exact, rest = truth.at(points)
    assert (np.abs(values - exact - rest) <= FLOAT32.ulp(exact) / 16).all()


def test_float64_has_no_digits_to_spare():
    truth = Truth(sp.exp(sp.Symbol("x", real=True)), "x")
    assert smooth(truth, FLOAT64, LINE).stretches == ()


def test_the_density_is_that_of_a_binade():
    truth = Truth(sp.exp(sp.Symbol("x", real=True)), "x")
    points, _ = smooth(truth, FLOAT32, LINE).sample(256, seed=5)
    for low in (2.0**-6, 0.5, 1.0, 16.0):
        count = np.count_nonzero((points >= low) & (points < 2 * low))
        assert 200 < count <= 256
