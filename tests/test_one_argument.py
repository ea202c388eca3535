"""Formulas of their input times a parameter: right to a few ULP for every value of that."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import tensorflow as tf

import symact
from symact.convert import to_graph
from symact.graph import const, node, var
from symact.stabilize.carried import carrying
from symact.stabilize.formats import FLOAT32, FORMATS
from symact.stabilize.one_argument import separated_by_argument
from symact.stabilize.rests import ZERO
from symact.stabilize.sampling import sample
from symact.stabilize.score import ulp_error
from symact.stabilize.simulate import simulate
from symact.stabilize.truth import Truth

# Roots that move with the parameter, differences that cancel for small ones, tails of every width.
FORMULAS = (
    "x/(1+exp(-w*x))",
    "x*exp(-w*x**2)",
    "log(cosh(w*x))/w",
    "log(1+exp(w*x))/w",
    "x*tanh(log(1+exp(w*x)))",
    "x*(1+erf(w*x))/2",
    "1/(1+exp(-w*(x-1/2)))",
)
WEIGHTS = (1e-6, 1e-3, 0.3, -1.7, 40.0, 1e6)
BOUND = 4.5
# As for `symact compare`: a zero is right where the truth is below so many of the smallest normal number.
VANISHING = 4


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_every_value_of_the_parameter(formula, dtype, compiled):
    activation = compiled(formula, params={"w": 1.0}, trainable=("w",), order=1)
    fmt = FORMATS[dtype]
    points = sample(fmt, (-np.inf, np.inf), 250, 3)
    points = points[np.abs(points) < 1e30]
    x = tf.constant(points, dtype)
    for weight in WEIGHTS:
        w = tf.fill(x.shape, tf.constant(weight, dtype))
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = activation(x, w=w)
        exact = {sp.Symbol("w", real=True): sp.Rational(float(w[0]))}
        for by, result in zip((None, "x", "w"), (y, *tape.gradient(y, [x, w])), strict=True):
            wanted = activation.formula.expression
            wanted = wanted if by is None else sp.diff(wanted, sp.Symbol(by, real=True))
            high, low = Truth(wanted.subs(exact), "x").at(points)
            found = result.numpy().astype(np.float64)
            errors = ulp_error(found, high, low, fmt)
            errors[(np.abs(high) < VANISHING * fmt.min_normal) & (found == 0.0)] = 0.0
            worst = int(np.argmax(errors))
            assert errors[worst] <= BOUND, (by, weight, points[worst], found[worst], high[worst])


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_branch_is_a_function_of_one_argument(dtype, compiled):
    """Of a continuous ELU, exp(u) - 1 - u·exp(u) with u = x/w, whose terms cancel where x is small."""
    formula = "Piecewise((x, x > 0), (w*(exp(x/w)-1), True))"
    activation = compiled(formula, params={"w": 1.0}, trainable=("w",), order=1)
    fmt = FORMATS[dtype]
    points = -np.logspace(-12, 1.5, 300).astype(fmt.dtype).astype(np.float64)
    for weight in (0.02, 1.7, 40.0):
        w = tf.fill(points.shape, tf.constant(weight, dtype))
        with tf.GradientTape() as tape:
            tape.watch(w)
            y = activation(tf.constant(points, dtype), w=w)
        slope = sp.diff(_parsed("w*(exp(x/w)-1)"), _parsed("w")).subs(_parsed("w"), sp.Rational(float(w[0])))
        truth = Truth(slope, "x").at(points)
        errors = ulp_error(tape.gradient(y, w).numpy().astype(np.float64), *truth, fmt)
        assert errors.max() <= BOUND, (weight, points[errors.argmax()])


@pytest.mark.parametrize(
    ("formula", "factor", "function", "argument"),
    [
        ("x/(1+exp(-w*x))", "x", "1/(1+exp(-t))", "w*x"),
        ("w*exp(-w*x)/(1+exp(-w*x))^2", "w", "exp(-t)/(1+exp(-t))^2", "w*x"),
        ("log(1+exp(w*x))/w", "1/w", "log(1+exp(t))", "w*x"),
        ("asinh(w*x)/w", "x", "asinh(t)/t", "w*x"),
        ("tanh((x-c)/w)", "1", "tanh(t)", "(x-c)/w"),
        ("exp(-x^2/w^2)", "1", "exp(-t^2)", "x/w"),
        ("x*exp(-w*x^2)", "x", "exp(-t)", "w*x^2"),
        ("t*tanh(t*x)", "t", "tanh(t)", "t*x"),
    ],
)
def test_separations(formula, factor, function, argument):
    first = separated_by_argument(_parsed(formula))[0]
    assert sp.simplify(first.factor - _parsed(factor)) == 0
    # The argument's sign is free.
    sign = sp.cancel(first.argument / _parsed(argument))
    assert sign in (1, -1)
    (own,) = first.function.free_symbols
    expected = _parsed(function).xreplace({_parsed("t"): sign * own})
    assert sp.simplify(first.function - expected) == 0


def _parsed(formula):
    return sp.sympify(formula.replace("^", "**"), {name: sp.Symbol(name, real=True) for name in "xwct"})


@pytest.mark.parametrize("formula", ["x + sin(w*x)", "tanh(w*x) + tanh(x)", "x^w", "w*x/(1+x^2)"])
def test_what_is_no_function_of_one_argument(formula):
    assert separated_by_argument(_parsed(formula)) == []


@pytest.mark.parametrize(
    "formula",
    [
        "exp(-t)",
        "exp(-t^2/2)",
        "exp(3*t-1)/(1+exp(t))",
        "1 - 2*t",
        "exp(t)-1",
        "t*exp(-Abs(t))",
        "exp(Max(t,-5))",
        "exp(Min(2*t,3))",
    ],
)
def test_what_rounding_takes_from_the_argument_is_carried(formula):
    """Of arguments that are not numbers of float32, results are as of their roundings, in ULP."""
    points = np.random.default_rng(1).uniform(-6.0, 6.0, 2000)
    rounded = FLOAT32.round(points)
    expression = _parsed(formula)
    graph = to_graph(expression)
    carried = carrying(graph, var("t"), var("rest"))
    values = {"t": rounded, "rest": FLOAT32.round(points - rounded)}

    def worst(graph, at):
        high, low = Truth(expression, "t").at(at)
        return ulp_error(simulate(graph, values, FLOAT32), high, low, FLOAT32).max()

    assert worst(carried, points) <= worst(graph, rounded) + 1.5
    assert worst(graph, points) > 3


@pytest.mark.parametrize("op", ["exp", "expm1"])
@pytest.mark.parametrize("rest", [-0.12, 0.0, 0.12])
def test_what_overflows_or_vanishes_still_does(op, rest):
    limits = {"exp": (0.0, np.inf), "expm1": (-1.0, np.inf)}[op]
    for inside in (var("t"), const(100) * var("t"), var("t") * node("abs", var("t"))):
        carried = carrying(node(op, inside), var("t"), var("rest"))
        values = {"t": np.array([-np.inf, -3e6, 3e6, np.inf]), "rest": np.array([0.0, rest, rest, 0.0])}
        found = simulate(carried, values, FLOAT32)
        np.testing.assert_array_equal(found, [limits[0], limits[0], limits[1], limits[1]])
    inverse = carrying(node("exp", -(const(1) / node("abs", var("t")))), var("t"), var("rest"))
    assert simulate(inverse, {"t": np.zeros(1), "rest": np.zeros(1)}, FLOAT32) == 0.0


def test_without_a_rest_nothing_is_carried():
    graph = node("exp", -var("t")) * (const(1) + var("t"))
    assert carrying(graph, var("t"), ZERO) is graph


def test_defaults_have_forms_of_their_own_unless_all_parameters_are_trained():
    trained = symact.compile("x/(1+exp(-w*x))", params={"w": 1.0}, trainable=("w",), order=1)
    fixed = symact.compile("x/(1+exp(-w*x))", params={"w": 1.0}, order=1)
    assert "at_defaults" not in trained.source
    assert "at_defaults" in fixed.source
