"""Sums of functions that grow or fall exponentially: none overflows, and none loses all of its terms."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from axis_truth import check

from symact.growth import with_growth
from symact.parse import parse
from symact.program import lower

# exp(-1200) is told from 0 beside 1, and what changes it.
DIGITS = 800

FORMULAS = {
    # grows on both sides, on one, and falls on one
    "log(Mean(cosh(x[j]),j))": {},
    "sinh(x[i])/Sum(cosh(x[j]),j)": {},
    "Max(exp(x[i])-1,0)/Sum(Abs(exp(x[j])-1),j)": {},
    "1/(1+exp(-x[i]))/Sum(1/(1+exp(-x[j])),j)": {},
    "log(1+exp(x[i]))/Sum(log(1+exp(x[j])),j)": {},
    "Piecewise((x[i]+1,x[i]>0),(exp(x[i]),True))/Sum(Piecewise((x[j]+1,x[j]>0),(exp(x[j]),True)),j)": {},
    "log(Sum(exp(x[j])/(1+exp(x[j]))^2,j))": {},
    # of a multiple by a parameter; with weights of another vector
    "1/(1+exp(-x[i]/T))/Sum(1/(1+exp(-x[j]/T)),j)": {"T": 0.7},
    "Sum(y[j]/(1+exp(-x[j])),j)/Sum(1/(1+exp(-x[j])),j)": {},
}
ORDINARY = np.array([1.2, -0.4, 0.75, -1.6, 0.3])
VECTORS = {
    "ordinary": ORDINARY,
    "tiny": 1e-20 * ORDINARY,
    "overflows": 1000 * ORDINARY,
    "all vanish": -1000 + ORDINARY,
    "all overflow": 1000 + ORDINARY,
    "huge": 1e20 * ORDINARY,
    "equal, far below": np.full(5, -1200.0),
}


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_gradients(formula, vector, compiled):
    if "log(Mean(cosh" in formula and vector == "tiny":
        pytest.skip("the truth is below the range")
    inputs = {"x": np.float32(VECTORS[vector])}
    if "y[" in formula:
        inputs["y"] = np.float32(ORDINARY[::-1])
    parameters = {k: np.float32(v) for k, v in FORMULAS[formula].items()}
    check(compiled, formula, {"inputs": tuple(inputs)}, inputs, parameters, digits=DIGITS)


@pytest.mark.parametrize(
    ("formula", "rate"),
    [
        ("log(Sum(cosh(2*x[j]),j))", "2*Abs(x)"),
        ("log(Sum(sqrt(cosh(x[j])),j))", "Abs(x)/2"),
        ("log(Sum(x[j]^2/(1+exp(3*x[j])),j))", "-3*Max(x,0)"),
        ("log(Sum(log(1+exp(-x[j])),j))", "-Max(x,0)"),
    ],
)
def test_rates_are_measured(formula, rate):
    (found,) = with_growth(lower(parse(formula))).rates
    expected = sp.lambdify("x", sp.sympify(rate))
    computed = sp.lambdify(sp.Symbol("x", real=True), found.expression)
    for x in (-7.0, 3.0):
        assert computed(x) == expected(x)


@pytest.mark.parametrize(
    "formula",
    [
        "exp(x[i])/Sum(exp(x[j]),j)",  # shifted as it is
        "Sum(cosh(x[j]),j)",  # overflows with the result alone
        "x[i]/Sum(1+log(1+exp(x[j])),j)",  # neither overflows nor vanishes
        "log(Sum(exp(-x[j]^2)+erf(x[j])^2,j))",  # grows like no exponential of x
    ],
)
def test_other_sums_are_left_alone(formula):
    program = lower(parse(formula))
    assert with_growth(program) == program
