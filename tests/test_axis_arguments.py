"""What functions over an axis are given besides tensors: weights along the axis, masks, axes, no entries."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from symact.errors import OptionError

SOFTMAX = "exp(x[i])/Sum(exp(x[j]),j)"
# Formulas with a bias: weights whose gradient is the upstream, summed.
BIASED = {
    "g[i]*x[i]+h[i]": {"g": 1.0, "h": 0.5},
    "x[i]-Mean(x[j],j)+h[i]": {"h": 0.5},
    "x[i]+p*Sum(h[j]^2,j)": {"h": 0.5, "p": 2.0},
    "(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.001)*g[i]+h[i]": {"g": 1.0, "h": 0.5},
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [((2, 3), -1), ((2, 3, 4), 1), ((2, 3, 4), 2)])
@pytest.mark.parametrize("formula", BIASED)
def test_weights_that_are_added_get_their_gradient(formula, shape, axis, masked, compiled):
    activation = compiled(formula, params=BIASED[formula], trainable=tuple(BIASED[formula]))
    random = np.random.default_rng(0)
    layer = activation.layer(axis=axis, dtype="float64")
    x = tf.constant(random.normal(size=shape))
    mask = tf.constant(random.uniform(size=shape) > 0.4) if masked else None

    def total():
        return tf.reduce_sum(layer(x, mask=mask) ** 2)

    with tf.GradientTape() as tape:
        y = total()
    for weight, gradient in zip(
        layer.trainable_variables, tape.gradient(y, layer.trainable_variables), strict=True
    ):
        start, step = np.array(weight), 1e-5
        for at in np.ndindex(*start.shape):
            sides = []
            for sign in (1, -1):
                moved = start.copy()
                moved[at] += sign * step
                weight.assign(moved)
                sides.append(float(total()))
            weight.assign(start)
            slope = (sides[0] - sides[1]) / (2 * step)
            assert np.array(gradient)[at] == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_a_layer_norm_with_a_bias_is_trained_and_saved(tmp_path, compiled):
    formula = list(BIASED)[-1]
    norm = compiled(formula, name="biased_norm", params=BIASED[formula], trainable=("g", "h"))
    model = keras.Sequential([keras.Input((5,)), norm.layer()])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    theirs = keras.layers.LayerNormalization(epsilon=0.001)
    target = 2 * theirs(x) - 1
    model.fit(x, target, epochs=60, verbose=0)
    np.testing.assert_allclose(model(x), target, atol=0.05)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))


def test_a_scalar_stands_for_weights_along_the_axis(compiled):
    activation = compiled("x[i]+Sum(h[j],j)", params={"h": 0.5}, trainable=("h",))
    np.testing.assert_allclose(activation(tf.zeros((2, 3))), np.full((2, 3), 1.5))
    h = tf.constant(0.5)
    with tf.GradientTape() as tape:
        tape.watch(h)
        y = activation(tf.zeros((2, 3)), h)
    assert float(tape.gradient(y, h)) == 18


# shapes of input and mask, axis: as what the mask counts, in the input's rank
MASKS = [
    ((2, 4), (4,), -1, (1, 4)),
    ((2, 3, 4), (4,), 2, (1, 1, 4)),
    ((2, 3, 4), (3, 4), -1, (1, 3, 4)),
    ((2, 3, 4), (2, 3), 1, (2, 3, 1)),
    ((2, 3, 4), (2,), 0, (2, 1, 1)),
    ((2, 4), (1, 4), 1, (1, 4)),
]


@pytest.mark.parametrize(("shape", "mask_shape", "axis", "aligned"), MASKS)
def test_a_mask_of_fewer_axes_counts(shape, mask_shape, axis, aligned, compiled):
    softmax = compiled(SOFTMAX, name="my_softmax")
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    mask = np.arange(np.prod(mask_shape)).reshape(mask_shape) % 2 == 0
    expected = softmax(x, axis=axis, mask=np.broadcast_to(mask.reshape(aligned), shape))
    np.testing.assert_array_equal(softmax(x, axis=axis, mask=mask), expected)
    np.testing.assert_array_equal(softmax.layer(axis=axis)(x, mask=mask), expected)


WRONG = [
    ((2, 4), {"mask": [True, False, True]}, r"mask of shape \(3,\) .* axis -1 .* \(2, 4\)"),
    ((2, 4), {"mask": np.ones((3, 4), bool)}, r"mask of shape \(3, 4\)"),
    ((2, 4), {"mask": np.ones((1, 2, 4), bool)}, r"mask of shape \(1, 2, 4\)"),
    ((2, 4, 3), {"mask": np.ones((2, 4), bool)}, r"mask of shape \(2, 4\)"),
    ((2, 4), {"axis": 2}, "axis 2 is out of range for an input of rank 2"),
    ((2, 4), {"axis": -3}, "axis -3 is out of range"),
    ((), {}, "axis -1 is out of range for an input of rank 0"),
    ((2, 4), {"axis": None}, "axis must be a whole number, not None"),
    ((2, 4), {"axis": 1.0}, "axis must be a whole number, not 1.0"),
    ((2, 4), {"axis": True}, "axis must be a whole number, not True"),
]


@pytest.mark.parametrize(("shape", "options", "message"), WRONG)
def test_wrong_arguments_are_refused_in_a_line(shape, options, message, compiled):
    softmax = compiled(SOFTMAX, name="my_softmax")
    with pytest.raises(ValueError, match=message) as caught:
        softmax(tf.zeros(shape), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": None}, "axis must be .* not None"),
        ({"axis": "last"}, "axis must be .* not 'last'"),
        ({"ties": None}, "ties must be one of share, first, not None"),
        ({"at_zero": 0}, "at_zero must be one of zero, one, not 0"),
    ],
)
def test_wrong_options_are_named(options, message, compiled):
    with pytest.raises(OptionError, match=message):
        compiled(SOFTMAX, **options)


EMPTY = {
    "Mean(x[j],j)": np.nan,
    "sqrt(Mean((x[j]-Mean(x[k],k))^2,j))": np.nan,
    "Sum(x[j],j)": 0,
    "sqrt(Sum(x[j]^2,j))": 0,
}


@pytest.mark.parametrize("shape", [(2, 0), (2, None)])
@pytest.mark.parametrize("formula", EMPTY)
def test_an_axis_without_entries(formula, shape, compiled):
    activation = compiled(formula, name="of_nothing")
    graph = tf.function(activation, input_signature=[tf.TensorSpec(shape)])
    for function in (activation, graph):
        np.testing.assert_array_equal(function(tf.zeros((2, 0))), np.full(2, EMPTY[formula]))
