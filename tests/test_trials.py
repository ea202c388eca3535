"""Reductions that are tried the quick way: what comes of them where that does not do, in some rows."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

from symact.compiler import translate
from symact.reduced import spans_axis

SHAPE = (2048, 1024)
FORMULAS = {
    "exp(x[i])/Sum(exp(x[j]),j)": tf.nn.softmax,
    "x[i]-log(Sum(exp(x[j]),j))": tf.nn.log_softmax,
    "log(Sum(exp(x[j]),j))": lambda x: tf.reduce_logsumexp(x, -1),
}
# What is added to some rows: the sums of the rest stay in range.
ADDED = {"nothing": 0.0, "much": 1000.0, "little": -1000.0, "as much as there is": 1e30}


def _entries(added):
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    x[5:9] += np.float32(added)
    return x


def _both(function, x, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x, upstream)


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_gradient_whatever_the_sums(formula, added, compiled):
    activation, own = compiled(formula), FORMULAS[formula]
    x = _entries(ADDED[added])
    upstream = np.random.default_rng(1).normal(size=own(x[:1]).shape[1:]).astype(np.float32)
    upstream = np.broadcast_to(upstream, own(x).shape)
    found = _both(activation, tf.constant(x), tf.constant(upstream))
    exact = _both(own, tf.constant(x, tf.float64), tf.constant(upstream, tf.float64))
    for one, other in zip(found, exact, strict=True):
        one, other = one.numpy().reshape(SHAPE[0], -1), other.numpy().reshape(SHAPE[0], -1)
        largest = np.abs(other).max(axis=-1, keepdims=True)
        assert np.max(np.abs(one - other) / np.spacing(largest.astype(np.float32))) < 4


NORMS = {
    "sqrt(Sum(x[j]^2,j))": lambda x: tf.norm(x, axis=-1),
    "x[i]/sqrt(Sum(x[j]^2,j))": lambda x: x / tf.norm(x, axis=-1, keepdims=True),
    "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)": lambda x: (
        x / tf.sqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-6)
    ),
}


@pytest.mark.parametrize("size", [1.0, 1e-25, 1e-18, 1e18, 1e25])
@pytest.mark.parametrize("formula", NORMS)
def test_squares_of_any_size_next_to_ordinary_ones(formula, size, compiled):
    activation, own = compiled(formula), NORMS[formula]
    x = np.random.default_rng(0).normal(size=(64, 1000)).astype(np.float32)
    x[5:9] *= np.float32(size)
    wide = tf.constant(x, tf.float64)
    upstream = np.random.default_rng(1).normal(size=own(wide).shape).astype(np.float32)
    found = _both(activation, tf.constant(x), tf.constant(upstream))
    exact = _both(own, wide, tf.constant(upstream, tf.float64))
    for one, other in zip(found, exact, strict=True):
        one, other = one.numpy().reshape(len(x), -1), other.numpy().reshape(len(x), -1)
        largest = np.abs(other).max(axis=-1, keepdims=True)
        assert np.max(np.abs(one - other) / np.spacing(largest.astype(np.float32))) < 4


@pytest.mark.parametrize("formula", NORMS)
def test_a_row_of_zeros_among_others(formula, compiled):
    x = np.ones((4, 100), np.float32)
    x[2] = 0.0
    y, gradient = _both(compiled(formula), tf.constant(x), None)
    assert not np.any(y[2])
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("jit", [False, True])
def test_shapes_that_are_not_known(jit, compiled):
    softmax = compiled("exp(x[i])/Sum(exp(x[j]),j)")
    function = tf.function(
        softmax, input_signature=[tf.TensorSpec(None, tf.float32)], jit_compile=jit, reduce_retracing=True
    )
    for x in (_entries(0.0), _entries(1000.0), np.float32([[[1000.0, 999.0], [0.0, 0.0]]])):
        np.testing.assert_allclose(function(x), tf.nn.softmax(x), rtol=1e-6)


def test_a_row_without_a_value_is_the_only_one(compiled):
    x = _entries(0.0)
    x[3, 7] = np.nan
    y = compiled("exp(x[i])/Sum(exp(x[j]),j)")(x).numpy()
    assert np.isnan(y[3]).all()
    assert np.isfinite(np.delete(y, 3, axis=0)).all()


@pytest.mark.parametrize("jit", [False, True])
def test_a_third_derivative(jit, compiled):
    activation = compiled("log(Sum(exp(x[j]),j))")

    @tf.function(jit_compile=jit)
    def third(x):
        with tf.GradientTape() as last:
            last.watch(x)
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    y = activation(x)
                first = inner.gradient(y, x)[..., :1]
            second = outer.gradient(first, x)[..., :1]
        return last.gradient(second, x)

    p = np.exp([0.5, -1.0])[0] / np.exp([0.5, -1.0]).sum()
    exact = p * (1 - p) * (1 - 2 * p) * np.array([1, -1])
    np.testing.assert_allclose(third(tf.constant([[0.5, -1.0]]))[0], exact, rtol=1e-5)


@pytest.mark.parametrize("formula", FORMULAS)
def test_first_order_only(formula, compiled):
    activation, own = compiled(formula, order=1), FORMULAS[formula]
    x = tf.random.normal((2, 5), seed=3)
    with tf.GradientTape() as outer:
        outer.watch(x)
        found = _both(activation, x, tf.ones_like(own(x)))[1] * x
    with tf.GradientTape() as exact:
        exact.watch(x)
        expected = _both(own, x, tf.ones_like(own(x)))[1] * x
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(outer.gradient(found, x), exact.gradient(expected, x), atol=1e-6)


def test_the_maximum_is_found_where_more_depends_on_it():
    # A weight may be huge, so that exponentials are below 1; next to another shift distances lose digits.
    for formula in ("Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)", "x[i]*exp(x[i])/Sum(exp(x[j]),j)"):
        assert "_tried" not in translate(formula).source
    for formula in FORMULAS:
        assert "_tried" in translate(formula).source


EXPONENTS = {
    "(a[j]-b[j])/T": lambda a, b: (a - b) / 0.2,
    "T*a[j]+b[j]": lambda a, b: 0.2 * a + b,
    "T*a[j]-b[j]/T": lambda a, b: 0.2 * a - b / 0.2,
    "abs(T*(a[j]+b[j]))/3": lambda a, b: abs(0.2 * (a + b)) / 3,
}


@pytest.mark.parametrize("formula", EXPONENTS)
def test_an_exponent_is_the_same_number_wherever_it_is_computed(formula, compiled):
    activation = compiled(
        f"log(1+Sum(exp({formula}),j))", inputs=("a", "b"), params={"T": 0.2}, trainable=("T",)
    )

    @tf.function(jit_compile=True)
    def run(*variables):
        with tf.GradientTape() as tape:
            tape.watch(variables)
            y = activation(*variables)
        return y, *tape.gradient(y, variables)

    for size in (1e4, 1e18, 1e30):
        a, b = (size * np.random.default_rng(k).normal(size=(300, 33)) for k in (1, 2))
        a, b = a.astype(np.float32), b.astype(np.float32)
        y, *cotangents = run(tf.constant(a), tf.constant(b))
        exponents = EXPONENTS[formula](a.astype(float), b.astype(float))
        exact = np.logaddexp.reduce(exponents, axis=-1, initial=0.0)
        np.testing.assert_allclose(y, exact, rtol=1e-6)
        assert all(np.isfinite(cotangent).all() for cotangent in cotangents)


@pytest.mark.parametrize("formula", [*FORMULAS, "sqrt(Sum(x[j]^2,j))"])
def test_each_example_of_a_vectorized_map_is_tried(formula, compiled):
    activation = compiled(formula)
    x = np.random.default_rng(0).normal(size=(3, 64, 1024)).astype(np.float32)
    x[1] *= np.float32(1e25)
    for found, example in zip(tf.vectorized_map(activation, tf.constant(x)), x, strict=True):
        np.testing.assert_allclose(found, activation(tf.constant(example)), rtol=1e-6, atol=1e-38)


# Formula: what its VJP takes besides the upstream, and what it does not.
TAKEN = {
    "log(Sum(exp(x[j]),j))": ("kept", "x"),
    "3*log(Sum(exp(x[j]),j))": ("kept", "x"),
    "exp(x[i])/Sum(exp(x[j]),j)": ("kept", "x"),
    "log(Sum(exp(x[j]),j))+Mean(x[j]^2,j)": ("x", None),
    "x[i]-log(Sum(exp(x[j]),j))": ("x", None),
}


@pytest.mark.parametrize("formula", TAKEN)
def test_exponentials_are_kept_in_place_of_the_input(formula, compiled):
    taken, spared = TAKEN[formula]
    head = re.search(r"def _gradient\((.*?)\):", compiled(formula).source, re.DOTALL)
    arguments = re.findall(r"\w+", head.group(1))
    assert taken in arguments
    assert spared not in arguments


@pytest.mark.parametrize("formula", TAKEN)
def test_at_most_one_tensor_of_the_input_size_is_kept(formula):
    schedule = translate(formula).schedule
    for kept in schedule.kept.values():
        whole = [n for n in kept if spans_axis(n, "x")]
        assert len(whole) <= (TAKEN[formula][0] == "kept")
