"""Graphs: hash-consed, never reordered, and there and back from SymPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sympy as sp

from symact.convert import to_graph, to_sympy
from symact.errors import UnsupportedError
from symact.grammar import parse_text
from symact.graph import const, node, rebuild, var, variables, walk
from symact.ops import OPS
from symact.stabilize.formats import FLOAT64
from symact.stabilize.simulate import simulate

x = var("x")

FORMULAS = [
    "x*tanh(log(1+exp(x)))",
    "x/3 - 2*x**5/7 + x**(-3)",
    "sqrt(x**2+1)/x**(3/2)",
    "Piecewise((x, x > 0), (exp(x), x <= -1), (0.1*x, True))",
    "Max(x, 0, 2*x) - Min(x, 1)",
    "sign(x)*abs(x) + Heaviside(x) + floor(x)",
    "erf(x) + erfc(x) + atan(x)",
    "pi*x + E**x + 2**x",
]


def test_equal_graphs_are_one_object():
    assert (x - 1) * x is (x - 1) * x
    assert len(list(walk([(x + 1) * (x + 1)]))) == 4


def test_nothing_is_evaluated_or_reordered():
    graph = (x - const(1)) - const(2)
    assert repr(graph) == "sub(sub(x, 1), 2)"
    assert variables(graph) == {"x"}
    assert rebuild(graph, {const(1): const(5)}) is (x - const(5)) - const(2)


@pytest.mark.parametrize("text", FORMULAS)
def test_sympy_round_trip(text):
    expression = parse_text(text)
    back = to_sympy(to_graph(expression))
    points = np.array([0.3, 0.7, 1.9, 5.5])
    again = simulate(to_graph(back), {"x": points}, FLOAT64)
    own = simulate(to_graph(expression), {"x": points}, FLOAT64)
    np.testing.assert_allclose(again, own, rtol=1e-13)


@pytest.mark.parametrize("text", FORMULAS)
def test_graphs_compute_what_sympy_means(text):
    expression = parse_text(text)
    for point in (0.3, 1.9):
        expected = float(expression.subs(sp.Symbol("x", real=True), sp.Rational(point)).evalf(30))
        computed = simulate(to_graph(expression), {"x": np.array([point])}, FLOAT64)[0]
        assert computed == pytest.approx(expected, rel=1e-13)


def test_pickling_keeps_identity():
    graph = node("exp", x * x)
    assert pickle.loads(pickle.dumps(graph)) is graph


def test_functions_outside_the_table_are_refused():
    with pytest.raises(UnsupportedError, match="gamma"):
        to_graph(sp.gamma(sp.Symbol("x")))


def test_every_op_names_its_tensorflow_spelling():
    for op in OPS.values():
        assert all(f"{{{i}}}" in op.tensorflow for i in range(op.arity))


def test_an_infinite_constant_stays_infinite():
    assert const(float("-inf")).value is -sp.oo
    assert const(float("inf")) is const(sp.oo)
