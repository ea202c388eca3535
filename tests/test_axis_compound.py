"""Formulas over an axis whose functions have compound arguments, or softmaxes inside of other sums.

Against 300 digits of the formula as written, as in test_axis_parameters.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from axis_truth import Truth, _gradients, check, ulp

ORDINARY = np.random.default_rng(5).normal(size=5)
SIZES = ((1.0, 1.0), (30.0, 1.0), (1e3, 1.0), (1.0, 1e3), (1e15, 1e5), (1e-20, 1e-20))
P, Q = "exp(a[j])/Sum(exp(a[k]),k)", "exp(b[j])/Sum(exp(b[k]),k)"
# Formula of a, or of a and b: its parameters.
FORMULAS = {
    # functions of one compound argument
    "Mean(log(1+exp(-(a[j]-b[j])/T)),j)": {"T": 0.8},
    "s*Mean(log(cosh((a[j]-b[j])/s)),j)": {"s": 0.5},
    "log(1+exp(w*(Sum(a[j],j)-Sum(b[j],j))))": {"w": 0.1},
    "log(1+exp(ReduceMax(a[j],j)-ReduceMax(b[j],j)))": {},
    "a[i]/(1+exp(-(w*Mean(b[j],j)+c)))": {"w": 1.5, "c": 0.2},
    "Mean(1/(exp((a[j]-m)/T)+1),j)": {"T": 0.7, "m": 0.3},
    "g[i]*a[i]/(1+exp(-v[i]*a[i]))/sqrt(Mean((a[j]-Mean(a[k],k))^2,j)+0.00001)": {"g": 1.1, "v": 1.3},
    "a[i]*tanh(log(1+exp(Mean(a[j],j))))": {},
    "log(1+exp(Mean(log(1+exp(a[j])),j)))": {},
    # of 1 and a reduction
    "a[i]*log(1+Mean(Abs(a[j]),j))": {},
    "sign(a[i])*log(1+Abs(a[i]))/log(1+ReduceMax(Abs(a[j]),j))": {},
    # of a norm and of a multiple of it; of a multiple beside 1
    "log(1+exp((m-sqrt(Sum((a[j]-b[j])^2,j)))/T))": {"m": 1.0, "T": 0.2},
    "log(1+exp(-sqrt(Sum(a[j]^2,j))/T))": {"T": 0.5},
    "Sum(log(1+Abs(a[j])/r),j)": {"r": 0.25},
    "sign(a[i])*log(1+r*Abs(a[i]))/sqrt(Sum(log(1+r*Abs(a[j]))^2,j))": {"r": 4.0},
    # functions of one variable in what does not separate
    "Mean(b[j]/(1+exp(-a[j]))^h*log(1+exp(a[j])),j)": {"h": 1.5},
    # sums of exponentials and others
    "Mean((b[j]+r)*log(r+exp(a[j]))-b[j]*a[j],j)": {"r": 2.0},
    "b[i]*exp(a[i])/(r+exp(a[i]))": {"r": 2.0},
    "log(2+Sum(exp(3*a[j]),j)*Sum(exp(-2*b[j]),j))": {},
    # softmaxes inside of other sums
    f"1-Sum(b[j]*{P},j)-Sum(b[j]*log({P}),j)": {},
    f"Sum({P}*(b[j]-Sum({P}*b[j],j))^2,j)": {},
    f"Sum({P}*(a[j]-Sum({P}*a[j],j))^2,j)": {},
    f"log(n)+Sum({P}*log({P}),j)": {},
    "Mean(exp(a[m])/Sum(exp(a[k]),k)+tanh(Mean(a[j],j)),m)": {},
    "-(1-exp(a[i])/Sum(exp(a[j]),j))^g*(a[i]-log(Sum(exp(a[j]),j)))": {"g": 2.0},
    f"1-Sum(sqrt(({P})*({Q})),j)": {},
    f"-log(Sum(sqrt(({P})*({Q})),j))": {},
    f"exp(exp(a[i])/Sum(exp(a[j]),j))/Sum(exp({P}),j)": {},
    "exp(a[i])/sqrt(Mean(exp(2*a[j]),j)-Mean(exp(a[j]),j)^2+1)": {},
    f"Sum({P}*log({P}/({P}+{Q})),j)": {},
    f"log(Sum(({P})^r*({Q})^(1-r),j))/(r-1)": {"r": 0.75},
    "Piecewise((exp(a[i]),a[i]>=ReduceMax(a[j],j)-3),(0,True))"
    "/Sum(Piecewise((exp(a[j]),a[j]>=ReduceMax(a[k],k)-3),(0,True)),j)": {},
    # beside the largest of all, and none of them positive
    "log(exp(a[i])+exp(b[i]))-log(Sum(exp(a[j])+exp(b[j]),j))": {},
    "(Sum(exp(b[j])*Max(a[j]-9,0)^p,j)/Sum(exp(b[j]),j))^(1/p)": {"p": 2.5},
    # several sums of exponentials: of one exponent, in a product, in one logarithm; one beside a number
    "a[i]*(1-Sum(exp(2*a[j]),j)/Sum(exp(a[j]),j)^2)": {},
    "1-Sum(exp((a[j]+b[j])/2),j)/sqrt(Sum(exp(a[j]),j)*Sum(exp(b[j]),j))": {},
    "log(Sum(exp(a[j]/T),j)+Sum(exp((b[j]+m)/T),j))-log(Sum(exp(a[j]/T),j))": {"T": 0.25, "m": 0.125},
    "Mean((v+1)/2*log(1+(a[j]-m)^2*exp(-b[j])/v)+b[j]/2,j)": {"v": 4.0, "m": -0.2},
    "sqrt(Mean(a[j]^2,j)-Mean(Abs(a[j]),j)^2+0.0001)": {},
    # roots and powers of compound arguments, less 1; a margin below the largest of all
    "Mean(d^2*(sqrt(1+((a[j]-Mean(a[k],k))/d)^2)-1),j)": {"d": 1.4},
    "Mean((2-r)/r*(((a[j]/c)^2/(2-r)+1)^(r/2)-1),j)": {"r": 0.5, "c": 1.3},
    "Max(a[i]-ReduceMax(a[j],j)+t,0)^2/Sum(Max(a[j]-ReduceMax(a[k],k)+t,0)^2,j)": {"t": 1.25},
    # differences and norms
    "a[i]*exp(-(a[i]-Mean(a[j],j))^2/(2*r^2*(Mean((a[j]-Mean(a[k],k))^2,j)+0.00001)))": {"r": 2.0},
    "Sum(Max(a[j],0),j)+log(Sum(Abs(exp(a[j])-1),j))": {},
    "sqrt(Mean((a[j]-b[j])^2,j)-r*(Mean(a[j]-b[j],j))^2)": {"r": 0.875},
    "(a[i]-ReduceMin(a[j],j))/(ReduceMax(a[j],j)-ReduceMin(a[j],j)+0.00001)": {},
    "sqrt(Sum(exp(b[j])*a[j]^2,j))": {},
    "a[i]*log(1+sqrt(Sum(a[j]^2,j)))/sqrt(Sum(a[j]^2,j))": {},
    "(sqrt(Sum(a[j]^2,j))-1)^2": {},
    "a[i]*Max(1-t/sqrt(Sum(a[j]^2,j)),0)": {"t": 0.4},
    "g*Max(a[i],0)^p/(0.5+Mean(Max(a[j],0)^p,j))": {"g": 1.1, "p": 0.6},
    "Mean(exp(a[j]),j)": {},
    "a[i]/n": {},
    # divided by the root of a sum that is shifted; beside what is scaled; what vanishes times what overflows
    "log(cosh(a[i]/sqrt(Sum(log(1+exp(a[j])),j))))": {},
    "Mean(Abs(a[j])*log(1+a[j]^2/s),j)/Mean(Abs(a[j]),j)": {"s": 1.3},
    "log(Sum(sqrt(1+(a[j]-Sum(log(cosh(a[k]))*tanh(a[k]),k))^2),j))": {},
    "tanh(a[i]-ReduceMax(a[j]-t,j))": {"t": 0.4},
    "log(1+exp(a[i]/(1+Sum(exp(-Abs(a[j])),j))))": {},
    # functions in the branches of what has its largest term taken out
    "log(1+exp(Mean(tanh(a[k]),k)-log(1+exp(a[i]))))": {},
    # logarithms of means of what is next to 1
    "log(Mean(sqrt(1+a[j]^2),j))": {},
    "a[i]*log(Mean(1/(1+a[j]^2),j))": {},
    "log(Mean(cosh(a[j]),j))": {},
    # a sum of exponentials in the exponents of another, beside a number
    "1/(1+exp(-a[i]))/sqrt(Sum(exp(-(a[j]-Mean(exp(-Abs(a[k])),k))^2),j)+0.001)": {},
    "Mean(log(1+exp(a[j]))*a[j]*tanh(log(1+exp(a[j]))),j)/Mean(1/(1+exp(-a[j])),j)": {},
}
# Beyond this size the value overflows.
LARGEST = {"Mean(exp(a[j]),j)": 30.0, "sqrt(Sum(exp(b[j])*a[j]^2,j))": 30.0}


# They compile for a quarter of a minute.


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_all_gradients(formula, sizes, compiled):
    if max(sizes) > LARGEST.get(formula, np.inf):
        pytest.skip("the value overflows")
    inputs = {
        name: np.float32(size * np.roll(ORDINARY, i))
        for i, (name, size) in enumerate(zip("ab", sizes, strict=True))
        if f"{name}[" in formula
    }
    parameters = {
        k: np.linspace(v, -v, 5, dtype=np.float32) if f"{k}[" in formula else np.float32(v)
        for k, v in FORMULAS[formula].items()
    }
    check(compiled, formula, {"inputs": tuple(inputs)}, inputs, parameters)


@pytest.mark.parametrize("size", [0.3, 1e-3, 1e-8, 1e-20, 1e-30])
def test_hyperbolic_distances(size, compiled):
    """Next to each other, where acosh(1 + u) has no digit of u; and of equal points, with no slope."""
    formula = "acosh(1+2*Sum((a[j]-b[j])^2,j)/((1-Sum(a[j]^2,j))*(1-Sum(b[j]^2,j))))"
    a, b = np.float32([0.9, -0.3, 0.4]) * np.float32(size), np.float32([0.5, 0.8, -0.1]) * np.float32(size)
    check(compiled, formula, {"inputs": ("a", "b")}, {"a": a, "b": b}, {})
    x = tf.constant(a)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled(formula, inputs=("a", "b"))(x, tf.constant(a))
    np.testing.assert_array_equal([y, *tape.gradient(y, x)], np.zeros(4))


def test_a_distance_that_is_rounded_below_0(compiled):
    formula = "acosh(sqrt(1+Sum(a[j]^2,j))*sqrt(1+Sum(b[j]^2,j))-Sum(a[j]*b[j],j))"
    x = tf.constant([[0.3, 0.1], [1e-8, 3e-8], [1e-20, 0.0], [2e3, -7.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled(formula, inputs=("a", "b"))(x, x * (1 + 1e-7))
    assert np.isfinite(y).all()
    assert np.isfinite(tape.gradient(y, x)).all()


def test_equal_elements(compiled):
    formula = "(a[i]-ReduceMin(a[j],j))/(ReduceMax(a[j],j)-ReduceMin(a[j],j)+0.00001)"
    np.testing.assert_array_equal(compiled(formula, inputs=("a",))(np.full(4, 1e30, np.float32)), np.zeros(4))


def test_no_slope_where_a_power_is_rectified(compiled):
    x = tf.constant([-1.0, 0.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled("Sum(Max(x[j],0)^p,j)", params={"p": 0.5})(x)
    np.testing.assert_allclose(tape.gradient(y, x), [0, 0, 0.25])


EXTREMA = {
    "ReduceMax(exp(x[j])*log(cosh(x[j])),j)/Sum(sqrt(1+x[j]^2),j)": lambda x: (
        tf.reduce_max(tf.exp(x) * tf.math.log(tf.cosh(x)), -1) / tf.reduce_sum(tf.sqrt(1 + x**2), -1)
    ),
    "ReduceMin(exp(-x[j])*log(cosh(x[j])),j)*Sum(exp(-x[j])*x[j],j)": lambda x: (
        tf.reduce_min(tf.exp(-x) * tf.math.log(tf.cosh(x)), -1) * tf.reduce_sum(tf.exp(-x) * x, -1)
    ),
}


@pytest.mark.parametrize("formula", EXTREMA)
def test_an_extremum_of_what_is_computed_has_its_gradient(formula, compiled):
    """XLA rounds it differently in the gradient than in the value, from which the extremum is."""
    x = tf.random.normal((500, 5), seed=7)
    gradients = []
    for function, given in ((compiled(formula), x), (EXTREMA[formula], tf.cast(x, tf.float64))):
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = function(given)
        gradients.append(tape.gradient(y, given).numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-4)


def test_a_factor_that_is_0_divides_nothing(compiled):
    x = tf.zeros(4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled("exp(x[i])*log(1+ReduceMin(x[j]*exp(x[j]),j))")(x)
    np.testing.assert_allclose(tape.gradient(y, x), np.ones(4), rtol=1e-6)


def test_beside_what_overflows(compiled):
    x = tf.constant([1e4, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled("Mean(exp(x[j]),j)")(x)
    np.testing.assert_allclose(tape.gradient(y, x), [np.inf, np.e / 2], rtol=1e-6)


def test_a_kink_is_where_it_is(compiled):
    x = tf.constant([-1e-30, 1e-30, 1e-10])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled("Max(exp(x[i])-1,0)")(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1, 1])


def test_an_exponential_in_a_branch_that_is_not_taken(compiled):
    y = compiled("Piecewise((exp(x[i]), x[i] < Mean(x[j],j)), (0, True))")(tf.constant([-1.0, 0.0, 1e3]))
    np.testing.assert_allclose(y, [np.exp(-1), 1, 0], rtol=1e-6)


NORM = "sqrt(Sum(x[j]^2,j))"
# Functions of a norm times a parameter, over that: maps from and to curved spaces, and the like.
OVER_THEIR_ARGUMENT = [
    f"tanh(sqrt(c)*{NORM})*x[i]/(sqrt(c)*{NORM})",
    f"x[i]*atanh(sqrt(c)*{NORM})/(sqrt(c)*{NORM})",
    f"sin(c*{NORM})*x[i]/(c*{NORM})",
    f"x[i]*asinh(c*{NORM})/(c*{NORM})",
]


@pytest.mark.parametrize("size", [0.3, 1e-2, 1e-3, 1e-8, 1e-20])
@pytest.mark.parametrize("formula", OVER_THEIR_ARGUMENT)
def test_functions_over_their_argument(formula, size, compiled):
    options = {"params": {"c": 0.7}, "trainable": ("c",)}
    x, c = np.float32(size * ORDINARY / np.linalg.norm(ORDINARY)), np.float32(0.9)
    activation = compiled(formula, name="over_axis", **options)
    upstream = np.float32(np.random.default_rng(2).normal(size=len(x)))
    y, gradients = _gradients(activation, {"x": x}, {"c": c}, upstream)
    value, exact = Truth(formula, **options)({"x": x, "c": c}, upstream, 300)
    assert ulp(y, value) < 4
    # The gradient by c is a difference of two that are nearly equal, of which it has all digits.
    for name, (gradient, _) in exact.items():
        assert ulp(gradients[name], gradient) < 6, name


@pytest.mark.parametrize("formula", OVER_THEIR_ARGUMENT)
def test_functions_over_their_argument_at_zero(formula, compiled):
    activation = compiled(formula, name="over_axis", params={"c": 0.7}, trainable=("c",))
    y, gradients = _gradients(
        activation, {"x": np.zeros(3, np.float32)}, {"c": np.float32(0.7)}, np.ones(3, np.float32)
    )
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_array_equal(gradients["x"], 1)
    assert gradients["c"] == 0


@pytest.mark.parametrize("formula", ["a[i]/(1+exp(-b[i]))/sqrt(Mean((a[j]/(1+exp(-b[j])))^2,j)+0.001)"])
def test_backward_computes_no_sum_that_the_value_has(formula, compiled):
    source = compiled(formula, name="over_axis", inputs=("a", "b")).source
    for name in ("float32", "float64"):
        gradient = source.partition(f"def _gradient_{name}(")[2].partition("\n\n\n")[0]
        assert gradient.count("_sum(") == 1


def test_an_entropy_is_no_difference_of_the_largest_element(compiled):
    entropy = "log(Sum(exp(x[j]),j))-Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)"
    for huge in (1e30, 3e38):
        x = tf.constant([[huge, -huge, 0.0], [huge, huge, huge]], tf.float32)
        np.testing.assert_allclose(compiled(entropy, name="over_axis")(x), [0.0, np.log(3.0)], rtol=3e-7)
