"""Formulas that defeat float32: value and gradient as emitted, over all of the normal range, against Arb."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import symact
from symact.derive import differentiate
from symact.stabilize.formats import FLOAT32
from symact.stabilize.sampling import sample
from symact.stabilize.score import ulp_error
from symact.stabilize.truth import Truth

MAX_ULP = 8.0
# Next to a root half a unit of the input is more than that: then the bound on the derivative.
NEXT_TO_ROOTS = {"tan(x+1/10)-tan(x)": 128.0}
HARD = [
    "exp(exp(-x))",  # an argument whose rounding is amplified
    "exp(-1/x**2)",
    "sin(3*x)/3",  # a product that is rounded, far out
    "cos(x+1/10)-cos(x)",  # a sum that is, at any root
    "tan(x+1/10)-tan(x)",
    "x+sin(x)**2",  # double roots of the derivative
    "sin(pi*x)/(pi*x)",  # periods that are exact
    "exp(x**2)*erfc(x)",  # overflow times underflow
    "log(erfc(-x/sqrt(2))/2)",  # a tail that SymPy writes as a difference of 1
    "4*x/(1+x/1.11)",  # a pole that is no number of the format
    "Piecewise((x, x > 0), (exp(x)-1-x**2/2, True))",  # an intermediate result that overflows
]


@pytest.mark.parametrize("text", HARD)
def test_value_and_gradient_are_right_everywhere(text, compiled, value_and_gradients):
    activation = compiled(text)
    points = sample(FLOAT32, (-np.inf, np.inf), 2000, 17)
    value, slope, _ = value_and_gradients(activation, points)
    expression = activation.formula.expression
    (x,) = expression.free_symbols
    columns = (
        (value, expression, MAX_ULP),
        (slope, differentiate(expression, x), NEXT_TO_ROOTS.get(text, MAX_ULP)),
    )
    for result, exact, bound in columns:
        truth, rest = Truth(exact).at(points)
        known = (np.abs(truth) < FLOAT32.max) & (np.abs(truth) >= FLOAT32.min_normal)
        assert np.isfinite(result[known]).all()
        assert ulp_error(result, truth, rest, FLOAT32)[known & (points != 0.0)].max() <= bound


def test_the_slope_on_the_left_of_a_cusp_has_its_sign(compiled, value_and_gradients):
    activation = compiled("exp(-sqrt(abs(x)))")
    _, slope, _ = value_and_gradients(activation, np.array([-1e-18, -1.0, 1.0, 1e-18]))
    assert (np.sign(slope) == [1, 1, -1, -1]).all()


@pytest.mark.parametrize("prefer", ["balanced", "fast"])
def test_float64_is_used_only_where_accuracy_is_wanted(prefer):
    activation = symact.compile("exp(exp(-x))", prefer=prefer, order=1)
    assert ("return tf.cast(_value_float64(x), tf.float32)" in activation.source) == (prefer == "balanced")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("xla", [False, True])
def test_what_is_computed_in_float64_keeps_the_dtype(dtype, xla, compiled):
    function = tf.function(compiled("exp(exp(-x))"), jit_compile=xla)
    x = tf.constant([-1.5, 0.5, 3.0], dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    assert y.dtype == tape.gradient(y, x).dtype == x.dtype
