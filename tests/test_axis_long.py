"""Sums over axes longer than a block: right for every length, axis, mask and mode; and no array for them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

NORM = "sqrt(Sum(x[j]^2,j))"
RMS = "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)"
SOFTMAX = "exp(x[i])/Sum(exp(x[j]),j)"


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


TRUTH = {
    NORM: lambda x: np.sqrt((x * x).sum(-1)),
    RMS: lambda x: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6),
    SOFTMAX: _softmax,
    "Sum(abs(x[j])^3,j)^(1/3)": lambda x: np.cbrt((abs(x) ** 3).sum(-1)),
}
# 33 and 37 blocks come in groups; 50,257 is a vocabulary, of blocks of two.
LENGTHS = [31, 32, 33, 64, 95, 1000, 33 * 128, 37 * 128, 50_257]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("formula", TRUTH)
def test_values_are_right_at_any_length(formula, length, compiled):
    activation = compiled(formula, name="over_axis")
    x = np.random.default_rng(length).normal(size=(3, length)).astype("float32")
    exact = TRUTH[formula](x.astype("float64"))
    graph = tf.function(activation, autograph=False, input_signature=[tf.TensorSpec([None, None])])
    for result in (
        activation(x),
        graph(tf.constant(x)),
        tf.function(activation, autograph=False, jit_compile=True)(x),
    ):
        assert np.abs(result.numpy() / exact - 1).max() < (16 if formula == SOFTMAX else 4) * 2.0**-24
    columns = activation(x.T, axis=0).numpy().T
    assert np.abs(columns / exact - 1).max() < (16 if formula == SOFTMAX else 4) * 2.0**-24
    assert np.abs(activation(x.astype("float64")) / exact - 1).max() < 16 * 2.0**-53


@pytest.mark.parametrize("length", [33, 64, 100])
@pytest.mark.parametrize("formula", [NORM, SOFTMAX])
def test_masks_at_any_length(formula, length, compiled):
    activation = compiled(formula, name="over_axis")
    random = np.random.default_rng(length)
    x = random.normal(size=(4, length)).astype("float32")
    mask = random.uniform(size=x.shape) < 0.6
    result = activation(x, mask=mask).numpy()
    for row, kept, found in zip(x, mask, result, strict=True):
        exact = TRUTH[formula](row[kept].astype("float64"))
        np.testing.assert_allclose(found[kept] if found.ndim else found, exact, rtol=1e-6)


@pytest.mark.parametrize("size", [3e38, 1e30, 1e-30, 1.2e-38, 0.0])
@pytest.mark.parametrize("length", [1, 32, 77])
def test_norms_of_extreme_vectors_at_any_length(size, length, compiled):
    activation = compiled(NORM, name="over_axis")
    x = np.full((2, length), size, "float32")
    x[1, 1:] = 0
    with np.errstate(over="ignore"):
        expected = np.sqrt((x.astype("float64") ** 2).sum(-1)).astype("float32")
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(x)
    gradient = tape.gradient(y, x)
    np.testing.assert_allclose(y, expected, rtol=3e-7)
    direction = np.full(length, length**-0.5) if size else np.zeros(length)
    np.testing.assert_allclose(gradient[0], direction, rtol=1e-6)


def test_rows_and_higher_ranks(compiled):
    activation = compiled(NORM, name="over_axis")
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 100)).astype("float32")
    expected = TRUTH[NORM](x.astype("float64"))
    np.testing.assert_allclose(activation(x), expected, rtol=3e-7)
    np.testing.assert_allclose(activation(x[0, 0, 0]), expected[0, 0, 0], rtol=3e-7)
    moved = np.moveaxis(x, -1, 1)
    np.testing.assert_allclose(activation(moved, axis=1), expected, rtol=3e-7)
    assert np.all(np.isnan(activation(np.full((2, 100), np.nan, "float32"))))


def test_squares_are_summed_without_being_written(compiled):
    """Under XLA a norm takes no memory of the size of its input."""
    activation = compiled(NORM, name="over_axis")
    step = tf.function(lambda x: activation(x), autograph=False, jit_compile=True)
    text = step.experimental_get_compiler_ir(tf.ones([256, 1024]))(stage="optimized_hlo")
    entry = text[text.index("ENTRY") :].splitlines()
    assert not [
        line for line in entry if "[256,1024]" in line.split("=")[-1][:20] and "parameter(" not in line
    ]


def test_differences_of_two_inputs_are_not_written_in_float64(compiled):
    """Compiled as a whole, forward and backward each take them from the inputs."""
    activation = compiled("sqrt(Sum((a[j]-b[j])^2,j))", name="over_axis", inputs=("a", "b"))

    def both(a, b):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            y = activation(a, b)
        return y, *tape.gradient(y, [a, b])

    step = tf.function(both, autograph=False, jit_compile=True)
    text = step.experimental_get_compiler_ir(*[tf.ones([256, 1024])] * 2)(stage="optimized_hlo")
    assert "= f64[256,1024]" not in text[text.index("ENTRY") :]


def test_forward_mode_passes_through_the_blocks(compiled):
    activation = compiled(NORM, name="over_axis")
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 70)))
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as forward:
        y = activation(x)
    np.testing.assert_allclose(forward.jvp(y), tf.reduce_sum(x, -1) / y, rtol=1e-12)


@pytest.mark.parametrize("length", [31, 33, 100, 512, 768, 50_257])
@pytest.mark.parametrize(
    ("formula", "exact"),
    [("ReduceMax(x[j],j)", np.max), ("ReduceMin(2*x[j],j)", lambda x, axis: np.min(2 * x, axis))],
)
def test_extrema_are_exact_at_any_length(formula, exact, length, compiled):
    activation = compiled(formula, name="over_axis")
    # Rows: ordinary, of one sign, infinite, with one infinity. NaN is left out: XLA's maxima pass over it.
    ordinary = np.random.default_rng(length).normal(size=(9, length)).astype("float32")
    ordinary[1:3] = abs(ordinary[1:3]) * [[1], [-1]]
    ordinary[3:5] = [[np.inf], [-np.inf]]
    ordinary[[5, 6, 7, 8], [0, length - 1, length // 2, length - 1]] = [np.inf, np.inf, -np.inf, -np.inf]
    graph = tf.function(activation, autograph=False, input_signature=[tf.TensorSpec([None, None])])
    for function in (activation, graph, tf.function(activation, autograph=False, jit_compile=True)):
        np.testing.assert_array_equal(function(tf.constant(ordinary)), exact(ordinary, axis=-1))


@pytest.mark.parametrize("shape", [(2, 5001, 3), (1, 1027, 1), (2, 0, 3), (0, 1030, 2), (2, 3, 1030, 2)])
@pytest.mark.parametrize("formula", [SOFTMAX, RMS])
def test_the_last_axis_but_one(formula, shape, compiled):
    """Of unknown rank, of unknown length, of known shape: as over the last axis; gradients, too."""
    activation = compiled(formula, name="over_axis")
    x = np.random.default_rng(1).uniform(0.5, 1.0, size=shape).astype("float32")
    upstream = tf.constant(np.random.default_rng(2).normal(size=shape), tf.float32)

    def both(x, upstream, axis):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation(x, axis=axis)
        return y, tape.gradient(y, x, upstream)

    order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
    expected = [tf.transpose(t, order) for t in both(*(tf.transpose(t, order) for t in (x, upstream)), -1)]
    unknown = [tf.TensorSpec([None] * len(shape), tf.float32)] * 2
    for signature in (None, unknown, [tf.TensorSpec(None, tf.float32)] * 2):
        graph = tf.function(lambda x, upstream: both(x, upstream, -2), input_signature=signature)
        for found, exact in zip(graph(tf.constant(x), upstream), expected, strict=True):
            scale = np.spacing(np.abs(exact).max(initial=1e-3))
            assert np.abs(found - exact).max(initial=0.0) < 4 * scale
