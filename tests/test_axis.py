"""Formulas over an axis: value and VJP against 60 digits, in every mode, shape, dtype and mask."""

from __future__ import annotations

import subprocess
import sys

import keras
import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import tensorflow as tf

import symact


def _mean(values):
    return mp.fsum(values) / len(values)


def _norm(x):
    return mp.sqrt(mp.fsum(b * b for b in x))


def _std(x):
    return mp.sqrt(_mean([(b - _mean(x)) ** 2 for b in x]))


def _sumexp(x):
    return mp.fsum(mp.exp(b) for b in x)


def _weighted(x):
    return mp.fsum(b * mp.exp(b) for b in x) / _sumexp(x)


LAYER_NORM = "(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.000001)"
EPS = mp.mpf("0.000001")
# formula: what it is, at any precision; as a list of results.
FORMULAS = {
    "exp(x[i])/Sum(exp(x[j]),j)": lambda x: [mp.exp(a) / _sumexp(x) for a in x],
    "x[i]-log(Sum(exp(x[j]),j))": lambda x: [a - mp.log(_sumexp(x)) for a in x],
    "log(Sum(exp(x[j]),j))": lambda x: [mp.log(_sumexp(x))],
    "Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)": lambda x: [_weighted(x)],
    "exp(x[i])/(1+Sum(exp(x[j]),j))": lambda x: [mp.exp(a) / (1 + _sumexp(x)) for a in x],
    "log(Sum(exp(x[j]),j)) - Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)": lambda x: [
        mp.log(_sumexp(x)) - _weighted(x)
    ],
    "sqrt(Sum(x[j]^2,j))": lambda x: [_norm(x)],
    "x[i]/sqrt(Sum(x[j]^2,j))": lambda x: [a / _norm(x) for a in x],
    "x[i]/Sum(abs(x[j]),j)": lambda x: [a / mp.fsum(abs(b) for b in x) for a in x],
    "Sum(abs(x[j])^3,j)^(1/3)": lambda x: [mp.cbrt(mp.fsum(abs(b) ** 3 for b in x))],
    "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)": lambda x: [a / mp.sqrt(_norm(x) ** 2 / len(x) + EPS) for a in x],
    LAYER_NORM: lambda x: [(a - _mean(x)) / mp.sqrt(_std(x) ** 2 + EPS) for a in x],
    "sqrt(Mean((x[j]-Mean(x[k],k))^2,j))": lambda x: [_std(x)],
    "(x[i]-Mean(x[j],j))/(1+sqrt(Mean((x[j]-Mean(x[k],k))^2,j)))": lambda x: [
        (a - _mean(x)) / (1 + _std(x)) for a in x
    ],
    "x[i]*tanh(sqrt(Sum(x[j]^2,j)))/sqrt(Sum(x[j]^2,j))": lambda x: [
        a * mp.tanh(_norm(x)) / _norm(x) for a in x
    ],
    "x[i]/(1+sqrt(1+Sum(x[j]^2,j)))": lambda x: [a / (1 + mp.sqrt(1 + _norm(x) ** 2)) for a in x],
    "x[i]*sqrt(Sum(x[j]^2,j))/(1+Sum(x[j]^2,j))": lambda x: [a * _norm(x) / (1 + _norm(x) ** 2) for a in x],
    "x[i]-ReduceMax(x[j],j)": lambda x: [a - max(x) for a in x],
    "ReduceMax(x[j],j)-ReduceMin(x[j],j)": lambda x: [max(x) - min(x)],
    "Sum(log(1+exp(x[j])),j)": lambda x: [mp.fsum(mp.log1p(mp.exp(b)) for b in x)],
}
_random = np.random.default_rng(0)
VECTORS = {
    "ordinary": _random.normal(size=7),
    "large": _random.normal(size=7) * 30,
    "huge": _random.normal(size=7) * 1e20,
    "tiny": _random.normal(size=7) * 1e-30,
    "mixed": np.array([1e20, 1, -1e-20, 3, 0.5, 2, -1]),
    "close": 1e4 + _random.normal(size=7),
    "equal": np.full(7, 0.7),
    "equal and huge": np.full(7, 1e20),
    "one": np.array([2.5]),
}
# Softmax saturates: its gradient is a difference of equals there, right in units of the upstream.
SATURATED = {"exp(x[i])/Sum(exp(x[j]),j)", "exp(x[i])/(1+Sum(exp(x[j]),j))"}
# Extrema have no derivative at ties.
KINKED = {"x[i]-ReduceMax(x[j],j)", "ReduceMax(x[j],j)-ReduceMin(x[j],j)"}


def _exact(function, x, upstream):
    with mp.workdps(120):
        point = [mp.mpf(float(a)) for a in x]
        step = min(max(map(abs, point)), 1) * mp.mpf(10) ** -30
        gradient = []
        for i in range(len(point)):
            sides = []
            for sign in (1, -1):
                moved = list(point)
                moved[i] += sign * step
                sides.append(mp.fdot(function(moved), map(mp.mpf, map(float, upstream))))
            gradient.append((sides[0] - sides[1]) / (2 * step))
        return np.array(function(point), float), np.array(gradient, float)


def _run(activation, x, upstream, **options):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(x, **options)
    return y, tape.gradient(y, x, tf.reshape(tf.cast(upstream, y.dtype), y.shape))


def _error(result, truth, scale=0.0):
    """In ULP of float32 of the largest element."""
    size = max(np.abs(truth).max(), scale, 2.0**-126)
    return np.abs(np.ravel(result) - truth).max() / (size * 2.0**-23)


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_vjp_are_right_to_a_few_ulp(formula, name, compiled):
    activation = compiled(formula, name="over_axis")
    x = np.float32(VECTORS[name])
    keeps = activation.formula.keeps_axis
    upstream = np.float32(np.random.default_rng(1).normal(size=len(x) if keeps else 1))
    value, gradient = _exact(FORMULAS[formula], x, upstream)
    y, g = _run(activation, x[None], upstream)
    assert np.all(np.isfinite(y))
    assert np.all(np.isfinite(g))
    # Where a value is a difference of large terms that nearly cancel, those terms are its scale.
    scale = 1.0 if "log" in formula else 0.2 * np.abs(x).max() if "x[j]*exp" in formula else 0.0
    assert _error(y, value, scale) < 4
    if formula in KINKED and name.startswith("equal"):
        return
    # A quotient by a norm of x has gradients of u·y/x, which cancel where x is its own direction.
    scale = np.abs(upstream).max() * (0.1 if formula in SATURATED else 0.1 * np.abs(value / x).max())
    assert _error(g, gradient, scale if keeps else 0.0) < 8


AT_ZERO = {
    # formula: value, gradient at the zero vector of length 4 with an upstream of ones
    "sqrt(Sum(x[j]^2,j))": (0, 0),
    "x[i]/sqrt(Sum(x[j]^2,j))": (0, 0),
    "x[i]/Sum(abs(x[j]),j)": (0, 0),
    "x[i]/ReduceMax(abs(x[j]),j)": (0, 0),
    "x[i]/(Sum(abs(x[j]),j)+sqrt(Sum(x[j]^2,j)))": (0, 0),
    "sqrt(Mean((x[j]-Mean(x[k],k))^2,j))": (0, 0),
    "x[i]*tanh(sqrt(Sum(x[j]^2,j)))/sqrt(Sum(x[j]^2,j))": (0, 1),
    "x[i]*sqrt(Sum(x[j]^2,j))": (0, 0),
}


@pytest.mark.parametrize("formula", AT_ZERO)
def test_conventions_at_the_zero_vector(formula, compiled):
    activation = compiled(formula, name="at_zero")
    x = tf.zeros((1, 4))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation(x)
        gradient = tape.gradient(y, x)
    np.testing.assert_array_equal(y, np.full(y.shape, AT_ZERO[formula][0]))
    np.testing.assert_array_equal(gradient, np.full((1, 4), AT_ZERO[formula][1]))
    assert np.all(np.isfinite(outer.gradient(gradient, x)))


@pytest.mark.parametrize("x", [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0, 2.0]])
def test_an_entry_that_is_0_adds_nothing_to_an_entropy(x, compiled):
    entropy = compiled("Sum(-abs(x[j])/Sum(abs(x[k]),k)*log(abs(x[j])/Sum(abs(x[k]),k)),j)", name="entropy")
    np.testing.assert_allclose(entropy(tf.constant(x)), np.log(max(np.count_nonzero(x), 1)), rtol=1e-6)


def test_the_other_convention_at_the_zero_vector(compiled):
    activation = compiled("x[i]/sqrt(Sum(x[j]^2,j))", at_zero="one")
    y, gradient = _run(activation, np.zeros((1, 4), "float32"), np.ones(4))
    np.testing.assert_array_equal(y, np.zeros((1, 4)))
    np.testing.assert_array_equal(gradient, np.ones((1, 4)))


@pytest.mark.parametrize("one", ["1/n", "1/Sum(1,j)", "1/Sum(1+0*x[j],j)", "Mean(1,j)/Sum(ReduceMax(1,j),k)"])
def test_a_sum_of_what_does_not_vary_is_a_multiple(one, compiled):
    """Computed as a sum, of one element where it is of all, it did not agree with the formula."""
    activation = compiled(f"exp(x[i])/Sum(exp(x[k]),k)-{one}")
    x = tf.constant([1e4, -1e4, 3.0, 1e20])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(x)
    np.testing.assert_array_equal(y, [-0.25, -0.25, -0.25, 0.75])
    np.testing.assert_array_equal(tape.gradient(y, x, tf.constant([1.0, 2.0, 3.0, 4.0])), np.zeros(4))


@pytest.mark.parametrize(("ties", "expected"), [("share", [0.5, 0, 0.5]), ("first", [1, 0, 0])])
def test_ties_are_resolved_as_asked(ties, expected, compiled):
    activation = compiled("ReduceMax(x[j],j)", ties=ties)
    for axis in (0, 1, -1):
        x = np.float32([2, 1, 2])
        x = x[:, None] if axis == 0 else x[None]
        _, gradient = _run(activation, x, np.ones(1), axis=axis)
        np.testing.assert_array_equal(np.ravel(gradient), expected)


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("formula", ["exp(x[i])/Sum(exp(x[j]),j)", LAYER_NORM, "sqrt(Sum(x[j]^2,j))"])
def test_unknown_shapes_in_graphs(formula, mode, compiled):
    activation = compiled(formula, name="over_axis")
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")

    def run(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = activation(x)
            g = tape.gradient(y, x)
            square = g * g
        return y, g, outer.gradient(square, x)

    graph = tf.function(
        run, autograph=False, jit_compile=mode == "xla", input_signature=[tf.TensorSpec([None, None])]
    )
    for a, b in zip(run(tf.constant(x)), graph(tf.constant(x)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("formula", [f for f in FORMULAS if f not in KINKED])
def test_second_order_is_the_derivative_of_the_first(formula, compiled):
    activation = compiled(formula, name="over_axis")
    x = tf.constant(np.random.default_rng(3).normal(size=(2, 5)))
    direction = tf.constant(np.random.default_rng(4).normal(size=(2, 5)))

    def gradient(point):
        with tf.GradientTape() as tape:
            tape.watch(point)
            y = activation(point) ** 2
        return tape.gradient(y, point)

    with tf.GradientTape() as outer:
        outer.watch(x)
        first = gradient(x)
    product = outer.gradient(first, x, direction)
    step = 1e-5
    difference = (gradient(x + step * direction) - gradient(x - step * direction)) / (2 * step)
    # The Hessian is symmetric, so its product from either side is the same.
    np.testing.assert_allclose(product, difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_any_axis(axis, compiled):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    softmax = compiled("exp(x[i])/Sum(exp(x[j]),j)", name="my_softmax")
    np.testing.assert_allclose(softmax(x, axis=axis), tf.nn.softmax(x, axis), rtol=1e-6)
    norm = compiled("sqrt(Sum(x[j]^2,j))", name="my_norm")
    for keepdims in (False, True):
        expected = tf.norm(x, axis=axis, keepdims=keepdims)
        layer = norm.layer(axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
        assert layer.compute_output_shape((2, 3, 4)) == tuple(expected.shape)
    _, gradient = _run(norm, x, np.ones(x.size // x.shape[axis]), axis=axis)
    np.testing.assert_allclose(gradient, x / tf.norm(x, axis=axis, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (2, 1)])
@pytest.mark.parametrize("formula", ["exp(x[i])/Sum(exp(x[j]),j)", "log(Sum(exp(x[j]),j))", LAYER_NORM])
def test_short_axes(formula, shape, compiled):
    activation = compiled(formula, name="over_axis")
    expected = shape if activation.formula.keeps_axis else shape[:1]
    y, gradient = _run(activation, np.ones(shape, "float32"), np.ones(expected))
    assert (y.shape, gradient.shape) == (expected, shape)
    if formula.startswith("log") and shape == (3, 0):
        np.testing.assert_array_equal(y, np.full(3, -np.inf))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_narrow_dtypes_compute_in_float32(dtype, compiled):
    norm = compiled("sqrt(Sum(x[j]^2,j))", name="my_norm")
    x = tf.constant([[300.0, 10.0]], dtype)
    y, gradient = _run(norm, x, 1.0)
    assert y.dtype == gradient.dtype == x.dtype
    np.testing.assert_allclose(tf.cast(y, tf.float64), [np.hypot(300, 10)], rtol=5e-3)
    np.testing.assert_allclose(tf.cast(gradient, tf.float64), [[0.99944, 0.033315]], rtol=5e-3)


def test_masked_entries_are_left_out(compiled):
    softmax = compiled("exp(x[i])/Sum(exp(x[j]),j)", name="my_softmax")
    x = np.float32([[1, 900, 2], [3, 4, 5]])
    mask = np.array([[True, False, True], [True, True, True]])
    expected = keras.layers.Softmax()(x, mask=mask)
    np.testing.assert_allclose(softmax(x, mask=mask), expected, rtol=1e-6)
    _, gradient = _run(softmax, x, np.arange(6), mask=mask)
    assert gradient[0, 1] == 0
    mean = compiled("Mean(x[j],j)", name="my_mean")
    np.testing.assert_allclose(mean(x, mask=mask), [1.5, 4])
    _, gradient = _run(mean, x, np.ones(2), mask=mask)
    np.testing.assert_allclose(gradient, [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]])


def test_keras_masks_count_along_the_time_axis(compiled):
    tokens = np.array([[3, 5, 0, 0], [1, 2, 3, 0]])
    embedded = keras.layers.Embedding(6, 2, mask_zero=True)
    mean = compiled("Mean(x[j],j)", name="my_mean")
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, mean.layer(axis=1)(embedded(inputs)))
    vectors = embedded(tokens).numpy()
    expected = [vectors[0, :2].mean(0), vectors[1, :3].mean(0)]
    np.testing.assert_allclose(model(tokens), expected, rtol=1e-5)
    # Over the features every entry counts, and the mask is passed on.
    softmax = compiled("exp(x[i])/Sum(exp(x[j]),j)", name="my_softmax").layer()
    result = softmax(embedded(tokens))
    np.testing.assert_allclose(tf.reduce_sum(result, -1), np.ones((2, 4)), rtol=1e-6)
    assert softmax.supports_masking


SCALED = "g[i]*x[i]/sqrt(Mean(x[j]^2,j)+eps)"


@pytest.mark.parametrize("axis", [-1, 1])
def test_parameters_with_an_index_have_an_element_for_each_of_the_axis(axis, compiled):
    activation = compiled(SCALED, name="rms", params={"g": 1.0, "eps": 1e-6}, trainable=("g",))
    layer = activation.layer(axis=axis)
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32"))
    with tf.GradientTape() as tape:
        y = layer(x)
    gradient = tape.gradient(y, layer.g)
    assert layer.g.shape == ((1, 3) if axis == -1 else (5, 1))
    plain = x / tf.sqrt(tf.reduce_mean(x * x, axis, keepdims=True) + 1e-6)
    np.testing.assert_allclose(y, plain, rtol=1e-5)
    expected = tf.reduce_sum(plain, (0, 1) if axis == -1 else (0, 2))
    np.testing.assert_allclose(np.ravel(gradient), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "formula", ["exp(t*x[i])/Sum(exp(t*x[j]),j)", "Sum(t + x[j]^2,j)", "log(Sum(exp(t*x[j]),j))/t"]
)
def test_scalar_parameters_get_their_gradient(formula, compiled):
    activation = compiled(formula, name="tempered", params={"t": 1.5}, trainable=("t",))
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 5)))

    def total(t):
        return tf.reduce_sum(activation(x, t) ** 2)

    t = tf.constant(0.8, tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = total(t)
        gradient = tape.gradient(y, t)
    second = outer.gradient(gradient, t)
    h = 1e-4
    np.testing.assert_allclose(gradient, (total(t + h) - total(t - h)) / (2 * h), rtol=1e-6)
    np.testing.assert_allclose(second, (total(t + h) - 2 * y + total(t - h)) / h**2, rtol=1e-4)


def test_several_vectors(compiled):
    cosine = compiled(
        "Sum(a[j]*b[j],j)/sqrt(Sum(a[j]^2,j))/sqrt(Sum(b[j]^2,j))", name="cosine", inputs=("a", "b")
    )
    random = np.random.default_rng(0)
    a, b = tf.constant(random.normal(size=(3, 4))), tf.constant(random.normal(size=(4,)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([a, b])
        y = cosine(a, b)
        plain = tf.reduce_sum(tf.math.l2_normalize(a, -1) * tf.math.l2_normalize(b, -1), -1)
    np.testing.assert_allclose(y, plain, rtol=1e-12)
    for variable in (a, b):
        result, expected = tape.gradient(y, variable), tape.gradient(plain, variable)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cosine(1e20 * a, 1e-30 * b), y, rtol=1e-12)


def test_sympy_formulas_are_the_same_as_text():
    x = sp.IndexedBase("x")
    i, j, n = sp.symbols("i j n", integer=True)
    pairs = {
        sp.exp(x[i]) / sp.Sum(sp.exp(x[j]), (j, 0, n - 1)): "exp(x[i])/Sum(exp(x[j]), j)",
        sp.Sum(x[j], (j, 0, n - 1)) / n: "Mean(x[j], j)",
        x[i] - symact.ReduceMax(x[j], j): "x[i] - ReduceMax(x[j], j)",
    }
    points = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    for expression, text in pairs.items():
        one, two = symact.compile(expression), symact.compile(text)
        np.testing.assert_array_equal(one(points), two(points))
        again = type(one).from_config(one.get_config())
        np.testing.assert_array_equal(again(points), one(points))


REFUSED = {
    "x + Sum(x[j],j)": "needs an index",
    "Sum(abs(x[j]-x[j]),j)": "nothing that it sums has elements",
    "Sum(Sum(exp(x[i]-x[j]),j),i)": "another index",
    "x[i]*x[j]": "more than one free index",
    "Sum(j*x[j],j)": "no number to compute with",
    "Sum(x[j])": "an expression and an index",
    "Sum(x[j+1],j)": "written with names",
}


@pytest.mark.parametrize("formula", REFUSED)
def test_what_needs_more_than_one_axis_is_refused(formula):
    with pytest.raises(symact.FormulaError, match=REFUSED[formula]):
        symact.compile(formula)


@pytest.mark.parametrize("formula", [*FORMULAS, SCALED])
def test_modules_are_clean_and_stand_alone(formula, tmp_path, compiled):
    params = {"g": 1.0, "eps": 1e-6} if formula == SCALED else {}
    activation = compiled(formula, name="my_formula", params=params, trainable=("g",) if params else ())
    path = tmp_path / "my_formula.py"
    activation.save(path)
    for command in (["check"], ["format", "--check", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--quiet", str(path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "symact" not in {
        line.split()[1] for line in activation.source.splitlines() if line.startswith("import")
    }


def test_models_with_layers_over_axes_survive_saving(tmp_path, compiled):
    norm = compiled("sqrt(Sum(x[j]^2,j))", name="my_norm").layer(keepdims=True)
    softmax = compiled("exp(x[i])/Sum(exp(x[j]),j)", name="my_softmax")
    rms = compiled(SCALED, name="rms", params={"g": 1.0, "eps": 1e-6}, trainable=("g",)).layer()
    inputs = keras.Input((None, 4))
    hidden = keras.layers.Dense(4, activation=softmax)(rms(inputs))
    model = keras.Model(inputs, keras.layers.Multiply()([norm(inputs), softmax(hidden, axis=1)]))
    data = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(data, verbose=0), model.predict(data, verbose=0))


@pytest.mark.parametrize("formula", ["exp(x[i])/Sum(exp(x[j]),j)", "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)"])
def test_memory_over_a_long_axis_is_a_few_vectors(formula, tmp_path, compiled):
    compiled(formula, name="long_axis").save(tmp_path / "long_axis.py")
    code = """
import os, resource, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from long_axis import long_axis
def run(n):
    x = tf.random.normal((1, n))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = long_axis(x)
    return tape.gradient(y, x, x)
run(1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
gradient = run(1_000_000)
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert bool(tf.reduce_all(tf.math.is_finite(gradient)))
print(used // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) < 400  # MB, XLA's compilations among them; n×n would be 4 TB


def test_options_survive_a_saved_model(tmp_path):
    largest = symact.compile(
        "x[i]*ReduceMax(x[j],j)", name="largest", ties="first", at_zero="one", prefer="fast", axis=1
    )
    config = largest.get_config()
    assert [config[name] for name in ("ties", "at_zero", "prefer", "axis")] == ["first", "one", "fast", 1]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation(largest)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").layers[0].activation
    assert again.get_config() == config
    x = np.float32([[2, 1, 2]])
    for activation in (largest, again):
        _, gradient = _run(activation, x, np.ones((1, 3)))
        np.testing.assert_array_equal(gradient, [[7, 2, 2]])


def test_deviations_from_a_mean_are_not_summed_again(compiled):
    source = compiled(LAYER_NORM, name="over_axis").source
    gradient = source[source.index("def _gradient(") : source.index("def _second_gradient(")]
    # The sum of the deviations is 0; left are those of the upstream, with and without them.
    assert gradient.count("_sum(") == 2


def test_quotients_by_the_largest_numbers(compiled):
    activation = compiled("x[i]/ReduceMax(abs(x[j]),j)")
    y, gradient = _run(activation, np.float32([[3e38, 1e38, -2e38]]), np.float32([0, 1, 0]))
    np.testing.assert_allclose(y, [[1, 1 / 3, -2 / 3]], rtol=1e-6)
    assert np.all(np.isfinite(gradient))
