"""Functions whose halves differ by a constant or a multiple of x are computed from one half."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import sympy as sp

from symact.derive import differentiate
from symact.grammar import parse_text
from symact.graph import const, node, steps, var
from symact.stabilize import stabilize
from symact.stabilize.formats import FLOAT32, FLOAT64
from symact.stabilize.posed import pose
from symact.stabilize.reflect import Reflection, both_halves, reflection, unfolded
from symact.stabilize.regimes import Candidate, Regime
from symact.stabilize.simulate import simulate

LINE = (-np.inf, np.inf)
# What takes fewer has nothing to spare.
TWO_KERNELS = node("exp", var("x")) + node("erf", var("x"))
# text: constant, slope, sign, and the side on which it is smaller; None where there is no reflection.
REFLECTIONS = {
    "x*(1+erf(x/sqrt(2)))/2": (0, 1, 1, -1),
    "3*x*erfc(x)": (0, 6, 1, 1),
    "erfc(x)": (2, 0, -1, 1),
    "(1+erf(x))*exp(-x**2)+exp(-x**2)*erfc(x)": None,
    "erf(x)**2+tanh(x)": None,
    "erf(x)+tanh(x)+1": (2, 0, -1, -1),
    "erf(x)*tanh(x)+5*x/2": (0, 5, 1, -1),
    "log(1+exp(x))": (0, 1, 1, -1),
    "exp(x)*erf(x)": None,
}


@pytest.mark.parametrize("text", REFLECTIONS)
def test_reflections_are_found(text):
    problem = pose(parse_text(text), "x", FLOAT32, LINE, {}, 100, False, True)
    found = reflection(problem, TWO_KERNELS)
    if REFLECTIONS[text] is None:
        assert found is None
    else:
        assert found is not None
        assert (found.constant, found.slope, found.sign, found.side) == REFLECTIONS[text]


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("times_x", [False, True])
@pytest.mark.parametrize(("constant", "slope", "sign"), [(3, 0, -1), (0, 2, 1)])
def test_one_half_makes_the_whole(side, times_x, constant, slope, sign):
    if times_x and sign > 0:
        return  # x times a function has the constant one for it
    found = Reflection(sp.Integer(constant), sp.Integer(slope), sign, side, times_x=times_x)
    x = var("x")
    # Any function of the half, in two regimes.
    near, far = x * x + const(1), node("abs", x) + const(0.25)
    ends = [(-8.0, -2.0, far), (-1.9999998807907104, 8.0, near)]
    ends = ends if side < 0 else [(-high, -low, graph) for low, high, graph in reversed(ends)]
    regimes = [Regime(low, high, Candidate("form", graph)) for low, high, graph in ends]
    points = FLOAT32.round(np.array([0.5, 1.25, 2.0, 3.0, 7.5]))
    whole = unfolded(regimes, "x", found)
    own = simulate(whole, {"x": side * points}, FLOAT32)
    other = simulate(whole, {"x": -side * points}, FLOAT32)
    expected = np.where(points < 2, points**2 + 1, points + 0.25) * (side * points if times_x else 1)
    np.testing.assert_array_equal(own, expected)
    if times_x:
        np.testing.assert_array_equal(other, -side * points * (constant - expected / (side * points)))
    else:
        np.testing.assert_array_equal(other, constant - side * slope * points + sign * expected)
    halves = both_halves(regimes, "x", found, FLOAT32)
    for before, after in pairwise(halves):
        assert FLOAT32.ordinal(after.low) == FLOAT32.ordinal(before.high) + 1
    for at, value in zip([*(side * points), *(-side * points)], [*own, *other], strict=True):
        (form,) = [r.candidate.graph for r in halves if r.low <= at <= r.high]
        assert simulate(form, {"x": np.array([at])}, FLOAT32)[0] == value


def test_one_kernel_is_left_alone():
    problem = pose(parse_text("1/(1+exp(-x))"), "x", FLOAT32, LINE, {}, 100, False, True)
    assert reflection(problem, node("exp", var("x"))) is None


# Derivatives and values that take a kernel of erf or erfc on one side otherwise, in float64 a slow one.
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("text", ["(1+erf(x/sqrt(2)))/2", "Derivative of x*(1+erf(x/sqrt(2)))/2"])
def test_one_series_does_for_both_sides(text, fmt):
    primal = parse_text(text.removeprefix("Derivative of "))
    derived = text.startswith("Derivative")
    expression = differentiate(primal, sp.Symbol("x", real=True)) if derived else primal
    stable = stabilize(expression, "x", fmt, derivative=derived, primal=primal if derived else None)
    assert not {n.op for n in steps(stable.graph)} & {"erf", "erfc"}
    assert stable.after.worst < 4


def test_fast_forms_of_a_multiple_of_x_are_right_at_both_ends():
    stable = stabilize(parse_text("x*(1+erf(x/sqrt(2)))/2"), "x", FLOAT32, target=64.0)
    points = FLOAT32.round(np.array([3e-38, -3e-38, 1e-30, -13.1, -14.5, 13.1, 3e38, -3e38]))
    found = simulate(stable.graph, {"x": points}, FLOAT32)
    expected = [1.5e-38, -1.5e-38, 5e-31, -1.62e-38 * 13.1, 0.0, 13.1, 3e38, 0.0]
    np.testing.assert_allclose(found[[0, 1, 2, 4, 5, 6, 7]], np.array(expected)[[0, 1, 2, 4, 5, 6, 7]], 1e-6)
    assert -3e-37 < found[3] < -1e-38
