"""What is chosen is cheap as well: few regimes, one call of a kernel, and nothing wider than it must be."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symact.derive import differentiate
from symact.grammar import parse_text
from symact.graph import const, node, steps, var
from symact.stabilize import stabilize
from symact.stabilize.formats import FLOAT32, FLOAT64, FORMATS
from symact.stabilize.fractions import multiplied_out
from symact.stabilize.kernels import with_shared_kernels
from symact.stabilize.simulate import simulate

# formula: most regimes of its value and of its derivative, in float32, within 4 ULP; and most exponentials.
CHEAP = {
    "1/(1+exp(-x))": ((1, 1), (1, 1)),
    "x/(1+exp(-x))": ((2, 4), (1, 1)),
    "x*tanh(log(1+exp(x)))": ((3, 5), (1, 1)),
    # The derivative has three regimes on one half of the line, and the same on the other.
    "x*(1+erf(x/sqrt(2)))/2": ((3, 6), (1, 1)),
    "x*(1+erf(x/sqrt(2)))": ((3, 6), (1, 1)),
    "exp(-x**2)": ((2, 2), (1, 1)),
    "x*exp(-x**2/2)": ((3, 3), (1, 1)),
}


@pytest.mark.parametrize("text", CHEAP)
def test_few_regimes_and_exponentials_do(text):
    x = sp.Symbol("x", real=True)
    expression = parse_text(text)
    regimes, exponentials = CHEAP[text]
    primal = None
    for most, calls, function in zip(
        regimes, exponentials, (expression, differentiate(expression, x)), strict=True
    ):
        found = stabilize(function, "x", FLOAT32, derivative=primal is not None, primal=primal)
        primal = expression
        assert len(found.regimes) <= most
        assert sum(n.op == "exp" for n in steps(found.graph)) <= calls
        assert found.excess <= 4.25


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda fmt: fmt.name)
def test_one_point_that_is_not_finite_costs_no_digits_elsewhere(fmt):
    """The removable singularity of sinc, among more roots than there are regimes for."""
    expression = parse_text("sin(x)/(x-3)")
    found = stabilize(expression, "x", fmt)
    assert found.after.mean_bits < 4


def _graphs():
    """Graphs with choices and kernels in them, some used several times."""
    x = var("x")
    leaves = st.sampled_from([x, -x, x * const(2), const(sp.Rational(1, 3))])

    def larger(inner):
        conditions = st.builds(
            lambda a, b, op: node(op, a, b), inner, inner, st.sampled_from(["lt", "ge", "eq"])
        )
        return st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, op: node(op, a), inner, st.sampled_from(["exp", "tanh", "log1p"])),
            st.builds(lambda c, a, b: node("where", c, a, b), conditions, inner, inner),
        )

    return st.recursive(leaves, larger, max_leaves=24)


@given(_graphs())
def test_shared_kernels_give_the_same_numbers(graph):
    points = np.concatenate([np.linspace(-4, 4, 41), [np.inf, -np.inf, np.nan, 0.0, -0.0]])
    shared = with_shared_kernels(graph)
    for fmt in FORMATS.values():
        expected, found = (simulate(g, {"x": points}, fmt) for g in (graph, shared))
        np.testing.assert_array_equal(found, expected)
    kernels, left = (sum(n.op in ("exp", "tanh", "log1p") for n in steps(g)) for g in (graph, shared))
    assert left <= kernels


def test_kernels_of_branches_that_exclude_each_other_are_called_once():
    x = var("x")
    one, other = node("exp", x), node("exp", -x)
    choice = node("where", node("lt", x, const(0)), one * const(3), const(1) / other)
    nested = node("where", node("lt", x, const(-5)), node("exp", x * const(2)), choice)
    assert sum(n.op == "exp" for n in steps(with_shared_kernels(nested))) == 1
    # One that is used outside as well is left alone, and so is what decides the choice.
    assert with_shared_kernels(choice + one) is choice + one
    decided = node("where", node("lt", one, const(2)), one, other)
    assert with_shared_kernels(decided) is decided


def test_powers_are_multiplied_out_where_nothing_cancels():
    t, x = sp.Symbol("t", positive=True), sp.Symbol("x", real=True)
    changed = multiplied_out(x * t / (1 + t) ** 2, {t})
    assert changed != x * t / (1 + t) ** 2
    assert sp.expand(1 / changed * x * t) == sp.expand((1 + t) ** 2)
    for left in (t / (1 - t) ** 2, t / (1 + x) ** 2, (1 + t) ** 2 / x, t / (1 + x * t) ** 2):
        assert multiplied_out(left, {t}) is left
