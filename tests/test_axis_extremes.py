"""Vectors at the ends of float32: value and VJP are finite where the truth is, and right to a few ULP."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import tensorflow as tf
from axis_truth import Truth, _gradients, ulp


def _mean(values):
    return mp.fsum(values) / len(values)


def _softmax(x):
    e = [mp.exp(a - max(x)) for a in x]
    return [a / mp.fsum(e) for a in e]


def _times(c, x):
    return [mp.mpf(c) * a for a in x]


def _weighted(x, weights):
    return mp.fsum(a * b for a, b in zip(x, weights, strict=True))


def _power_mean(x, p):
    total = mp.fsum(abs(a) ** p for a in x)
    return total ** (1 / mp.mpf(p)) if total else mp.mpf(0)


FORMULAS = {
    "x[i]/ReduceMax(abs(x[j]),j)": lambda x: [a / max(map(abs, x)) for a in x],
    "x[i]/(1+ReduceMax(abs(x[j]),j))": lambda x: [a / (1 + max(map(abs, x))) for a in x],
    "x[i]/(1+Mean(abs(x[j]),j))": lambda x: [a / (1 + _mean(list(map(abs, x)))) for a in x],
    "log(Mean(exp(2*x[j]),j))/2": lambda x: [
        max(x) + mp.log(_mean([mp.exp(2 * (a - max(x))) for a in x])) / 2
    ],
    "2*log(Sum(exp(-x[j]/2),j))": lambda x: [
        2 * mp.log(mp.fsum(mp.exp((min(x) - a) / 2) for a in x)) - min(x)
    ],
    "-Sum(exp(x[j])/Sum(exp(x[k]),k)*log(exp(x[j])/Sum(exp(x[k]),k)),j)": lambda x: [
        -mp.fsum(p * mp.log(p) for p in _softmax(x) if p)
    ],
    "Sum(x[j]*exp(-x[j]),j)/Sum(exp(-x[j]),j)": lambda x: [_weighted(x, _softmax(_times(-1, x)))],
    "Sum(x[j]*exp(3*x[j]),j)/Sum(exp(3*x[j]),j)": lambda x: [_weighted(x, _softmax(_times(3, x)))],
    "exp(-3*x[i])/Sum(exp(-3*x[j]),j)": lambda x: _softmax(_times(-3, x)),
    "exp(x[i])/sqrt(Sum(exp(2*x[j]),j))": lambda x: [mp.sqrt(p) for p in _softmax(_times(2, x))],
    "log(1+Sum(x[j]^2,j))": lambda x: [mp.log1p(mp.fsum(a * a for a in x))],
    "Sum(abs(x[j])^4,j)^(1/4)": lambda x: [_power_mean(x, 4)],
    "Sum(abs(x[j])^(3/2),j)^(2/3)": lambda x: [_power_mean(x, mp.mpf(3) / 2)],
}
VECTORS = {
    "huge": [3e38, 1, -2, 3e38],
    "huge and tiny": [3e38, 2e-38, -2e-38, 1, -3e38],
    "equal": [3e38] * 4,
    "equal, negative": [-3e38] * 4,
    "one": [3e38],
    "one negative": [-3e38, 1, 2],
    "tiny": [2e-35, -1.5e-35, 1.2e-35],
    "zeros": [0, 0, 0],
    "subnormal": [1e-45, 0, -1e-45],
}


def _truth(function, x, upstream):
    """Value and VJP, each rounded to float32."""
    with mp.workdps(200):
        point, weights = [[mp.mpf(float(a)) for a in vector] for vector in (x, upstream)]
        gradient = []
        for i, at in enumerate(point):
            step = mp.mpf(10) ** -60 * abs(at) if at else mp.mpf(10) ** -90
            sides = [function([*point[:i], at + side, *point[i + 1 :]]) for side in (step, -step)]
            gradient.append((_weighted(sides[0], weights) - _weighted(sides[1], weights)) / (2 * step))
        with np.errstate(over="ignore"):
            return [np.array([float(a) for a in part], "float32") for part in (function(point), gradient)]


def _ulp(result, truth, scale=0.0):
    """Of the largest element; what is below the normal range is flushed to 0."""
    size = max(np.abs(truth).max(), scale, 2.0**-126)
    if np.isinf(size):
        return 0.0 if np.array_equal(np.ravel(result), truth) else np.inf
    beyond = np.abs(np.ravel(result).astype(float) - truth) - 2.0**-126
    return beyond.max() / (size * 2.0**-23) if np.all(np.isfinite(result)) else np.inf


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_vjp_at_the_ends_of_the_range(formula, name, compiled):
    activation = compiled(formula, name="over_axis")
    x = tf.constant(VECTORS[name], tf.float32)
    keeps = activation.formula.keeps_axis
    for upstream in ([1.0] * 5, [1.0, -0.5, 2.0, 0.25, -1.0]):
        weights = np.float32(upstream[: len(x) if keeps else 1])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation(x)
        gradient = tape.gradient(y, x, tf.reshape(weights, y.shape))
        y, gradient = y.numpy(), gradient.numpy()
        if name in ("zeros", "subnormal") and ("abs" in formula or "ReduceMax" in formula):
            assert np.all(np.isfinite([*np.ravel(y), *np.ravel(gradient)]))
            continue  # a kink, and the conventions of test_axis.py
        value, vjp = _truth(FORMULAS[formula], x.numpy(), weights)
        # Sums of exponentials that nearly cancel are right in units of their terms, which are about 1.
        assert _ulp(y, value, 1.0 if "log" in formula else 0.0) < 8
        assert _ulp(gradient, vjp, 0.1 if "exp" in formula else 0.0) < 8


SATURATED = {
    "exp(x[i])/Sum(exp(x[j]),j)": [1.0, -0.5, 2.0, 0.25],
    "exp(x[i]/T)/Sum(exp(x[j]/T),j)": [1.0, -0.5, 2.0, 0.25],
    "exp(2*x[i])/Sum(exp(2*x[j]),j)": [0.5, 0.25, 0.125, 0.0],
    "Sum(w[j]*exp(x[j]),j)/Sum(exp(x[j]),j)": [1.0],
}


@pytest.mark.parametrize("x", [[3, 2, 1, 0], [9, 1, -1, 2], [20, 1, -3, 2], [60, 0, 1, 2]])
@pytest.mark.parametrize("formula", SATURATED)
def test_gradients_of_saturated_weights(formula, x, compiled):
    options = {"params": {"T": 2.0}} if "T" in formula else {}
    options |= {"inputs": ("x", "w")} if "w" in formula else {}
    upstream = np.float32(SATURATED[formula])
    x, w = tf.constant(x, tf.float32), np.float32([2.0, -1.0, 0.5, 3.0])
    inputs = (x, w) if "w" in formula else (x,)
    activation = compiled(formula, **options)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(*inputs)
    gradient = tape.gradient(y, x, tf.reshape(upstream, y.shape)).numpy()
    given = {"x": x.numpy(), "w": w} if "w" in formula else {"x": x.numpy()}
    _, exact = Truth(formula, **options)({**given, **options.get("params", {})}, upstream)
    assert _ulp(gradient, exact["x"][0].astype(np.float32)) < 5


APART = {
    "apart": [5.2479154e11, 1.71990545e12, 1.8691334e12, -1.4099537e12, -1.5942448e12, -1.3154376e12],
    "far apart": [1.2598263e30, -6.093752e29, -9.043411e29, 1.842113713e30, -8.198655e29, -7.016384e29],
}


@pytest.mark.parametrize("name", [*VECTORS, *APART])
def test_weights_about_the_mean(name, compiled):
    # Next to the mean of huge elements a few units, which decide on the weights, are beyond all digits.
    weights = "exp(-(x[j]-Mean(x[k],k))^2)"
    activation = compiled(f"Sum(x[j]*{weights},j)/Sum({weights},j)", name="over_axis")
    x = tf.constant((VECTORS | APART)[name], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(x)
    gradient = tape.gradient(y, x)
    assert min(x) <= y <= max(x)
    assert np.all(np.isfinite(gradient))
    if name in APART:  # one weight is 1
        assert np.all(np.abs(gradient) < 10.0)
    if name in ("equal", "equal, negative", "one", "zeros", "tiny"):
        np.testing.assert_allclose(gradient, np.full(len(x), 1 / len(x)), rtol=1e-6)


COSINE = "Sum(a[j]*b[j],j)/(sqrt(Sum(a[j]^2,j))*sqrt(Sum(b[j]^2,j)))"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("formula", "ends"), [("acos({})", (0.0, np.pi)), ("asin({})", (np.pi / 2, -np.pi / 2))]
)
def test_rounding_takes_no_angle_beyond_the_ends(formula, ends, dtype, compiled):
    angle = compiled(formula.format(COSINE), inputs=("a", "b"))
    a = np.random.default_rng(0).normal(size=(50, 8)).astype(dtype)
    for factor, end in zip((1.7, -0.37), ends, strict=True):
        np.testing.assert_allclose(angle(a, np.asarray(factor, dtype) * a), end, atol=2e-3)


def test_what_is_beyond_the_ends_is_undefined(compiled):
    assert np.isnan(compiled("acos(Sum(x[j],j))")(np.float32([0.75, 0.5])))
    assert np.isnan(compiled("acosh(Sum(x[j],j))")(np.float32([0.25, 0.5])))
    assert compiled("acosh(Sum(x[j],j))")(np.float32([0.25, 0.75 - 6e-8])) == 0


# Negative and positive logits of any size: the margin's exponential is added to a sum less its own term.
MARGIN = "exp(s*(a[i]-m))/(exp(s*(a[i]-m))+Sum(exp(s*a[j]),j)-exp(s*a[i]))"


@pytest.mark.parametrize("offset", [-1e4, -400.0, -20.0, 0.0, 400.0, 1e4])
def test_exponentials_of_elements_beside_a_sum_of_them(offset, compiled):
    options = {"inputs": ("a",), "params": {"s": 4.0, "m": 0.25}, "trainable": ("s", "m")}
    values = {
        "a": np.float32([0.5, -0.25, 1.0]) + np.float32(offset),
        "s": np.float32(4),
        "m": np.float32(0.25),
    }
    upstream = np.float32([0.3, -0.7, 1.1])
    activation = compiled(MARGIN, name="margin", **options)
    y, gradients = _gradients(activation, {"a": values["a"]}, {k: values[k] for k in ("s", "m")}, upstream)
    value, exact = Truth(MARGIN, **options)(values, upstream)
    assert ulp(y, value) < 4
    for name, (gradient, scale) in exact.items():
        assert ulp(gradients[name], gradient, min(scale, 4.0)) < 8, name


@pytest.mark.parametrize(
    ("formula", "parameters", "size"),
    [
        ("x[i]/(1+exp(-w*x[i]))", {"w": 1.25}, 1e200),
        ("(1+Sum(x[j]^2,j)/w)^(-(w+1)/2)", {"w": 3.0}, 1e-200),
        ("(1+Sum(x[j]^2,j)/(2*w))^(-w)", {"w": 1.5}, 1e-300),
        ("log(Mean(cosh(w*x[j]),j))/w", {"w": 0.75}, 1e-5),
    ],
)
def test_float64_at_the_ends_of_its_range(formula, parameters, size, compiled):
    activation = compiled(formula, name="wide", params=parameters, trainable=tuple(parameters))
    x = size * np.array([0.5, -1.25, 2.0])
    upstream = np.random.default_rng(1).normal(size=3 if activation.formula.keeps_axis else 1)
    tensors = {name: tf.constant(v, tf.float64) for name, v in {"x": x, **parameters}.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = activation(tensors["x"], **{name: tensors[name] for name in parameters})
    gradients = tape.gradient(y, tensors, tf.reshape(tf.constant(upstream), y.shape))
    truth = Truth(formula, params=parameters, trainable=tuple(parameters))
    value, exact = truth({"x": x, **parameters}, upstream, 1200)
    assert np.allclose(y, value, rtol=1e-13, atol=0)
    for name, gradient in gradients.items():
        assert np.allclose(gradient, exact[name][0], rtol=1e-12, atol=1e-300), name
