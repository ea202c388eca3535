"""Maxima and minima of what is monotonic, beside sums of it and alone."""

from __future__ import annotations

import numpy as np
import pytest
from axis_truth import check

from symact.compiler import translate

ORDINARY = np.random.default_rng(3).normal(size=5)
# Formula: its parameters.
FORMULAS = {
    "ReduceMax(exp(x[j]),j)/Sum(exp(x[j]),j)": {},
    "-log(ReduceMax(exp(x[j]),j)/Sum(exp(x[j]),j))": {},
    "exp(x[i])/ReduceMax(exp(x[j]),j)": {},
    "log(ReduceMax(exp(x[j]/T),j)+Sum(exp(x[j]/T),j))": {"T": 0.7},
    "ReduceMin(exp(-x[j]),j)*Sum(exp(x[j]),j)": {},
    "log(ReduceMax(exp(x[j]),j))-log(ReduceMin(exp(x[j]),j))": {},
    "x[i]-ReduceMax(1/(1+exp(t-2*x[j])),j)": {"t": 0.3},
    "ReduceMin(log(1+exp(-x[j])),j)*x[i]": {},
    "tanh(ReduceMax(x[j]-t,j)-x[i])": {"t": 0.4},
    "sqrt(Mean(Abs(x[j]-ReduceMin(log(cosh(x[k]))-t,k)),j))": {"t": 0.4},
    "ReduceMax(log(1+x[j]^2*exp(x[j])),j)": {},
    "ReduceMax(3-2*tanh(x[j])^3,j)+ReduceMin(3*x[j],j)": {},
}


@pytest.mark.parametrize("size", [1.0, 1e-8, 30.0, 1e4, 1e20])
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_all_gradients(formula, size, compiled):
    x = np.float32(size * ORDINARY)
    check(compiled, formula, {}, {"x": x}, {k: np.float32(v) for k, v in FORMULAS[formula].items()})


@pytest.mark.parametrize(
    ("formula", "largest", "smallest"),
    [
        ("ReduceMax(exp(x[j]),j)*x[i]", 1, 0),
        ("ReduceMax(exp(-x[j]),j)*x[i]", 0, 1),
        ("ReduceMin(1-tanh(2*x[j]),j)*x[i]", 1, 0),
        ("ReduceMax(1/(1+exp(x[j])),j)*x[i]", 0, 1),
        ("ReduceMax(x[j]*exp(x[j]),j)*x[i]", 1, 0),
    ],
)
def test_what_falls_has_its_maximum_at_the_minimum(formula, largest, smallest):
    value = translate(formula).source.partition("def _value")[2].partition("\n\n\n")[0]
    assert (value.count("_max("), value.count("_min(")) == (largest, smallest)
