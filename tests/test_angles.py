"""Functions of the cosine between two vectors, where these are nearly or exactly parallel."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from axis_truth import Truth, _gradients, ulp

from symact.angles import with_angles
from symact.parse import parse
from symact.program import lower

COSINE = "Sum(a[j]*b[j],j)/(sqrt(Sum(a[j]^2,j))*sqrt(Sum(b[j]^2,j)))"
A, B = "(a[j]-Mean(a[k],k))", "(b[j]-Mean(b[k],k))"
CORRELATION = f"Mean({A}*{B},j)/sqrt(Mean({A}^2,j)*Mean({B}^2,j))"
STEEP = (
    f"acos({COSINE})/pi",
    f"30*cos(acos({COSINE})+1/2)",
    f"asin({COSINE})",
    f"sqrt(2-2*{COSINE})",
    f"sqrt(1-({COSINE})^2)",
    f"acos({CORRELATION})",
)
PAIR = {"inputs": ("a", "b")}
VECTOR = np.random.default_rng(3).normal(size=5)
OTHER = np.random.default_rng(4).normal(size=5)


@pytest.mark.parametrize("apart", [1.0, 1e-4, 1e-7, -1e-5])
@pytest.mark.parametrize("formula", STEEP)
def test_nearly_parallel_vectors_have_all_digits(formula, apart, compiled):
    other = np.copysign(1, apart) * VECTOR + abs(apart) * OTHER
    inputs = {"a": np.float32(VECTOR), "b": np.float32(other)}
    upstream = np.ones(1, np.float32)
    y, gradients = _gradients(compiled(formula, name="angle", **PAIR), inputs, {}, upstream)
    value, exact = Truth(formula, **PAIR)(inputs, upstream)
    assert ulp(y, value, 1e-3 if "cos(" in formula else 0.0) < 4
    for name, (gradient, scale) in exact.items():
        assert ulp(gradients[name], gradient, scale) < 8, name


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("times", [1.0, -1.0, 3.0, 0.0])
@pytest.mark.parametrize("formula", [*STEEP, f"sqrt((1+{COSINE})/2)"])
def test_parallel_vectors_have_finite_gradients(formula, times, length, compiled):
    activation = compiled(formula, name="angle", **PAIR)
    for dtype in (tf.float32, tf.float64, tf.float16):
        a = tf.constant(VECTOR[None, :length], dtype)
        b = a * tf.constant(times, dtype)
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            y = activation(a, b)
        for result in (y, *tape.gradient(y, [a, b])):
            assert np.all(np.isfinite(result)), dtype


@pytest.mark.parametrize(
    ("formula", "changes"),
    [
        (f"log((1+{COSINE})/2)", True),
        (f"1/(1-({COSINE})^2)", True),
        (f"atanh({CORRELATION})", True),
        # Not steep there, no cosine, not 0 there.
        (COSINE, False),
        (f"1-{COSINE}", False),
        (f"sqrt(3-{COSINE})", False),
        ("acos(Sum(a[j]*b[j],j)/(sqrt(Sum(a[j]^2,j))*sqrt(Sum(b[j]^4,j))))", False),
    ],
)
def test_what_is_steep_where_vectors_are_parallel_is_rewritten(formula, changes):
    program = lower(parse(formula, **PAIR))
    assert (with_angles(program) != program) == changes
