"""Formulas of saturated sums: one term is almost all, and what the others leave is the result."""

from __future__ import annotations

import numpy as np
import pytest
from axis_truth import Truth, _gradients, ulp

from symact.leading import with_leading_terms
from symact.parse import parse
from symact.program import lower

WEIGHT = "exp(a[j])/Sum(exp(a[k]),k)"
COOLED = "exp(a[j]/T)/Sum(exp(a[k]/T),k)"
SHARE = "abs(a[j])/Sum(abs(a[k]),k)"
UNCERTAINTIES = {
    f"-Sum({WEIGHT}*log({WEIGHT}),j)": {},
    f"-Sum({COOLED}*log({COOLED}),j)": {"T": 2.0},
    f"1-Sum(({WEIGHT})^2,j)": {},
    f"-log(Sum(({WEIGHT})^2,j))": {},
    f"1-ReduceMax({WEIGHT},j)": {},
    f"-log(ReduceMax({WEIGHT},j))": {},
    "log(Sum(exp(a[j]),j))-ReduceMax(a[j],j)": {},
    f"Sum({WEIGHT}*(1-{WEIGHT}),j)": {},
    f"exp(a[i])/Sum(exp(a[k]),k)*(1-{WEIGHT.replace('j', 'i')})": {},
}
LOSSES = (
    f"-Sum(b[j]*log({WEIGHT}),j)",
    "log(Sum(exp(a[j]),j))-Sum(b[j]*a[j],j)",
    f"-Sum(b[j]*(1-{WEIGHT})^2*log({WEIGHT}),j)",
    f"1-Sum({WEIGHT}*b[j],j)",
)
GAPS = [0.5, 12.0, 25.0, 40.0, 70.0]
OTHERS = np.array([0.1, -0.4, 0.3, 0.2, 0.5])
LEADS = np.arange(5) == 2


def _check(compiled, formula, options, inputs, parameters=(), scale=0.0):
    activation = compiled(formula, name="saturated", **options)
    values = {name: np.float32(value) for name, value in dict(parameters).items()}
    upstream = np.float32(
        np.random.default_rng(1).normal(size=len(LEADS) if activation.formula.keeps_axis else 1)
    )
    y, gradients = _gradients(activation, inputs, values, upstream)
    value, exact = Truth(formula, **options)({**inputs, **values}, upstream, 300)
    assert ulp(y, value) < 4
    for name, (gradient, _) in exact.items():
        assert ulp(gradients[name], gradient, scale) < 16, name


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("formula", UNCERTAINTIES)
def test_what_is_left_of_one(formula, gap, compiled):
    parameters = UNCERTAINTIES[formula]
    options = {"inputs": ("a",)}
    if parameters:
        options |= {"params": parameters, "trainable": tuple(parameters)}
    _check(compiled, formula, options, {"a": np.float32(OTHERS + gap * LEADS)}, parameters)


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("formula", LOSSES)
def test_losses_of_confident_right_predictions(formula, gap, compiled):
    inputs = {"a": np.float32(OTHERS + gap * LEADS), "b": np.float32(LEADS)}
    # The gradient of the first two is the weights less the labels: right in units of these.
    scale = 1.0 if formula in LOSSES[:2] else 0.0
    _check(compiled, formula, {"inputs": ("a", "b")}, inputs, scale=scale)


@pytest.mark.parametrize("ratio", [1.0, 1e5, 1e12, 1e25])
@pytest.mark.parametrize("formula", [f"-Sum({SHARE}*log({SHARE}),j)", f"1-Sum(({SHARE})^2,j)"])
def test_shares_of_sizes(formula, ratio, compiled):
    _check(compiled, formula, {"inputs": ("a",)}, {"a": np.float32(OTHERS * np.where(LEADS, ratio, 1))})


@pytest.mark.parametrize("ties", ["share", "first"])
def test_several_leading_elements(ties, compiled):
    vector = np.float32([3.0, 45.0, 2.0, 45.0, 1.0])
    for formula in [*UNCERTAINTIES][2:7]:
        activation = compiled(formula, name="saturated", inputs=("a",), ties=ties)
        upstream = np.ones(5 if activation.formula.keeps_axis else 1, np.float32)
        y, gradients = _gradients(activation, {"a": vector}, {}, upstream)
        value, exact = Truth(formula, inputs=("a",))({"a": vector}, upstream, 300)
        assert ulp(y, value) < 4
        if "ReduceMax" not in formula:
            assert ulp(gradients["a"], exact["a"][0], 1e-7) < 16, formula
        else:  # of log(Sum(exp(a))) - Max(a)
            leads = vector == 45
            share = leads / 2 if ties == "share" else np.arange(5) == 1
            factor = {"1-": 0.5, "-l": 1.0, "lo": 1.0}[formula[:2]]
            assert np.allclose(gradients["a"], factor * (leads / 2 - share), atol=1e-6), formula


@pytest.mark.parametrize("place", ["{} + tanh(ReduceMax(a[j],j))", "tanh(ReduceMax(a[j],j))*{}"])
def test_a_maximum_that_is_found_before_or_after_the_sum(place, compiled):
    inputs = {"a": np.float32(OTHERS + 3 * LEADS)}
    _check(compiled, place.format(f"Sum({WEIGHT}*log({WEIGHT}),j)"), {"inputs": ("a",)}, inputs)


@pytest.mark.parametrize(
    ("formula", "changes"),
    [
        ("log(Sum(exp(x[j]),j))", True),
        ("log(Sum(x[j]^2,j))", True),
        ("Sum(exp(x[j]),j)", False),
        ("log(Sum(x[j],j))", False),
        ("1-Sum(x[j]*exp(x[j]),j)", False),
        ("exp(x[i])/Sum(exp(x[j]),j)", False),
    ],
)
def test_logarithms_of_positive_sums_and_what_weights_leave_are_rewritten(formula, changes):
    program = lower(parse(formula))
    assert (with_leading_terms(program) != program) == changes
