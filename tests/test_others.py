"""A sum less one of its own terms: what is left of it where that term is far larger than the others."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from axis_truth import check

S = "Sum(exp(x[j]),j)"
# Formula: its parameters.
FORMULAS = {
    f"log(1-exp(x[i])/{S})": {},
    f"log(exp(x[i])/{S}/(1-exp(x[i])/{S}))": {},
    f"x[i]-log({S}-exp(x[i]))": {},
    f"(1-exp(x[i])/{S})^g*(x[i]-log({S}))": {"g": 1.5},
    "log(Sum(exp(x[j]/T),j)-exp(x[i]/T))": {"T": 0.6},
    "Sum(w*log(1-exp(x[j])/Sum(exp(x[k]),k)),j)": {"w": 0.3},
    "log(Sum(x[j]^2,j)-x[i]^2)": {},
    "1/sqrt(Sum(x[j]^2,j)-x[i]^2)": {},
}
ORDINARY = np.random.default_rng(2).normal(size=5)
VECTORS = {
    "ordinary": ORDINARY,
    "none far from the others": 1e-4 * ORDINARY + 1,
    "one ahead": [40.0, 1.0, 2.0, -3.0],
    "one far ahead": [-3.0, 1e3, 2.0, 1.0],
    "two ahead": [300.0, 300.0, 1.0, -2.0],
    "all far from each other": 1e3 * ORDINARY,
    "two": [1e3, -5.0],
}


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_all_gradients(formula, vector, compiled):
    x = np.float32(VECTORS[vector])
    check(
        compiled, formula, {}, {"x": x}, {k: np.float32(v) for k, v in FORMULAS[formula].items()}, digits=3000
    )


def test_of_one_element_there_are_no_others(compiled):
    y = compiled(f"log(1-exp(x[i])/{S})")(tf.constant([[3.0], [-1e9]]))
    np.testing.assert_array_equal(y, np.full((2, 1), -np.inf))


@pytest.mark.parametrize("jit", [False, True])
def test_masked_entries_are_none_of_them(jit, compiled):
    function = tf.function(compiled(f"log(1-exp(x[i])/{S})"), jit_compile=jit)
    x = tf.constant([[90.0, 500.0, 1.0, 2.0]])
    y = function(x, mask=tf.constant([[True, False, True, True]]))
    np.testing.assert_allclose(y[0, 0], np.log(np.exp(1.0) + np.exp(2.0)) - 90, rtol=1e-6)
