"""The stabilizer's promise on TensorFlow's real kernels: right to a few ULP, finite wherever truth is."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import tensorflow as tf

import symact
from symact.derive import differentiate, switches
from symact.grammar import parse_text
from symact.graph import walk
from symact.stabilize import stabilize
from symact.stabilize.formats import FLOAT32, FLOAT64, FORMATS
from symact.stabilize.sampling import sample, switch_zeros
from symact.stabilize.score import ulp_error
from symact.stabilize.simulate import simulate
from symact.stabilize.truth import Truth

# formula: worst error in ULP allowed to (value, derivative), float32.
LISTED = {
    "1/(1+exp(-x))": (4, 4),
    "2/(1+exp(-x)) - 1": (4, 5),
    "log(1+exp(x))": (4.5, 4),
    "-log(1+exp(-x))": (4.5, 4),
    "x/(1+exp(-x))": (4, 5),
    "x*tanh(log(1+exp(x)))": (5, 6),
    "x*(1+erf(x/sqrt(2)))/2": (5, 8),
    "x*(1+tanh(sqrt(2/pi)*(x+0.044715*x**3)))/2": (6, 9),
    "Piecewise((x, x > 0), (exp(x)-1, True))": (4, 4),
    "1.0507009873554804934*Piecewise((x, x > 0), (1.6732632423543772848*(exp(x)-1), True))": (4, 4),
    "Max(x, 0) + Min(0, 2*(exp(x/2)-1))": (4, 4),
    "Piecewise((x, x >= 0), (0.1*x, True))": (1, 1),
    "tanh(x)": (4, 5),
    "x/(1+abs(x))": (4, 4),
    "(x+sqrt(x**2+4))/2": (4, 4),
    "Min(Max(x+3, 0), 6)/6": (1.5, 1),
    "x - tanh(x)": (5, 7),
}
# Formulas that no rule of symact was written for.
OTHERS = {
    "exp(-x**2)": (5, 8),
    "log(cosh(x))": (4, 4),
    "x/(exp(x)-1)": (5, 6),
    "x**2/(1+x**2)": (4, 6),
    "(exp(x)-1)/(exp(x)+1)**2": (6, 64),
    "sign(x)*log(1+abs(x))": (5, 4),
    "atan(exp(x))": (5, 6),
    "sqrt(x**4+1)": (4, 6),
    "x*exp(-abs(x))": (4, 5),
}


def _exact(text, compiled):
    activation = compiled(text)
    formula = activation.formula
    derivative = differentiate(formula.expression, formula.symbol("x"))
    return activation, (formula.expression, derivative)


def _kinks(expression, fmt):
    grid = sample(fmt, (-np.inf, np.inf), 300, 5)
    return sorted({z for s in switches(expression) for z in switch_zeros(s, "x", grid, fmt, {})})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("text", [*LISTED, *OTHERS])
def test_value_and_gradient_against_truth(text, dtype, compiled, value_and_gradients):
    fmt = FORMATS[dtype]
    activation, expressions = _exact(text, compiled)
    kinks = _kinks(expressions[0], fmt)
    points = sample(fmt, (-np.inf, np.inf), 2000, 77, around=[0.0, *kinks])
    results = value_and_gradients(activation, points, dtype)
    allowed = {**LISTED, **OTHERS}[text] if fmt is FLOAT32 else (16, 64)
    for result, expression, bound in zip(results, expressions, allowed, strict=False):
        truth, rest = Truth(expression, kinks=frozenset(kinks)).at(points)
        smooth = ~np.isin(points, kinks)  # at kinks any subgradient is right; see test_derive
        assert not np.any(np.isfinite(truth) & (np.abs(truth) < fmt.max) & ~np.isfinite(result))
        # Next to the smallest normal number a factor may be flushed to zero before the result is.
        errors = ulp_error(result, truth, rest, fmt) * smooth * (np.abs(truth) > 4 * fmt.min_normal)
        worst = int(np.argmax(errors))
        assert errors[worst] <= bound, f"{errors[worst]:.3g} ULP at {points[worst]!r}"
    # The second derivative: finite wherever the truth is.
    second = Truth(differentiate(expressions[1], sp.Symbol("x", real=True)), kinks=frozenset(kinks))
    known = np.isfinite(second.at(points)[0])
    assert np.isfinite(results[2][known & ~np.isin(points, kinks)]).all()


@pytest.mark.parametrize(
    "text",
    [
        "x*tanh(log(1+exp(x)))",
        "x*(1+erf(x/sqrt(2)))/2",
        "exp(-x**2)",
        "exp(-x**2/2-x)*x**2",
        "exp(-x**2)+exp(-3*x**2/7)",
        "sinh(x)*exp(-x**2)",
    ],
)
@pytest.mark.parametrize("xla", [False, True])
def test_compilers_do_not_undo_it(text, xla, compiled, value_and_gradient):
    """Grappler and XLA reassociate constants and merge exponentials, and XLA computes what value and gradient
    share once or twice, rounding products before it adds to them or not; the forms must survive all that."""
    activation = compiled(text, jit_compile=False)
    points = sample(FLOAT32, (-np.inf, np.inf), 1500, 7)
    run = value_and_gradient(activation, xla)
    expression = activation.formula.expression
    exact = (expression, differentiate(expression, activation.formula.symbol("x")))
    for result, of in zip(run(tf.constant(points, tf.float32)), exact, strict=True):
        truth, rest = Truth(of).at(points)
        normal = np.abs(truth) > 4 * FLOAT32.min_normal
        errors = ulp_error(result.numpy().astype(np.float64), truth, rest, FLOAT32)[normal]
        assert errors.max() <= 6, f"{errors.max():.3g} ULP at {points[normal][errors.argmax()]!r}"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_formats_are_rounded_once(dtype, compiled, value_and_gradients):
    patterns = np.arange(65536, dtype=np.uint16)
    narrow = tf.bitcast(tf.constant(patterns), dtype)
    wide = tf.cast(narrow, tf.float64).numpy()
    activation = compiled("x*tanh(log(1+exp(x)))")
    result = tf.cast(activation(narrow), tf.float64).numpy()
    truth, _ = Truth(activation.formula.expression).at(wide)
    rounded = tf.cast(tf.cast(tf.constant(truth), dtype), tf.float64).numpy()
    smallest, digits = (2.0**-14, 10) if dtype == "float16" else (2.0**-126, 7)
    normal = np.isfinite(rounded) & (np.abs(rounded) >= smallest)
    same = result[normal] == rounded[normal]
    assert same.mean() >= 0.995
    spacing = 2.0 ** (np.floor(np.log2(np.abs(rounded[normal]))) - digits)
    assert (np.abs(result[normal] - rounded[normal]) <= spacing).all()


ENDS = {
    # formula: values at -inf, inf
    "1/(1+exp(-x))": (0.0, 1.0),
    "x*tanh(log(1+exp(x)))": (0.0, np.inf),
    "x*(1+erf(x/sqrt(2)))/2": (0.0, np.inf),
    "log(1+exp(x))": (0.0, np.inf),
    "tanh(x)": (-1.0, 1.0),
    "x/(1+abs(x))": (-1.0, 1.0),
    "x**2/(1+x**2)": (1.0, 1.0),
    "exp(-x**2)": (0.0, 0.0),
}


@pytest.mark.parametrize("text", ENDS)
def test_limits_at_infinity_and_nan(text, compiled, value_and_gradients):
    value, slope, _ = value_and_gradients(compiled(text), [-np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(value, [*ENDS[text], np.nan])
    assert np.isfinite(slope[:2]).all()


@pytest.mark.parametrize("text", ["tanh(x)", "x - tanh(x)", "x/(1+abs(x))", "2/(1+exp(-x)) - 1"])
def test_odd_functions_keep_the_sign_of_zero(text, compiled, value_and_gradients):
    value, *_ = value_and_gradients(compiled(text), [0.0, -0.0])
    assert not np.signbit(value[0])
    assert value[1] == 0.0


PARAMETRIC = {
    "x/(1+exp(-beta*x))": {"beta": 1.0},
    "Piecewise((x, x > 0), (a*(exp(x)-1), True))": {"a": 1.0},
    "log(1+exp(beta*x))/beta": {"beta": 2.0},
    "Max(x, 0) + a*Min(x, 0)": {"a": 0.25},
    "(x+sqrt(x**2+b))/2": {"b": 4.0},
    "x/sqrt(1+a*x**2)": {"a": 1.0},
}


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("text", PARAMETRIC)
def test_parameters_other_than_the_default_stay_finite(text, scale, compiled, value_and_gradients):
    defaults = PARAMETRIC[text]
    activation = compiled(text, params=defaults)
    given = {name: value * scale for name, value in defaults.items()}
    points = sample(FLOAT32, (-1e18, 1e18), 800, 3)
    value, slope, _ = value_and_gradients(lambda t: activation(t, **given), points)
    for result, expression in ((value, activation.formula.expression), (slope, activation.derivative)):
        expression = expression.xreplace({s: sp.Symbol(s.name, real=True) for s in expression.free_symbols})
        truth, rest = Truth(expression).at(points, **given)
        assert np.isfinite(result[np.isfinite(truth) & (np.abs(truth) < FLOAT32.max)]).all()
        ordinary = (np.abs(points) > 1e-3) & (np.abs(points) < 5) & (points > -1)
        assert ulp_error(result, truth, rest, FLOAT32)[ordinary].max() <= 64


def test_domain_is_where_it_must_be_right(compiled, value_and_gradients):
    activation = compiled("x*log(x)", domain=(0.0, np.inf))
    points = sample(FLOAT32, (0.0, np.inf), 1000, 4)
    value, slope, _ = value_and_gradients(activation, points)
    truth, rest = Truth(activation.formula.expression).at(points)
    assert ulp_error(value, truth, rest, FLOAT32).max() <= 8
    assert np.isfinite(slope).all()


def test_the_same_formula_gives_the_same_graph():
    x = sp.Symbol("x", real=True)
    one, two = (stabilize(x / (1 + sp.exp(-x)), "x", FLOAT64).graph for _ in range(2))
    assert one is two


def test_it_never_gets_worse():
    x = sp.Symbol("x", real=True)
    for expression in (sp.sin(x), sp.sinc(x), sp.exp(sp.exp(x)), x**50, sp.tan(x), sp.floor(x)):
        stable = stabilize(expression, "x", FLOAT32, effort=200)
        assert stable.after.mean_bits <= stable.before.mean_bits + 0.01
        assert sum(1 for _ in walk([stable.graph])) < 2000


ODD = ["tanh(x)", "-atan(x)", "erf(x)", "x*log(1+x**2)", "x - tanh(x)", "sign(x)*log(1+abs(x))"]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_odd_functions_tell_the_zeros_apart(text, fmt):
    stable = stabilize(parse_text(text), "x", fmt)
    zeros = simulate(stable.graph, {"x": np.array([-0.0, 0.0])}, fmt)
    falling = text.startswith("-")
    np.testing.assert_array_equal(np.signbit(zeros), [not falling, falling])
    assert (zeros == 0.0).all()


def test_what_has_no_accurate_form_says_so():
    with pytest.warns(symact.AccuracyWarning, match=r"no accurate form of the value in float64 .* ULP"):
        activation = symact.compile("exp(exp(-x))", order=1)
    assert "no accurate form between" in activation.source


SECOND = [
    "x*tanh(log(1+exp(x)))",
    "x*erf(log(1+exp(x)))",
    "x*tanh(exp(x))",
    "tanh(x)",
    "x*(1+erf(x/sqrt(2)))/2",
]


@pytest.mark.parametrize("text", SECOND)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_second_derivatives_have_their_leading_digits(text, dtype, compiled, value_and_gradients):
    activation = compiled(text)
    points = np.linspace(-6.0, 6.0, 97)
    _, _, second = value_and_gradients(activation, points, dtype)
    (x,) = activation.formula.expression.free_symbols
    truth, _ = Truth(differentiate(differentiate(activation.formula.expression, x), x)).at(points)
    assert np.abs(second - truth).max() <= 1e-4 * np.abs(truth).max()


def test_what_is_chosen_is_judged_between_the_points_that_it_was_chosen_on():
    x = sp.Symbol("x", real=True)
    stable = stabilize(sp.exp(-1 / x), "x", FLOAT32, domain=(0.0, np.inf))
    points = np.unique(FLOAT32.round(np.geomspace(0.012, 1.0, 4000)))
    found = simulate(stable.graph, {"x": points}, FLOAT32)
    worst = ulp_error(found, *Truth(sp.exp(-1 / x)).at(points), FLOAT32).max()
    assert stable.excess >= worst / 4
