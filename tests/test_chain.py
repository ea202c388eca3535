"""Growth: long compositions are cut into links, and cost what their links cost."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from symact.chain import links
from symact.compiler import translate
from symact.convert import to_graph
from symact.graph import walk
from symact.parse import parse
from symact.stabilize.formats import FLOAT32
from symact.stabilize.score import ulp_error
from symact.stabilize.simulate import cost, simulate
from symact.stabilize.truth import Truth

X = sp.Symbol("x")
STEPS = {
    "silu": lambda u: u / (1 + sp.exp(-u)),
    "sine": lambda u: sp.sin(u) + u / 2,
    "mish": lambda u: u * sp.tanh(sp.log(1 + sp.exp(u))),
}


def composed(step, times):
    expression = X
    for _ in range(times):
        expression = step(expression)
    return expression


@pytest.mark.parametrize(("name", "times"), [("silu", 8), ("silu", 30), ("sine", 30), ("mish", 8)])
def test_the_links_compose_to_the_formula(name, times):
    expression = parse(composed(STEPS[name], times)).expression
    found = links(expression, "x")
    assert len(found) > times // 3
    points = np.array([-3.7, -0.4, 0.9, 2.6])
    values = points
    for link in found:
        values = Truth(link).at(values)[0]
    np.testing.assert_allclose(values, Truth(expression).at(points)[0], rtol=1e-10)


def test_a_short_formula_is_left_whole():
    for text in ("x*tanh(log(1+exp(x)))", "x*erf(x/sqrt(2))", "sin(x)**2 + cos(x)", "tanh(tanh(x))"):
        expression = parse(text).expression
        assert links(expression, "x") == (expression,)


@pytest.mark.parametrize("text", ["tanh(%s)", "1/2+atan(%s)"])
def test_thirty_levels_of_text_compile(text):
    formula = "x"
    for _ in range(30):
        formula = text % formula
    compilation = translate(formula)
    assert len(compilation.family.links) == 30
    graph = compilation.stable.general[("x",)]["float32"].graph
    points = np.array([-2.5, -0.3, 0.125, 1.75])
    computed = simulate(graph, {"x": points}, FLOAT32)
    truth = Truth(compilation.family.programs[("x",)].expression).at(points)
    # Each level adds its own rounding.
    assert ulp_error(computed, *truth, FLOAT32).max() < 30 * 8


def test_time_and_size_grow_with_the_number_of_levels():
    sizes = {}
    for times in (15, 30):
        compilation = translate(composed(STEPS["silu"], times))
        sizes[times] = (
            len(compilation.source),
            len(list(walk([compilation.stable.general[("x",)]["float32"].graph]))),
        )
    assert sizes[30][0] < 2.3 * sizes[15][0]
    assert sizes[30][1] < 2.3 * sizes[15][1]


@pytest.mark.parametrize("times", [1, 2, 10])
@pytest.mark.parametrize("name", STEPS)
def test_a_gradient_is_cheap(name, times):
    """Value and derivative of the formula as it is, with what they share, against the value: the
    cheap gradient principle (A. Griewank and A. Walther, Evaluating Derivatives, SIAM 2008)."""
    from symact.derive import derive
    from symact.program import lower

    family = derive(lower(parse(composed(STEPS[name], times))), 1)
    value, slope = (to_graph(family.programs[wrt].expression) for wrt in ((), ("x",)))
    assert cost_together(value, slope) <= 4 * cost(value)


def cost_together(*graphs):
    from symact.ops import OPS

    return sum(OPS[node.op].cost + 0.5 for node in walk(graphs) if node.op in OPS)
