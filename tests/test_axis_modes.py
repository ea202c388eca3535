"""Formulas over any axis, masked or not, against the same vectors one by one and against differences.

All in float64, where a difference has digits to spare: what is tested is not rounding but that sums run over
the right entries, that every gradient is there, and that gradients are differentiated as well.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

SHAPE, AXIS = (3, 4, 2), 1
# formula: its inputs, and its parameters, a vector where they have an index
FORMULAS = {
    "tanh(Mean(x[j],j))": ("x", ""),
    "x[i]*sin(Sum(x[j],j))": ("x", ""),
    "a[i]*log(1+exp(Mean(b[j],j)))": ("ab", ""),
    "Sum(tanh(a[j]),j)*Mean(b[j],j)": ("ab", ""),
    "x[i]*ReduceMax(exp(x[j]),j)": ("x", ""),
    "ReduceMin(x[j],j)+ReduceMax(x[j]^2,j)*w": ("x", "w"),
    "g[i]*x[i]/sqrt(Mean(x[j]^2,j)+1)+w": ("x", "gw"),
    "tanh(g[i]*Sum(a[j]*b[j],j))": ("ab", "g"),
    "Mean(g[j]*exp(x[j]),j)/Sum(exp(x[j]),j)": ("x", "g"),
    "Sum(exp(x[m])/Sum(exp(x[j]),j)*Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j),m)": ("x", ""),
    "ReduceMax(Max(0,-x[j]^2),j)+Sum(x[j]^2,j)": ("x", ""),
    "Sum(exp(abs(x[j])-sqrt(x[j]^2)),j)+Mean(x[j]^2,j)": ("x", ""),
    "w*Sum(exp(x[m])/Sum(exp(x[j]),j),m)": ("x", "w"),
    "Sum(x[j]-Mean(x[k],k)+w,j)": ("x", "w"),
    "tanh(Sum(exp(-(a[j]-Sum(abs(b[k]),k))^2),j)+Mean(b[j],j))": ("ab", ""),
}
_random = np.random.default_rng(0)
_MASK = _random.random(SHAPE) < 0.6
_MASK[:, 2:] = True
_MASK[0, :2] = False


@pytest.fixture(params=FORMULAS)
def case(request, compiled):
    """The activation and its arguments."""
    inputs, parameters = FORMULAS[request.param]
    activation = compiled(
        request.param,
        name="over_axis",
        inputs=tuple(inputs),
        params=dict.fromkeys(parameters, 0.7),
        trainable=tuple(parameters),
        ties="first",
    )
    random = np.random.default_rng(1)
    arguments = {name: random.normal(size=SHAPE) for name in inputs}
    arguments |= {name: random.normal(size=SHAPE[AXIS] if name == "g" else ()) for name in parameters}
    return activation, arguments


def _value(activation, arguments, mask=None):
    return activation(**{k: tf.convert_to_tensor(v) for k, v in arguments.items()}, axis=AXIS, mask=mask)


def _vectors(argument):
    return np.moveaxis(argument, AXIS, -1).reshape(-1, SHAPE[AXIS])


@pytest.mark.parametrize("mask", [None, _MASK], ids=["whole", "masked"])
def test_every_vector_is_computed_by_itself(mask, case):
    activation, arguments = case
    keeps = _vectors(np.ones(SHAPE, bool) if mask is None else mask)
    keeps_axis = activation.formula.keeps_axis
    y = _value(activation, arguments, mask).numpy()
    results = _vectors(y) if keeps_axis else y.ravel()
    vectors = {k: _vectors(v) for k, v in arguments.items() if np.ndim(v) == len(SHAPE)}
    for at, (result, keep) in enumerate(zip(results, keeps, strict=True)):
        own = {k: v[at][keep] for k, v in vectors.items()}
        own |= {k: v[keep] if np.ndim(v) else v for k, v in arguments.items() if k not in vectors}
        expected = activation(**{k: tf.convert_to_tensor(v) for k, v in own.items()})
        np.testing.assert_allclose(result[keep] if keeps_axis else result, expected, rtol=1e-12)
        assert not keeps_axis or not result[~keep].any()


def _gradients(activation, arguments, upstream, mask):
    """The gradients by all arguments, as functions of these and of ``upstream``."""
    tensors = {k: tf.convert_to_tensor(v) for k, v in arguments.items()}
    with tf.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        y = _value(activation, tensors, mask)
    return tape.gradient(y, tensors, upstream)


def _along(function, arguments, direction, step=1e-5):
    """The derivative of ``function`` along ``direction``, by a difference."""
    sides = [function({k: v + sign * step * direction[k] for k, v in arguments.items()}) for sign in (1, -1)]
    return (sides[0] - sides[1]) / (2 * step)


@pytest.mark.parametrize("mask", [None, _MASK], ids=["whole", "masked"])
def test_gradients_and_theirs_are_those_of_differences(mask, case):
    activation, arguments = case
    random = np.random.default_rng(2)
    upstream = random.normal(size=_value(activation, arguments).shape)
    direction = {k: random.normal(size=np.shape(v)) for k, v in arguments.items()}
    weights = {k: tf.constant(random.normal(size=np.shape(v))) for k, v in arguments.items()}

    def scalar(moved):
        return tf.reduce_sum(_value(activation, moved, mask) * upstream)

    def weighted(moved):
        """A function of the gradients, and of the upstream that they are of."""
        given = {k: v for k, v in moved.items() if k in arguments}
        gradients = _gradients(activation, given, moved["upstream"], mask)
        return tf.add_n([tf.reduce_sum(gradients[k] * weights[k]) for k in arguments])

    first = _gradients(activation, arguments, upstream, mask)
    total = sum(np.sum(first[k] * direction[k]) for k in arguments)
    assert total == pytest.approx(float(_along(scalar, arguments, direction)), rel=1e-6, abs=1e-8)

    moved = {**arguments, "upstream": upstream}
    direction["upstream"] = random.normal(size=upstream.shape)
    tensors = {k: tf.convert_to_tensor(v) for k, v in moved.items()}
    with tf.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        result = weighted(tensors)
    second = tape.gradient(result, tensors)
    total = sum(np.sum(second[k] * direction[k]) for k in moved)
    assert total == pytest.approx(float(_along(weighted, moved, direction)), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("spec", [[None, 3], [2, None, None, 3]])
def test_shapes_are_known_to_what_comes_after_whatever_was_called_before(spec, case):
    activation, arguments = case
    tensors = {k: np.resize(v, SHAPE[AXIS] if k == "g" else ()) for k, v in arguments.items()}
    inputs = activation.formula.inputs
    for rank in range(1, 4):  # TensorFlow's function forgets the rank
        activation(
            **{
                k: tf.ones((SHAPE[AXIS],) * rank, tf.float64) if k in inputs else v
                for k, v in tensors.items()
            }
        )

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(spec, tf.float64)])
    def shaped(x):
        own = {k: x if k in inputs else np.resize(v, 3 if k == "g" else ()) for k, v in tensors.items()}
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation(**own)
        assert y.shape == (x.shape if activation.formula.keeps_axis else x.shape[:-1])
        assert tape.gradient(y, x).shape == x.shape
        return y

    shaped.get_concrete_function()
