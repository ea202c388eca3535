"""What is left of quotients of sums that are nearly 1: terms that cancel go before anything is rounded."""

from __future__ import annotations

import numpy as np
import pytest
from axis_truth import Truth, _gradients, ulp

from symact.cancelled import with_cancelled_terms
from symact.parse import parse
from symact.program import lower

GATE = "(1/(1+exp(-a[j])))"
HIT, FALSE, MISSED = f"Sum({GATE}*b[j],j)", f"Sum({GATE}*(1-b[j]),j)", f"Sum((1-{GATE})*b[j],j)"
LOSSES = {
    f"1-{HIT}/({HIT}+{FALSE}+{MISSED})": {},
    f"1-(2*{HIT}+1)/(2*{HIT}+{FALSE}+{MISSED}+1)": {},
    f"(1-({HIT}+1)/({HIT}+r*{FALSE}+(1-r)*{MISSED}+1))^g": {"r": 0.3, "g": 0.75},
}
LABELS = np.array([1.0, 0.0, 1.0, 0.0, 1.0])


@pytest.mark.parametrize("size", [0.5, 5.0, 30.0, 50.0, 80.0])
@pytest.mark.parametrize("formula", LOSSES)
def test_losses_of_nearly_perfect_predictions(formula, size, compiled):
    parameters = LOSSES[formula]
    options = {"inputs": ("a", "b")}
    if parameters:
        options |= {"params": parameters, "trainable": tuple(parameters)}
    inputs = {"a": np.float32(size * (2 * LABELS - 1)), "b": np.float32(LABELS)}
    values = {name: np.float32(value) for name, value in parameters.items()}
    y, gradients = _gradients(
        compiled(formula, name="loss", **options), inputs, values, np.ones(1, np.float32)
    )
    value, exact = Truth(formula, **options)({**inputs, **values}, np.ones(1), 300)
    assert ulp(y, value) < 4
    for name, (gradient, _) in exact.items():
        assert ulp(gradients[name], gradient) < 6, name


@pytest.mark.parametrize(
    ("formula", "changes"),
    [
        ("1-Sum(x[j],j)/(Sum(x[j],j)+Sum(x[j]^2,j))", True),
        ("Sum(x[j]^2,j)/(1+Sum(x[j]^2,j))-1", True),
        # Nothing cancels, or there are elements in it.
        ("1-Sum(x[j],j)/Sum(x[j]^2,j)", False),
        ("Mean(x[j]^2,j)-Mean(x[j],j)^2", False),
        ("1-x[i]/(x[i]+Sum(x[j]^2,j))", False),
    ],
)
def test_terms_are_cancelled_where_there_are_some(formula, changes):
    program = lower(parse(formula, name="f", inputs=("x",), params={}, trainable=(), domain=None, axis=-1))
    assert (with_cancelled_terms(program) != program) == changes


LME = "log(Mean(exp(x[j]),j))"
FROM_THE_MAXIMUM = [
    f"ReduceMax(x[j],j)-{LME}",
    f"{LME}-ReduceMax(x[j],j)",
    f"tanh(2-{LME}+ReduceMax(x[j],j))",
    f"tanh(x[i])*(ReduceMax(x[j],j)-{LME})",
    "log(Mean(exp(-x[j]),j))-ReduceMax(-x[j],j)",
    "ReduceMax(exp(x[j]),j)/Sum(exp(x[j]),j)",
    "exp(ReduceMax(x[j],j))/Sum(exp(x[j]),j)",
]


@pytest.mark.parametrize("vector", [[1e20, 3.0, -1e20, 7.0], [5e4, 5e4, 4.99e4], [0.5, -0.25, 2.0]], ids=str)
@pytest.mark.parametrize("formula", FROM_THE_MAXIMUM)
def test_a_maximum_less_the_shift_by_it(formula, vector, compiled):
    """Between them stood log(n), of which a maximum of 1e20 left nothing."""
    inputs = {"x": np.float32(vector)}
    upstream = np.float32([1.5, -0.5, 0.25, 2.0][: len(vector) if "x[i]" in formula else 1])
    y, gradients = _gradients(compiled(formula), inputs, {}, upstream)
    value, exact = Truth(formula)(inputs, upstream, 300)
    assert ulp(y, value) < 4
    gradient, scale = exact["x"]
    assert ulp(gradients["x"], gradient, scale) < 6


ABOUT_ONE = {
    "log((1+sqrt(Sum(a[j]^2,j)))/(1-sqrt(Sum(a[j]^2,j))))": ("a",),
    "sqrt(Mean(log((1+abs(a[j]))/(1+abs(b[j])))^2,j))": ("a", "b"),
    "Mean(log((1+a[j])/(1-b[j])),j)": ("a", "b"),
    "log((1+a[i])/(1+w*b[i]))": ("a", "b"),
}


@pytest.mark.parametrize("size", [0.2, 1e-4, 1e-9, 1e-18, 1e-30])
@pytest.mark.parametrize("formula", ABOUT_ONE)
def test_logarithms_of_quotients_of_what_is_about_1(formula, size, compiled):
    names = ABOUT_ONE[formula]
    weights = {"params": {"w": 0.5}, "trainable": ("w",)} if "w" in formula else {}
    options = {"inputs": names, **weights}
    inputs = {"a": size * np.array([0.5, -1.0, 0.75, 0.25]), "b": size * np.array([0.25, 1.0, -0.5, 0.125])}
    inputs = {name: np.float32(inputs[name]) for name in names}
    values = {"w": np.float32(0.5)} if weights else {}
    upstream = np.float32([1.5, -0.5, 0.25, 2.0][: 4 if "[i]" in formula else 1])
    y, gradients = _gradients(compiled(formula, **options), inputs, values, upstream)
    value, exact = Truth(formula, **options)({**inputs, **values}, upstream, 300)
    assert ulp(y, value) < 4
    for name, (gradient, scale) in exact.items():
        assert ulp(gradients[name], gradient, scale) < 6, name
