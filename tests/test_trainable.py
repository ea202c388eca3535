"""Trainable parameters and gated pairs: gradients by every variable, in the shape of each."""

from __future__ import annotations

import itertools
import subprocess
import sys

import keras
import mpmath as mp
import numpy as np
import pytest
import tensorflow as tf

import symact

FORMULAS = {
    # formula: inputs, parameters with defaults (all trainable)
    "x/(1+exp(-beta*x))": (("x",), {"beta": 1.0}),
    "Piecewise((x, x >= 0), (alpha*x, True))": (("x",), {"alpha": 0.25}),
    "log(1+exp(k*x))/k + c*x**2": (("x",), {"k": 1.5, "c": -0.5}),
    "a*b/(1+exp(-a))": (("a", "b"), {}),
    "a*(1+erf(a/sqrt(2)))/2*b": (("a", "b"), {}),
    "a/(1+exp(-b))": (("a", "b"), {}),
    "a*b/(1+exp(-beta*a))": (("a", "b"), {"beta": 1.2}),
    "b/(1+exp(-a*b))": (("a", "b"), {}),
    "a*b + tanh(a)*c": (("a", "b"), {"c": 0.5}),
}
MP = {name: getattr(mp, name) for name in ("exp", "log", "tanh", "erf", "sqrt")}


def _activation(compiled, formula, **options):
    inputs, params = FORMULAS[formula]
    return compiled(formula, inputs=inputs, params=params, trainable=tuple(params), **options)


def _exact(formula, values):
    """Value and first and second partial derivatives at 60 digits, for one point."""
    inputs, params = FORMULAS[formula]
    names = [*inputs, *params]

    def f(*arguments):
        scope = {**MP, **dict(zip(names, arguments, strict=True))}
        if formula.startswith("Piecewise"):
            return scope["x"] if scope["x"] >= 0 else scope["alpha"] * scope["x"]
        return eval(formula.replace("1.5", "mp.mpf('1.5')"), {"mp": mp}, scope)

    with mp.workdps(60):
        point = [mp.mpf(float(v)) for v in values]
        unit = np.eye(len(names), dtype=int).tolist()
        first = [mp.diff(f, tuple(point), tuple(u)) for u in unit]
        second = [
            mp.diff(f, tuple(point), tuple(a + b for a, b in zip(u, v, strict=True)))
            for u, v in itertools.product(unit, unit)
        ]
    return float(f(*point)), np.array(first, float), np.array(second, float)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_every_partial_derivative_is_exact(formula, mode, compiled):
    activation = _activation(compiled, formula)
    names = activation.formula.variables

    def run(values):
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(values)
            with tf.GradientTape() as inner:
                inner.watch(values)
                y = activation(*values)
            first = inner.gradient(y, values)
        return y, first, [outer.gradient(f, values, unconnected_gradients="zero") for f in first]

    if mode != "eager":
        run = tf.function(run, jit_compile=mode == "xla")
    for point in itertools.product((-3.25, 0.5, 7.0), repeat=len(names) - 1):
        values = [*point, 1.25]
        y, first, second = run([tf.constant([v]) for v in values])
        exact = _exact(formula, values)
        scale = abs(exact[0]) + np.abs(exact[1]).max()
        np.testing.assert_allclose(y[0], exact[0], rtol=2e-6, atol=1e-7 * scale)
        np.testing.assert_allclose(np.ravel(first), exact[1], rtol=2e-6, atol=1e-7 * scale)
        np.testing.assert_allclose(np.ravel(second), exact[2], rtol=2e-4, atol=1e-6 * scale)


@pytest.mark.parametrize(
    "shapes", [((4, 3), (3,)), ((4, 3), ()), ((3,), (4, 3)), ((2, 1, 3), (4, 1)), ((), ())]
)
def test_gradients_are_summed_back_to_each_shape(shapes, compiled):
    random = np.random.default_rng(0)
    for formula in ("x/(1+exp(-beta*x))", "a*b/(1+exp(-a))", "a/(1+exp(-b))"):
        activation = _activation(compiled, formula)
        values = [tf.constant(random.normal(size=shape)) for shape in shapes]
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = activation(*values)
        gradients = tape.gradient(y, values)
        wide = [tf.constant(np.broadcast_to(v, y.shape)) for v in values]
        with tf.GradientTape() as tape:
            tape.watch(wide)
            full = activation(*wide)
        for gradient, whole, value in zip(gradients, tape.gradient(full, wide), values, strict=True):
            assert gradient.shape == value.shape
            extra = whole.shape.rank - value.shape.rank
            axes = [i for i in range(whole.shape.rank) if i < extra or value.shape[i - extra] == 1]
            np.testing.assert_allclose(
                tf.reshape(tf.reduce_sum(whole, axes), value.shape), gradient, rtol=1e-12
            )


def test_a_swish_finds_the_slope_that_made_the_data(compiled):
    swish = _activation(compiled, "x/(1+exp(-beta*x))", name="trained_swish")
    layer = swish.layer(beta=0.5)
    model = keras.Sequential([keras.Input((4,)), layer])
    data = np.random.default_rng(0).normal(size=(256, 4)).astype("float32") * 3
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(data, swish(data, beta=1.7), epochs=60, verbose=0)
    assert layer.beta.shape == ()
    np.testing.assert_allclose(layer.beta, 1.7, atol=0.02)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_weights_are_trained_in_their_own_precision(policy, compiled):
    swish = _activation(compiled, "x/(1+exp(-beta*x))")
    layer = swish.layer(beta=1 + 2**-20, dtype=policy)
    data = tf.constant(np.random.default_rng(0).normal(size=(8, 4)))
    with tf.GradientTape() as tape:
        y = layer(data)
    gradient = tape.gradient(y, layer.trainable_variables)[0]
    assert y.dtype == policy.removeprefix("mixed_")
    assert gradient.dtype == layer.beta.dtype == ("float64" if policy == "float64" else "float32")
    assert float(layer.beta) == 1 + 2**-20


KERAS_SHAPES = [None, [], [1], [2], [1, 2], 1]


@pytest.mark.parametrize("shared_axes", KERAS_SHAPES)
def test_shared_axes_mean_what_they_mean_to_keras(shared_axes, compiled):
    layer = _activation(compiled, "Piecewise((x, x >= 0), (alpha*x, True))").layer(shared_axes=shared_axes)
    layer.build((None, 5, 3))
    if shared_axes is None:
        assert layer.alpha.shape == ()
        return
    theirs = keras.layers.PReLU(shared_axes=shared_axes)
    theirs.build((None, 5, 3))
    assert layer.alpha.shape == theirs.alpha.shape


def test_a_length_that_is_unknown_cannot_have_weights(compiled):
    layer = _activation(compiled, "Piecewise((x, x >= 0), (alpha*x, True))").layer(shared_axes=[2])
    with pytest.raises(ValueError, match="shared_axes"):
        layer.build((None, None, 3))


def test_keras_options_reach_the_weight_and_the_config(compiled):
    prelu = _activation(compiled, "Piecewise((x, x >= 0), (alpha*x, True))", name="my_prelu")
    layer = prelu.layer(
        alpha_initializer="ones", alpha_regularizer="l2", alpha_constraint="non_neg", shared_axes=[1]
    )
    again = prelu.Layer.from_config(layer.get_config())
    for each in (layer, again):
        each.build((None, 5, 3))
        np.testing.assert_array_equal(each.alpha, np.ones((1, 3)))
        assert float(each.losses[0]) == pytest.approx(0.03)
        each.alpha.assign(-tf.ones((1, 3)))
        assert isinstance(each.alpha_constraint, keras.constraints.NonNeg)


@pytest.mark.parametrize("kind", ["emitted", "symact"])
def test_trained_values_survive_saving(kind, tmp_path):
    swish = symact.compile(
        "x/(1+exp(-beta*x))", name="saved_swish", params={"beta": 1.0}, trainable=("beta",)
    )
    swiglu = symact.compile("a*b/(1+exp(-a))", name="saved_swiglu", inputs=("a", "b"))
    layers = [swish.layer(beta=2.0, shared_axes=[]), swiglu.layer()]
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6), *layers])
    layers[0].beta.assign([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    data = np.random.default_rng(0).normal(size=(6, 6)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "data.npy", data)
    np.save(tmp_path / "predictions.npy", model.predict(data, verbose=0))
    swish.save(tmp_path / "saved_swish.py")
    swiglu.save(tmp_path / "saved_swiglu.py")
    remade = (
        "import symact\n"
        "symact.compile('x/(1+exp(-beta*x))', name='saved_swish', "
        "params={'beta': 1.0}, trainable=('beta',))\n"
        "symact.compile('a*b/(1+exp(-a))', name='saved_swiglu', inputs=('a', 'b'))\n"
    )
    preamble = "sys.path.insert(0, '.')\nimport saved_swish, saved_swiglu\n" if kind == "emitted" else remade
    code = (
        "import sys\n" + preamble + "import keras, numpy as np\n"
        "model = keras.models.load_model('model.keras')\n"
        "assert list(np.array(model.layers[1].beta)) == [1, 2, 3, 4, 5, 6]\n"
        "predictions = model.predict(np.load('data.npy'), verbose=0)\n"
        "sys.exit(not np.array_equal(predictions, np.load('predictions.npy')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_a_gated_layer_splits_as_keras_does(axis, compiled):
    glu = _activation(compiled, "a/(1+exp(-b))", name="my_glu")
    data = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
    layer = glu.layer(axis=axis)
    expected = keras.activations.glu(tf.constant(data), axis=axis)
    np.testing.assert_allclose(layer(data), expected, rtol=1e-6)
    assert layer.compute_output_shape((2, 4, 6)) == expected.shape
    symbolic = layer(keras.Input((None, 6)))
    assert symbolic.shape[2] == (6 if axis == 1 else 3)
    with pytest.raises(ValueError, match="5 entries"):
        layer.compute_output_shape((5, 5, 5))


def test_a_gated_function_takes_symbolic_pairs(compiled):
    swiglu = _activation(compiled, "a*b/(1+exp(-a))", name="my_swiglu")
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], swiglu(a, b))
    data = np.ones((2, 4), "float32")
    np.testing.assert_allclose(model([data, 2 * data]), swiglu(data, 2 * data))


@pytest.mark.parametrize("formula", FORMULAS)
def test_modules_are_clean(formula, tmp_path, compiled):
    path = tmp_path / "module.py"
    _activation(compiled, formula, name="rather_long_name").save(path)
    for command in (["check"], ["format", "--check", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--quiet", str(path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, path.read_text().splitlines())) <= 88


HUGE = [-3e38, -100.0, -88.5, -20.0, -1e-30, 0.0, 1e-30, 20.0, 88.5, 3e38]


@pytest.mark.parametrize("formula", ["a*b/(1+exp(-a))", "a*(1+erf(a/sqrt(2)))/2*b", "a/(1+exp(-b))"])
def test_gated_gradients_are_right_to_a_few_ulp(formula, compiled):
    points = np.float32([*HUGE, *np.linspace(-30, 30, 101)])
    a, b = (np.ravel(g).astype(np.float32) for g in np.meshgrid(points, np.float32([-3, 0.3, 70])))
    values = [tf.constant(a), tf.constant(b)]
    activation = _activation(compiled, formula)
    with tf.GradientTape() as tape:
        tape.watch(values)
        y = activation(*values)
    results = np.array([y, *tape.gradient(y, values)], float)
    names = activation.formula.variables
    for i in range(0, len(a), 3):
        with mp.workdps(50):
            x, z = mp.mpf(float(a[i])), mp.mpf(float(b[i]))
            sigma = 1 / (1 + mp.exp(-x))
            phi = mp.erfc(-x / mp.sqrt(2)) / 2
            gate = 1 / (1 + mp.exp(-z))
            density = mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
            exact = {
                "a*b/(1+exp(-a))": (x * z * sigma, z * sigma * (1 + x * (1 - sigma)), x * sigma),
                "a*(1+erf(a/sqrt(2)))/2*b": (x * z * phi, z * (phi + x * density), x * phi),
                "a/(1+exp(-b))": (x * gate, gate, x * gate * (1 - gate)),
            }[formula]
            for truth, result, name in zip(exact, results[:, i], ("value", *names), strict=True):
                if not 1e-36 < abs(truth) < 3e38:
                    continue
                error = abs(result - truth) / abs(truth) * 2**23
                assert error < 14, (name, a[i], b[i], float(truth), result)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("shape", [(), (64,), (1, 64)])
def test_a_gradient_summed_over_a_large_batch(shape, jit, compiled):
    """In float32 sums of a million terms are some fifty ULP off."""
    activation = _activation(compiled, "Piecewise((x, x >= 0), (alpha*x, True))")
    x = np.random.default_rng(3).normal(size=(2**14, 64)).astype(np.float32)

    @tf.function(jit_compile=jit)
    def gradient(x, alpha):
        with tf.GradientTape() as tape:
            tape.watch(alpha)
            y = activation(x, alpha=alpha)
        return tape.gradient(y, alpha)

    found = gradient(tf.constant(x), tf.fill(shape, 0.25)).numpy()
    exact = np.minimum(x, 0.0).astype(np.float64).sum(axis=0 if shape else None).reshape(shape)
    assert (np.abs(found - exact) <= 1.5 * np.spacing(np.abs(exact).astype(np.float32))).all()
