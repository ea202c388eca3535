"""Elementwise formulas of two inputs that do not separate into functions of one variable each."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import tensorflow as tf

from symact.parse import parse

# Gates with a parameter in them; functions of sums, differences and products; sums of exponentials of both.
CASES = {
    # exponents of one input that differ by a parameter
    "a*(exp(w*b)-exp(-b))/(exp(w*b)+exp(-b))": {"w": 1.0},
    "tanh(w*a)/(1+exp(-(b+c)))": {"w": 1.25, "c": -0.5},
    "a*b/(1+exp(-beta*b))": {"beta": 1.5},
    "a*Piecewise((b, b>0), (s*(exp(b)-1), True))": {"s": 1.125},
    "a/(1+exp(-(a+b)))": {},
    "log(exp(a)+exp(b))": {},
    "log(1+exp(k*(a-b)))/k": {"k": 2.0},
    "tanh(a*b)": {},
    "exp(a)/(exp(a)+exp(b))": {},
    "(a*exp(s*a)+b*exp(s*b))/(exp(s*a)+exp(s*b))": {"s": 1.25},
    # powers of gates, one of them smaller than the gate's slope vanishes
    "a/(1+exp(-s*b))^p": {"s": 1.5, "p": 0.75},
    "b*log(1+exp(-a))/(1+exp(a))^g": {"g": 1.5},
    "(1/(1+exp(a*b)))^g*log(1+exp(-a*b))": {"g": 0.75},
    "b+(v+1)/2*log(1+a^2*exp(-2*b)/v)": {"v": 4.0},
}
# Short enough for products of two to be exact.
NUMBERS = [-1e30, -2e4, -130.0, -9.5, -3.25, -(2.0**-40), 2.0**-84, 0.3125, 2.5, 88.0, 1e3, 1e15]
BOUND = 4.0
# What is below the normal range may be 0.
VANISHING = 2.0**-126


@pytest.mark.parametrize("formula", CASES)
def test_values_and_gradients(formula, compiled):
    params = CASES[formula]
    options = {"inputs": ("a", "b"), "params": params, "trainable": tuple(params)}
    activation, expression = compiled(formula, order=1, **options), parse(formula, **options).expression
    grid = np.array([*itertools.product(NUMBERS, repeat=2)], np.float32)
    a, b = tf.constant(grid[:, 0]), tf.constant(grid[:, 1])
    given = {name: tf.fill(a.shape, value) for name, value in params.items()}
    with tf.GradientTape() as tape:
        tape.watch([a, b, given])
        y = activation(a, b, **given)
    found = {"value": y, **tape.gradient(y, {"a": a, "b": b, **given})}
    symbols = sorted(expression.free_symbols, key=str)
    for what, computed in found.items():
        wanted = expression if what == "value" else sp.diff(expression, sp.Symbol(what, real=True))
        function, value = (sp.lambdify(symbols, e, "mpmath") for e in (wanted, expression))
        for row, result in zip(grid, computed.numpy(), strict=True):
            point = {"a": row[0], "b": row[1], **params}
            with mp.workdps(120):
                numbers = [mp.mpf(float(point[s.name])) for s in symbols]
                truth = mp.mpf(function(*numbers))
                # A parameter's gradient is of terms that are of the value over the parameter.
                terms = abs(mp.mpf(value(*numbers)) / point[what]) if what in params else 0
                if max(abs(truth), terms) > 3e38:
                    continue
                ulp = float(np.spacing(np.float32(max(abs(truth), terms))))
                off = abs(mp.mpf(float(result)) - truth)
            assert off <= BOUND * ulp + VANISHING, (what, row, result, float(truth))


def test_zero_times_what_overflows_is_zero(compiled):
    """A gate of huge slope that is shut: the truth is what stands beside it."""
    formula = "Piecewise((d*(Abs(a)-d/2), Abs(a)>d), (a^2/2, True))*exp(-b) + b"
    a, b = tf.zeros(3), tf.constant([-1e4, -800.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([a, b])
        y = compiled(formula, inputs=("a", "b"), params={"d": 0.75})(a, b)
        z = compiled("b[i]*exp(a[i]) + Mean(b[j],j)", inputs=("a", "b"))(-b, a)
    np.testing.assert_array_equal(y, b)
    np.testing.assert_array_equal(tape.gradient(y, [a, b]), [[0, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(z, a)
    np.testing.assert_array_equal(tape.gradient(z, b), [0, 0, 0])


def test_a_difference_of_gates_vanishes_with_its_input(compiled):
    formula = "a/(1+exp(-w*b))-a/(1+exp(-b))"
    activation = compiled(formula, inputs=("a", "b"), params={"w": 2.0}, trainable=("w",), order=1)
    b = tf.constant([1e-30, -1e-9, 1e-3, 40.0])
    with mp.workdps(80):
        points = map(mp.mpf, b.numpy().tolist())
        exact = [3 * (1 / (1 + mp.exp(-2 * t)) - 1 / (1 + mp.exp(-t))) for t in points]
    np.testing.assert_allclose(activation(tf.fill([4], 3.0), b), np.array(exact, float), rtol=4e-7)


def test_sigmoids_that_are_both_1(compiled):
    """The likelihood of an interval of a logistic distribution, far from it: |x| - log(2·sinh(d))."""
    formula = "Sum(-log(1/(1+exp(-(x[j]+d))) - 1/(1+exp(-(x[j]-d)))), j)"
    activation = compiled(formula, params={"d": 0.5}, trainable=("d",), order=1)
    x = tf.constant([[-1e4], [-60.0], [60.0], [1e4], [1e30]])
    for d in (0.5, 2.0):
        given = tf.constant(d)
        with tf.GradientTape() as tape:
            tape.watch([x, given])
            y = activation(x, d=given)
        slope, by_d = tape.gradient(y, [x, given])
        np.testing.assert_allclose(y, np.abs(x[:, 0]) - np.log(2 * np.sinh(d)), rtol=1e-6)
        np.testing.assert_allclose(slope, np.sign(x), rtol=1e-6)
        np.testing.assert_allclose(by_d, -5 / np.tanh(d), rtol=1e-6)


def test_a_parameter_may_have_any_name(compiled):
    """What is of no variable has a key of its own, which no name can be."""
    options = {"inputs": ("a", "b"), "params": {"constant": 1.5, "p": 0.75}, "trainable": ("constant", "p")}
    activation = compiled("a/(1+exp(-constant*b))^p + constant*log(1+exp(b))", order=1, **options)
    a, b = tf.constant([1.0, 1.0]), tf.constant([1e3, -1e3])
    with tf.GradientTape() as tape:
        tape.watch(b)
        y = activation(a, b)
    np.testing.assert_allclose(y, [1501, 0])
    np.testing.assert_allclose(tape.gradient(y, b), [1.5, 0])


def test_a_residual_of_0_takes_no_part(compiled):
    """Student's likelihood with a logarithmic scale, of which the exponential overflows."""
    a, b = tf.zeros(4), tf.constant([-1e4, -360.0, -1e-30, 2.0])
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        y = compiled("b+(v+1)/2*log(1+a^2*exp(-2*b)/v)", inputs=("a", "b"), params={"v": 4.0})(a, b)
    np.testing.assert_array_equal(y, b)
    np.testing.assert_array_equal(tape.gradient(y, [a, b]), [[0] * 4, [1] * 4])


def test_a_quotient_of_sums_of_exponentials_in_a_logarithm(compiled):
    """A log-likelihood ratio: about the smaller of both, with the sign of their product."""
    a, b = (np.float32(column) for column in zip(*itertools.product(NUMBERS, repeat=2), strict=True))
    a, b = (np.where(np.abs(t) < 1, 2.5, t) for t in (a, b))
    tensors = [tf.constant(a), tf.constant(b)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = compiled("log((1+exp(a+b))/(exp(a)+exp(b)))", inputs=("a", "b"), order=1)(*tensors)
    with mp.workdps(80):
        pairs = [(mp.mpf(float(p)), mp.mpf(float(q))) for p, q in zip(a, b, strict=True)]
        exact = [mp.log(1 + mp.exp(p + q)) - mp.log(mp.exp(p) + mp.exp(q)) for p, q in pairs]
    np.testing.assert_allclose(y, np.float64(exact), rtol=1e-6)
    assert np.isfinite(tape.gradient(y, tensors)).all()


# With both slopes 1 at equal arguments; the second is an input, or a trainable parameter.
TIES = ["Max(a,b)", "Min(a,b)", "Max(a,b,-9)", "Max(3*a,a+2*b)/3", "(Abs(a-b)+a+b)/2", "a+Max(b-a,0)"]
SECOND = {"input": {"inputs": ("a", "b")}, "parameter": {"params": {"b": 1.0}, "trainable": ("b",)}}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("formula", TIES)
def test_slopes_at_a_tie_are_a_subgradient(formula, second, compiled):
    """Where each slope had the other's argument for the constant one, both were 0."""
    options = {"inputs": ("a",), **SECOND[second]}
    activation = compiled(formula, **options)
    for value in (-2.5, 0.0, 7.0):
        a = tf.constant([value])
        b = tf.constant(value) if second == "parameter" else tf.constant([value])
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            y = activation(a, b) if second == "input" else activation(a, b=b)
        slopes = [g.numpy().item() for g in tape.gradient(y, [a, b])]
        assert sum(slopes) == pytest.approx(1.0, rel=1e-6), slopes
