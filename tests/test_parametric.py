"""Elementwise formulas with parameters, at values of these that no default is near."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import tensorflow as tf

import symact
from symact.graph import var
from symact.parse import parse
from symact.stabilize.divided import divided
from symact.stabilize.exponential_families import families_of
from symact.stabilize.formats import FLOAT32
from symact.stabilize.rests import small
from symact.stabilize.simulate import simulate

# Formula: defaults; other values; the domain. Two exponents with parameters of their own; powers less 1 on
# either side of 0; powers of 0.
CASES = {
    "lo + (log(1+exp(c*(x-lo))) - log(1+exp(c*(x-hi))))/c": (
        {"lo": -1.0, "hi": 2.0, "c": 8.0},
        {"lo": -3.5, "hi": 0.25, "c": 1.75},
        None,
    ),
    "Piecewise((((x+1)**r-1)/r, x >= 0), (-((1-x)**(2-r)-1)/(2-r), True))": ({"r": 0.75}, {"r": 1.3}, None),
    "log((1+exp(s*x))/(1+exp(s*(x-c))))/s": ({"s": 2.0, "c": 1.5}, {"s": 0.75, "c": 4.0}, None),
    "(x**r - 1)/r": ({"r": 0.25}, {"r": 0.6}, (0, "oo")),
    "x**h/(c**h + x**h)": ({"h": 2.5, "c": 1.5}, {"h": 1.25, "c": 0.3}, (0, "oo")),
    "x/(1 + Abs(x)**k)**(1/k)": ({"k": 1.5}, {"k": 3.0}, None),
    # Several exponentials, of which only some hold a parameter; differences that vanish with x.
    "(exp(a*x)-exp(-x))/(exp(a*x)+exp(-x))": ({"a": 1.0}, {"a": 0.3}, None),
    "log(1+a*exp(x))-log(1+a)": ({"a": 1.0}, {"a": 0.3}, None),
    "log(1+exp(a*x))-log(1+exp(-x))": ({"a": 1.0}, {"a": 0.5}, None),
    "x*(1-exp(-a*x))/(1+exp(-x))": ({"a": 1.0}, {"a": 0.3}, None),
    "log(cosh(a*x))-log(cosh(x))": ({"a": 2.0}, {"a": 0.5}, None),
    "1/(1+exp(-a*x))-1/(1+exp(-x))": ({"a": 2.0}, {"a": 0.5}, None),
    "log(1+exp(x)+exp(a*x))": ({"a": 0.5}, {"a": 1.75}, None),
    "(1-exp(-a*x))/(1+exp(-a*x)+exp(-x))": ({"a": 2.0}, {"a": 1.25}, None),
    "erf(a*x)-erf(x)": ({"a": 2.0}, {"a": 0.5}, None),
    "exp(-a*x^2)-exp(-x^2)": ({"a": 2.0}, {"a": 0.5}, None),
    "1 - (1 - x**p)**q": ({"p": 1.5, "q": 2.5}, {"p": 2.25, "q": 1.25}, (0, 1)),
}
MAGNITUDES = [0.0, 1e-30, 1e-9, 3e-4, 0.02, 0.3, 0.999, 1.001, 2.6, 7.0, 30.0, 101.0, 1e3, 2e5, 1e10]
BOUND = 4.0
# What is below the normal range may be 0.
VANISHING = 2.0**-126


def _points(domain):
    positive = np.array([m for m in MAGNITUDES if domain != (0, 1) or m < 1], np.float32)
    return positive if domain else np.concatenate([-positive[:0:-1], positive])


def _exact(expression, point):
    """The expression at exact numbers; its limit from the right where it has no value, NaN if it has none."""
    symbols = sorted(expression.free_symbols, key=str)
    function = sp.lambdify(symbols, expression, "mpmath")
    with mp.workdps(120):
        values = [mp.mpf(float(point[symbol.name])) for symbol in symbols]
        if point["x"] == 0:
            values = [
                v if s.name != "x" else mp.mpf(10) ** -700 for s, v in zip(symbols, values, strict=True)
            ]
        return mp.mpf(function(*values))


# Formulas, and one of what they are divided through by their exponentials.
DIVIDED = {
    "(exp(a*x)-exp(-x))/(exp(a*x)+exp(-x))": "(exp(x*(a+1))-1)/(exp(x*(a+1))+1)",
    "(3*exp(a*x)-exp(2*x))/(exp(a*x)+exp(2*x))": "(3*exp(x*(a-2))-1)/(exp(x*(a-2))+1)",
    "exp(a*x+x)/(exp(a*x)+exp(x))^2": "exp(x*(a-1))/(exp(x*(a-1))+1)^2",
}


@pytest.mark.parametrize("formula", DIVIDED)
def test_quotients_are_divided_through(formula):
    found, expected = (parse(f, params={"a": 1.0}).expression for f in (formula, DIVIDED[formula]))
    assert expected in [sp.factor_terms(other) for other in divided(found)]


@pytest.mark.parametrize("which", [0, 1], ids=["defaults", "others"])
@pytest.mark.parametrize("formula", CASES)
def test_values_and_gradients_at_any_parameters(formula, which, compiled):
    params, *others, domain = CASES[formula]
    values = [params, *others][which]
    activation = compiled(formula, params=params, trainable=tuple(params), domain=domain, order=1)
    expression = parse(formula, params=params, trainable=tuple(params), domain=domain).expression
    rounded = {name: np.float32(value) for name, value in values.items()}
    points = _points(domain)
    given = {name: tf.fill(points.shape, value) for name, value in rounded.items()}
    x = tf.constant(points)
    with tf.GradientTape() as tape:
        tape.watch([x, given])
        y = activation(x, **given)
    found = {"value": y, **dict(zip(("x", *values), tape.gradient(y, [x, *given.values()]), strict=True))}
    for what, computed in found.items():
        wanted = expression if what == "value" else sp.diff(expression, sp.Symbol(what, real=True))
        for point, result in zip(points, computed.numpy(), strict=True):
            truth = _exact(wanted, {"x": point, **rounded})
            if abs(truth) > 3e38:
                continue
            # A parameter's gradient is of terms that are of the value over the parameter.
            of_terms = _exact(expression, {"x": point, **rounded}) / values[what] if what in values else 0.0
            size = max(abs(float(truth)), abs(float(of_terms)))
            ulp = float(np.spacing(np.float32(size)))
            off = abs(float(mp.mpf(float(result)) - truth))
            assert off <= BOUND * ulp + VANISHING, (what, point, result, truth)


@pytest.mark.parametrize("hi", [2.0, 5.0])
def test_a_limit_that_depends_on_a_parameter_is_not_that_of_the_defaults(hi, compiled):
    activation = compiled(next(iter(CASES)), params={"lo": -1.0, "hi": 2.0, "c": 8.0}, trainable=("hi",))
    np.testing.assert_array_equal(activation(tf.constant([np.inf, 1e20, -np.inf]), hi=hi), [hi, hi, -1.0])


def test_no_slope_in_any_variable_where_a_power_is_rectified(compiled):
    formula = "Piecewise((x, x > 0), (a*(Max(1+(1-t)*x, 0)**(1/(1-t)) - 1), True))"
    activation = compiled(formula, params={"a": 1.25, "t": 0.75}, trainable=("a", "t"), order=1)
    x, t = tf.constant([-5.0, -1e3, -1e30]), tf.fill([3], 0.75)
    with tf.GradientTape() as tape:
        tape.watch([x, t])
        y = activation(x, t=t)
    np.testing.assert_array_equal(y, np.full(3, -1.25))
    np.testing.assert_array_equal(tape.gradient(y, [x, t]), np.zeros((2, 3)))


def test_a_power_of_what_vanishes_at_the_end_of_the_domain(compiled):
    activation = compiled(
        "1 - (1 - x**p)**q", params={"p": 1.5, "q": 2.5}, trainable=("p", "q"), domain=(0, 1), order=1
    )
    x, q = tf.constant([1.0]), tf.constant([2.5])
    with tf.GradientTape() as tape:
        tape.watch([x, q])
        y = activation(x, q=q)
    np.testing.assert_array_equal(tf.concat([y, *tape.gradient(y, [x, q])], 0), [1, 0, 0])


def test_each_side_of_0_is_chosen_for_itself():
    """In float64 one side overflows at 1e246 whatever is done, and the other has digits to win."""
    formula = next(f for f in CASES if f.startswith("Piecewise"))
    activation = symact.compile(formula, params={"r": 0.75}, trainable=("r",), order=1)
    x = tf.constant([1e-30, -1e-30, 1e-12], tf.float64)
    np.testing.assert_allclose(activation(x, r=tf.constant(1.3, tf.float64)), x, rtol=1e-11)


@pytest.mark.slow  # compiles for half a minute, as does the next of its kind among the cases
def test_far_from_0_where_digits_are_lost_next_to_it():
    """Both ends count more than what vanishes, in float64 as well."""
    activation = symact.compile(
        "(log(1+exp(s*(x-t))) - log(1+exp(-s*(x+t))))/s",
        params={"s": 3.0, "t": 0.5},
        trainable=("s", "t"),
        order=1,
    )
    for dtype in (tf.float32, tf.float64):
        x = tf.constant([-1e30, -2e4, -60.0, 60.0, 2e4, 1e30], dtype)
        np.testing.assert_allclose(activation(x), x - tf.sign(x) / 2, rtol=1e-7)


@pytest.mark.parametrize("r", [0.5, 0.75])
def test_a_power_of_what_vanishes_exponentially(r, compiled):
    activation = compiled("(log(1+exp(x))**r - 1)/r", params={"r": 0.5}, trainable=("r",), order=1)
    x, given = tf.constant([-200.0, -1e3, -2e4, -1e30]), tf.fill([4], r)
    with tf.GradientTape() as tape:
        tape.watch([x, given])
        y = activation(x, r=given)
    slopes = tape.gradient(y, [x, given])
    np.testing.assert_allclose(
        tf.stack([y, *slopes]), np.outer([-1 / r, 0, 1 / r**2], np.ones(4)), 1e-6, 1e-30
    )


def test_a_branch_that_begins_at_a_parameter(compiled):
    formula = "Piecewise((c*sin(x/c), Abs(x) < pi*c), (0, True))"
    activation = compiled(formula, params={"c": 1.5}, trainable=("c",), order=1)
    x = tf.constant([-1e30, -5.0, -4.5, 1e-20, 1.5, 4.5, 5.0])
    np.testing.assert_allclose(activation(x), np.where(np.abs(x) < 4.7, 1.5 * np.sin(x / 1.5), 0), rtol=1e-5)


@pytest.mark.parametrize(
    ("exponents", "found"), [((2, "1/3"), 1), (("12/5", "1/3"), 2), ((24, 1), 2), ((9,), 1)]
)
def test_exponentials_are_no_high_powers_of_a_common_one(exponents, found):
    # Of powers 36 and 5 SymPy's factoring does not end.
    x = sp.Symbol("x", real=True)
    total = sp.Add(*(sp.exp(sp.Rational(e) * x) for e in exponents))
    assert len(families_of(total, "x", 1.0)) == found


# Quotients of two that vanish at 0: the limit of the value there, and of its slope, at w = 1.25.
REMOVABLE = {
    "sin(w*x)/x": (1.25, 0.0),
    "(1-cos(w*x))/x": (0.0, 1.25**2 / 2),
    "x/(exp(w*x)-1)": (0.8, -0.5),
    "sin(5*x/4)/x": (1.25, 0.0),
    "sin(x)^2/x^2": (1.0, 0.0),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("formula", REMOVABLE)
def test_the_limit_where_it_is_0_over_0(formula, jit, compiled):
    parameters = {"w": 1.25} if "w" in formula else {}
    activation = compiled(formula, params=parameters, trainable=tuple(parameters), order=1)
    x = tf.constant([0.0, -0.0, 1e-30])

    @tf.function(autograph=False, jit_compile=jit)
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation(x)
        return y, tape.gradient(y, x)

    for found, limit in zip(both(x), REMOVABLE[formula], strict=True):
        np.testing.assert_allclose(found, [limit] * 3, rtol=4e-7, atol=2e-30)


def test_far_outside_a_bound_there_is_room_for_parameters(compiled):
    """x/sqrt(1+a·x²) was 0 where a·x² overflows."""
    activation = compiled("x/sqrt(1+a*x^2)", params={"a": 1.2}, trainable=("a",), order=1)
    for a in (1e-6, 1e3, 1e9):
        y = activation(tf.constant([1e15, -1e30]), a=tf.constant(a))
        np.testing.assert_allclose(y, np.array([1, -1]) / np.sqrt(np.float32(a)), rtol=4e-7)


def test_a_huge_exponent_leaves_the_slope_of_a_softplus(compiled):
    softplus = compiled("log(1+exp(b*(x-t)))/b", params={"b": 2.0, "t": 0.5}, trainable=("b", "t"), order=1)
    x = tf.constant([1e3, 1e6, 1e9])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = softplus(x, b=30.0, t=0.7)
    np.testing.assert_array_equal(tape.gradient(y, x), np.ones(3))


def test_the_rounding_errors_of_huge_exponents_are_left_out():
    """Beside a bounded exponential one of -0.99 was a hundredth of it: a softplus's slope was off."""
    rests = np.array([-0.99, 3.0, np.inf, np.nan, 2.0**-10])
    found = simulate(small(var("r")), {"r": rests}, FLOAT32)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 2.0**-10])
