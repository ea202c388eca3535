"""Formulas over an axis of which float32 is computed in float64: those that need it, and no others."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from axis_truth import Truth, ulp

from symact.compiler import translate

IN_FLOAT32 = [
    "exp(x[i])/Sum(exp(x[j]),j)",
    "x[i]-log(Sum(exp(x[j]),j))",
    "log(Sum(exp(x[j]),j))",
    "sqrt(Sum(x[j]^2,j))",
    "x[i]/Sum(abs(x[j]),j)",
    "x[i]/ReduceMax(abs(x[j]),j)",
    "x[i]/sqrt(Sum(x[j]^2,j))",
    "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)",
    "x[i]/(1+sqrt(1+Sum(x[j]^2,j)))",
    "Mean((x[j]-Mean(x[k],k))^2,j)",
    "(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.001)",
]
# Their intermediate results are beyond float32's range, or cancel.
IN_FLOAT64 = [
    "exp(-x[i]^2)/Sum(exp(-x[j]^2),j)",
    "Sum(x[j]^3,j)/Sum(x[j]^2,j)",
    "Mean((x[j]-Mean(x[k],k))^3,j)/Mean((x[j]-Mean(x[k],k))^2,j)^(3/2)",
]
LARGE = np.float32([1e20, -3e19, 5e19, 2e19])


@pytest.mark.parametrize("formula", IN_FLOAT32)
def test_float32_stays_where_it_serves(formula):
    assert not translate(formula).schedule.widened


@pytest.mark.parametrize("formula", IN_FLOAT64)
def test_float64_where_it_does_not_but_for_speed(formula):
    assert translate(formula).schedule.widened
    assert not translate(formula, prefer="fast").schedule.widened


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("formula", IN_FLOAT64)
def test_results_are_right_and_have_the_inputs_dtype(formula, jit, compiled, value_and_gradient):
    activation = compiled(formula)
    upstream = np.ones(len(LARGE) if activation.formula.keeps_axis else 1, np.float32)
    value, gradients = Truth(formula)({"x": LARGE}, upstream)
    y, gradient = value_and_gradient(activation, jit)(tf.constant(LARGE))
    assert y.dtype == gradient.dtype == tf.float32
    assert ulp(y, value) < 1
    assert ulp(gradient, *gradients["x"]) < 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_formats(dtype, compiled):
    x = tf.constant([0.5, -1.25, 2.0], dtype)
    y = compiled(IN_FLOAT64[0])(x)
    assert y.dtype == dtype
    exact = np.exp(-np.square(x.numpy().astype(float)))
    np.testing.assert_allclose(y.numpy().astype(float), exact / exact.sum(), rtol=1e-2)


def test_second_derivative_mask_and_layer(compiled):
    activation = compiled(IN_FLOAT64[0])
    x = tf.constant([[0.5, -1.25, 2.0, 0.75]])
    mask = tf.constant([[True, True, False, True]])

    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.square(activation(x, mask=mask))
            first = inner.gradient(y, x)
        return outer.gradient(first, x).numpy()

    narrow, wide = second(x), second(tf.cast(x, tf.float64))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=1e-5)
    model = keras.Sequential([keras.layers.Dense(4), activation.layer()])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 4)), verbose=0)
