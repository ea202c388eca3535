"""The live object, as Keras users meet it; and saved models, in processes of their own."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import sympy as sp
import tensorflow as tf

import symact

SWISH = "x/(1+exp(-beta*x))"


@pytest.fixture
def swish(compiled):
    return compiled(SWISH, name="swish", params={"beta": 1.0})


def test_expressions_come_back_in_the_users_symbols():
    x, beta = sp.symbols("x beta")
    activation = symact.compile(x / (1 + sp.exp(-beta * x)), name="swish", params={"beta": 1.0})
    assert activation.expr == x / (1 + sp.exp(-beta * x))
    assert sp.simplify(activation.derivative - sp.diff(activation.expr, x)) == 0


INPUTS = [[1.0, -2.0], np.array([1.0, -2.0], np.float32), tf.constant([1.0, -2.0]), tf.Variable([1.0, -2.0])]


@pytest.mark.parametrize("given", INPUTS, ids=lambda g: type(g).__name__)
def test_it_takes_anything_that_becomes_a_tensor(given, swish):
    expected = np.array([1.0, -2.0]) / (1 + np.exp(-np.array([1.0, -2.0])))
    np.testing.assert_allclose(swish(given), expected, rtol=1e-6)
    np.testing.assert_allclose(swish(x=given), expected, rtol=1e-6)


@pytest.mark.parametrize("call", [lambda f, v: f(v), lambda f, v: f(x=v), lambda f, v: f(x=v, beta=1.0)])
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_gradients_reach_variables_by_position_and_keyword(call, mode, swish):
    variable = tf.Variable([0.3, -2.0])

    def gradient():
        with tf.GradientTape() as tape:
            y = call(swish, variable)
        return tape.gradient(y, variable)

    run = gradient if mode == "eager" else tf.function(gradient, jit_compile=mode == "xla")
    np.testing.assert_allclose(run(), [0.647780, -0.0907842], rtol=1e-5)


def test_parameters_are_numbers(swish):
    np.testing.assert_allclose(swish([1.0], beta=2.0), 1 / (1 + np.exp(-2.0)), rtol=1e-6)
    with pytest.raises(TypeError, match="trainable"):
        swish([1.0], beta=tf.constant(2.0))
    with pytest.raises(TypeError, match="gamma"):
        swish([1.0], gamma=2.0)


def _model(swish):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation=swish)(inputs)
    hidden = swish.layer(beta=1.5)(hidden)
    return keras.Model(inputs, swish(keras.layers.Dense(3)(hidden)))


def test_functional_models_train_and_clone(swish):
    keras.utils.set_random_seed(0)
    model = _model(swish)
    model.compile("adam", "mse")
    data = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    history = model.fit(data, data[:, :3], epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(data, verbose=0), model.predict(data, verbose=0))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64", "float16"])
def test_dtype_policies(policy, swish):
    dense = keras.layers.Dense(3, activation=swish, dtype=policy)
    layer = swish.layer(dtype=policy)
    result = layer(dense(np.ones((2, 4), "float32")))
    assert result.dtype == tf.as_dtype(policy.removeprefix("mixed_"))


def test_copies_and_pickles(swish):
    for again in (copy.copy(swish), copy.deepcopy(swish), pickle.loads(pickle.dumps(swish))):
        np.testing.assert_array_equal(again([0.3]), swish([0.3]))


def test_source_is_found_by_inspect(swish):
    assert "custom_gradient" in inspect.getsource(swish.module._differentiable_value)


def test_saving_the_source_keeps_an_existing_file(swish, tmp_path):
    path = tmp_path / "swish.py"
    swish.save(path)
    with pytest.raises(symact.OutputError, match="force"):
        swish.save(path)
    assert path.read_text() == swish.source


def test_a_layer_is_never_reloaded_as_another_formula(swish):
    config = {**swish.layer().get_config(), "formula": "x"}
    with pytest.raises(ValueError, match="saved with x"):
        swish.Layer.from_config(config)


FRESH = {
    # what the fresh process may import: its preamble, and how the model was made
    "emitted": (
        """
        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("symact", "sympy"):
                    raise ImportError(f"{name} is blocked")
        sys.meta_path.insert(0, Blocked())
        sys.path.insert(0, ".")
        import swish
        """,
        lambda swish: [swish.module.swish, swish.layer(beta=2.5)],
    ),
    "symact": ("import symact", lambda swish: [swish, swish]),
}


@pytest.mark.parametrize("kind", FRESH)
def test_a_saved_model_predicts_the_same_bits_in_a_fresh_process(kind, swish, tmp_path):
    preamble, parts = FRESH[kind]
    function, layer = parts(swish)
    # Registered afresh: other tests compile formulas of the same name.
    symact.compile(SWISH, name="swish", params={"beta": 1.0})
    if not isinstance(layer, keras.layers.Layer):
        layer = keras.layers.Activation(layer)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation=function), layer])
    data = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "data.npy", data)
    np.save(tmp_path / "predictions.npy", model.predict(data, verbose=0))
    swish.save(tmp_path / "swish.py")
    code = (
        "import sys\n"
        + textwrap.dedent(preamble)
        + textwrap.dedent(
            """
        import keras, numpy as np
        model = keras.models.load_model("model.keras")
        predictions = model.predict(np.load("data.npy"), verbose=0)
        sys.exit(not np.array_equal(predictions, np.load("predictions.npy")))
        """
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
