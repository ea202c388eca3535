"""Sums of exponentials that are shifted by hand: by the maximum, the mean, or what else holds no element."""

from __future__ import annotations

import numpy as np
import pytest
from axis_truth import check

ORDINARY = np.random.default_rng(11).normal(size=5)
LARGEST = "ReduceMax(x[k],k)"
SPREAD = "sqrt(Mean((x[l]-Mean(x[k],k))^2,l)+1/100)"
# As it is written by hand: the same without the shift.
ALIKE = {
    f"exp(x[i]-{LARGEST})/Sum(exp(x[j]-{LARGEST}),j)": "exp(x[i])/Sum(exp(x[j]),j)",
    "exp(x[i]-Mean(x[k],k))/Sum(exp(x[j]-Mean(x[k],k)),j)": "exp(x[i])/Sum(exp(x[j]),j)",
    f"x[i]-{LARGEST}-log(Sum(exp(x[j]-{LARGEST}),j))": "x[i]-log(Sum(exp(x[j]),j))",
    f"{LARGEST}+log(Sum(exp(x[j]-{LARGEST}),j))": "log(Sum(exp(x[j]),j))",
    f"{LARGEST}+T*log(Mean(exp((x[j]-{LARGEST})/T),j))": "T*log(Mean(exp(x[j]/T),j))",
    f"exp(-(x[i]-{LARGEST})/T)/Sum(exp(-(x[j]-{LARGEST})/T),j)": "exp(-x[i]/T)/Sum(exp(-x[j]/T),j)",
    f"2^(x[i]-{LARGEST})/Sum(2^(x[j]-{LARGEST}),j)": "2^x[i]/Sum(2^x[j],j)",
    f"exp(x[i]-{LARGEST})/(exp(-{LARGEST})+Sum(exp(x[j]-{LARGEST}),j))": "exp(x[i])/(1+Sum(exp(x[j]),j))",
    f"sqrt(Sum(exp(2*(x[j]-{LARGEST})),j))*exp({LARGEST})": "sqrt(Sum(exp(2*x[j]),j))",
    f"Sum(x[j]*exp(x[j]-{LARGEST}),j)/Sum(exp(x[j]-{LARGEST}),j)": "Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)",
}
OTHERS = [
    *ALIKE,
    # it does not cancel
    f"Sum(exp(x[j]-{LARGEST}),j)",
    f"exp(x[i]-{LARGEST})/(1+Sum(exp(x[j]-{LARGEST}),j))",
    # what elements are divided by has a gradient of its own
    f"exp((x[i]-Mean(x[k],k))/{SPREAD})/Sum(exp((x[j]-Mean(x[k],k))/{SPREAD}),j)",
    "exp(-(x[i]-Mean(x[k],k))^2)/Sum(exp(-(x[j]-Mean(x[k],k))^2),j)",
]
PARAMETERS = {"T": 0.7}


def _parameters(formula):
    return PARAMETERS if "T" in formula else {}


def _code(activation):
    """What is computed: without the formula's text and the stages in the docstring."""
    return activation.source.partition("def ")[2]


@pytest.mark.parametrize("formula", ALIKE)
def test_the_shift_leaves_no_trace(formula, compiled):
    options = {"params": _parameters(formula), "name": "alike"}
    assert _code(compiled(formula, **options)) == _code(compiled(ALIKE[formula], **options))


@pytest.mark.parametrize("size", [1.0, 1e-20, 50.0, 1e4, 1e20])
@pytest.mark.parametrize("formula", OTHERS)
def test_value_and_all_gradients(formula, size, compiled):
    if size > 50 and formula.startswith("sqrt"):
        pytest.skip("the value overflows")
    parameters = {name: np.float32(value) for name, value in _parameters(formula).items()}
    check(compiled, formula, {}, {"x": np.float32(size * ORDINARY)}, parameters)


@pytest.mark.parametrize("formula", OTHERS)
def test_elements_far_from_0(formula, compiled):
    parameters = {name: np.float32(value) for name, value in _parameters(formula).items()}
    x = np.float32((40 if formula.startswith("sqrt") else 1e4) + ORDINARY)
    check(compiled, formula, {}, {"x": x}, parameters)
