"""Exponentials of what is rounded: right to a few ULP, whatever their parameters are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from symact.convert import to_graph
from symact.emit.module import KERNEL_HELPERS
from symact.graph import walk
from symact.stabilize.compensated import compensated
from symact.stabilize.formats import FLOAT32, FORMATS
from symact.stabilize.sampling import sample
from symact.stabilize.score import ulp_error
from symact.stabilize.truth import Truth

# Formula: its parameters' defaults, and other values. Worst error in ULP of value and gradients, where the
# result is well within the normal range. Without compensation all are some 300 ULP off in float64.
CASES = {
    "x/(1+exp(-w*x))": ({"w": 1.0}, {"w": 1.7}, ("value", "w")),
    "1/(1+exp(-(w*x+b)))": ({"w": 1.0, "b": 0.5}, {"w": 0.3, "b": -2.1}, ("value", "x", "w", "b")),
    "exp(-(x-m)**2/(2*s**2))": ({"m": 0.3, "s": 1.5}, {"m": -1.1, "s": 0.7}, ("value", "x", "m", "s")),
    "exp(-x/T)": ({"T": 2.0}, {"T": 0.9}, ("value", "x", "T")),
    "tanh(w*x)": ({"w": 0.5}, {"w": 2.3}, ("value", "x", "w")),
    "1/(1+exp(-x**2/T))": ({"T": 1.7}, {"T": 3.1}, ("value", "x", "T")),
    "exp(-x**4)": ({}, {}, ("value", "x")),
    "exp(-1/x**2)": ({}, {}, ("value", "x")),
    "x*erf(w*x)": ({"w": 0.8}, {"w": 1.9}, ("value", "x", "w")),
}
BOUND = 8.0


@pytest.mark.parametrize("xla", [False, True], ids=["eager", "xla"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", CASES)
def test_values_and_gradients_by_all(formula, dtype, xla, compiled):
    defaults, others, judged = CASES[formula]
    activation = compiled(formula, params=defaults, trainable=tuple(defaults))
    fmt = FORMATS[dtype]
    points = sample(fmt, (-np.inf, np.inf), 500, 3)
    points = points[np.abs(points) < 1e30]
    x = tf.constant(points, dtype)

    @tf.function(autograph=False, jit_compile=xla)
    def run(x, weights):
        with tf.GradientTape() as tape:
            tape.watch([x, weights])
            y = activation(x, **weights)
        return [y, *tape.gradient(y, [x, *weights.values()])]

    for values in (defaults, others):
        weights = {name: tf.fill(x.shape, tf.constant(value, dtype)) for name, value in values.items()}
        exact = {sp.Symbol(n, real=True): sp.Rational(float(w[0])) for n, w in weights.items()}
        found = dict(zip(("value", "x", *values), run(x, weights), strict=True))
        for what in judged:
            wanted = activation.formula.expression
            if what != "value":
                wanted = sp.diff(wanted, sp.Symbol(what, real=True))
            truth, rest = Truth(wanted.subs(exact)).at(points)
            normal = np.abs(truth) > 1e12 * fmt.min_normal
            errors = ulp_error(found[what].numpy().astype(np.float64), truth, rest, fmt) * normal
            worst = int(np.argmax(errors))
            assert errors[worst] <= BOUND, (what, values, errors[worst], points[worst])


def _helpers():
    namespace = {"tf": tf}
    exec("\n".join(KERNEL_HELPERS.values()), namespace)
    return namespace


HELPERS = _helpers()
WIDTHS = {"float32": (tf.float32, 32), "float64": (tf.float64, 64)}


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("dtype", WIDTHS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_rests_are_exact(dtype, mode, data):
    """The emitted helpers, whatever Grappler and XLA make of them."""
    kind, width = WIDTHS[dtype]
    numbers = st.floats(-1e5, 1e5, width=width).filter(lambda v: v == 0 or abs(v) > 1e-5)
    one, other = (tf.constant(data.draw(st.lists(numbers, min_size=32, max_size=32)), kind) for _ in range(2))
    product, product_rest, total, total_rest = _rests(mode)(one, other)
    for a, b, p, r, s, q in zip(
        *(t.numpy().tolist() for t in (one, other, product, product_rest, total, total_rest)), strict=True
    ):
        assert Fraction(p) + Fraction(r) == Fraction(a) * Fraction(b)
        assert Fraction(s) + Fraction(q) == Fraction(a) + Fraction(b)


def _rests(mode):
    def rests(a, b):
        product = HELPERS["_rounded"](a * b)
        total = HELPERS["_rounded"](a + b)
        return (
            product,
            HELPERS["_rest_of_product"](a, b, product),
            total,
            HELPERS["_rest_of_sum"](a, b, total),
        )

    return (
        rests
        if mode == "eager"
        else _COMPILED.setdefault(mode, tf.function(rests, autograph=False, jit_compile=mode == "xla"))
    )


_COMPILED = {}


def test_only_what_is_rounded_is_compensated():
    x = sp.Symbol("x", real=True)
    for exact in (sp.exp(x), sp.exp(-2 * x), sp.exp(sp.Abs(x) / 4), sp.tanh(x * sp.pi)):
        graph = to_graph(exact)
        assert compensated(graph, FLOAT32) is graph
    once = compensated(to_graph(sp.exp(x * sp.pi)), FLOAT32)
    assert any(n.op == "rest_of_product" for n in walk([once]))
    assert compensated(once, FLOAT32) is once
