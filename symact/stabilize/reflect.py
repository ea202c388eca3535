"""Reflect: functions whose two halves differ by a constant or a multiple of x, computed from one of them.

f(x) = c·x + f(-x), or c - f(-x): so do gelu, softplus, the normal distribution, and their derivatives.
On the half where f is smaller it needs forms of its own; on the other one the same form, at -|x|, is added
or taken away, at no loss. One kernel and one series do for what would take two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import sympy as sp

from symact.graph import Node, const, node, rebuild, steps, var
from symact.stabilize.asymptotics import growth
from symact.stabilize.candidates import ground, joined
from symact.stabilize.formats import Array, Format
from symact.stabilize.kernels import is_expensive, with_shared_kernels
from symact.stabilize.posed import pose
from symact.stabilize.problem import Problem
from symact.stabilize.regimes import Candidate, Regime, assemble
from symact.stabilize.rules import rewrite
from symact.stabilize.shortfall import excess
from symact.stabilize.simulate import running_time
from symact.stabilize.stable import Stable
from symact.stabilize.truth import Truth
from symact.stabilize.whole_tails import whole_tails

# Where the identity is looked for; and what it may be off by, of values that are known to 100 bits.
_POINTS = np.array([0.375, 0.8125, 1.3125, 2.875, 5.0625])
_TOLERANCE = Fraction(1, 2**90)
_LARGEST_DENOMINATOR = 64
# How long what is computed from one half of the line may take, as a share of what is computed from both.
_SPARED = 0.9
# In ULP, what is left to a product of what is aimed at; and the number of points at which its factor is seen.
_ROUNDING, _EFFORT = 0.5, 700


@dataclass(frozen=True)
class Reflection:
    """f(x) = ``slope``·x + f(-x), or ``constant`` - f(-x).

    Attributes:
        constant, slope, sign: as in these, the sign that of f(-x).
        side: -1 or 1, on which side of 0 |f| is the smaller one.
        is_multiple: whether f is about a multiple of x at 0.
        times_x: whether f is to be multiplied by x.
    """

    constant: sp.Rational
    slope: sp.Rational
    sign: int
    side: int
    is_multiple: bool = False
    times_x: bool = False

    @property
    def of_quotient(self) -> Reflection:
        """That of f(x)/x, which is ``slope`` - f(-x)/(-x); what is computed of it is multiplied by x."""
        return replace(
            self, constant=self.slope, slope=sp.Integer(0), sign=-1, is_multiple=False, times_x=True
        )

    def inside(self, points: Array) -> Array:
        """Those of ``points`` on the half that the other is computed from."""
        return points[points * self.side >= 0]

    def on_half(self, graph: Node, x: Node) -> Node:
        """The function where x is on that half, of ``graph``, which is f(-|x|) or f(|x|), over x if that is
        multiplied."""
        return times(x, graph) if self.times_x else graph

    def on_other(self, graph: Node, x: Node) -> Node:
        """The function on the other half."""
        if self.sign > 0:
            return (x if self.slope == 1 else const(self.slope) * x) + graph
        difference = const(self.constant) - graph
        return x * difference if self.times_x else difference


def reflected(
    problem: Problem,
    proposed: list[Candidate],
    target: float,
    chosen: Stable,
    search: Callable[[Problem, list[Candidate], float], tuple[Regime, ...]],
    closed_forms: Callable[[Problem, float], Iterable[Candidate]],
) -> Stable:
    """What is computed from one half of the line, where that is cheaper than ``chosen`` and errs no more
    than is aimed at, or than that does.

    Args:
        problem: of the whole line.
        proposed: forms of the function.
        target: the error in ULP that is aimed at.
        chosen: what is computed from both halves.
        search: regimes of a problem, of the forms given and of series.
        closed_forms: forms of another problem.
    """
    found = reflection(problem, with_shared_kernels(chosen.graph))
    if found is None:
        return chosen
    whole, aim, forms = problem, target, proposed
    if found.is_multiple:  # x times a function that has a reflection of its own, and takes a rounding less
        whole, aim = _quotient(problem), target - _ROUNDING
        found, forms = found.of_quotient, list(closed_forms(whole, target))
    area = whole.with_points(found.inside(whole.points))

    def takes(stable: Stable) -> float:
        return running_time(with_shared_kernels(stable.graph), problem.fmt)

    def error(stable: Stable) -> float:
        return max(stable.after.worst, excess(problem, stable.graph))

    best, borne = chosen, max(target, error(chosen))
    tails = list(whole_tails(ground(whole), found.side))
    for more in [tails, []] if tails else [[]]:
        half = search(area, joined(forms, more, whole), aim)
        graph = unfolded(half, problem.name, found)
        regimes = both_halves(half, problem.name, found, problem.fmt)
        other = replace(chosen, graph=graph, regimes=regimes, after=problem.score(graph))
        if takes(other) < min(takes(best), _SPARED * takes(chosen)) and error(other) <= borne:
            best = other
    return best


def _quotient(problem: Problem) -> Problem:
    """The function divided by its variable."""
    expression = problem.expression / sp.Symbol(problem.name, real=True)
    whole = pose(expression, problem.name, problem.fmt, problem.domain, {}, _EFFORT, False, False)
    return whole.with_points(whole.points[whole.points != 0])


def reflection(problem: Problem, graph: Node) -> Reflection | None:
    """The reflection of a function that takes several kernels, as ``graph`` does; None without one."""
    low, high = problem.domain
    if problem.parameters or problem.kinks or low != -high or sum(map(is_expensive, steps(graph))) < 2:
        return None
    right, left = (_exactly(problem.truth, side * _POINTS) for side in (1, -1))
    if right is None or left is None:
        return None
    points = [Fraction(x) for x in _POINTS.tolist()]
    side = -1 if sum(map(abs, right)) > sum(map(abs, left)) else 1
    constant = _common([a + b for a, b in zip(right, left, strict=True)])
    if constant:
        return Reflection(constant, sp.Integer(0), -1, side)
    slope = _common([(a - b) / x for a, b, x in zip(right, left, points, strict=True)])
    if not slope:
        return None
    return Reflection(sp.Integer(0), slope, 1, side, growth(problem.truth, 1, True) == 1)


def unfolded(regimes: Sequence[Regime], name: str, reflected: Reflection) -> Node:
    """The whole line from ``regimes`` of the half that it is computed from."""
    x, side = var(name), reflected.side
    turned = [
        replace(r, candidate=replace(r.candidate, graph=_at(r.candidate.graph, x, side))) for r in regimes
    ]
    if side < 0:
        turned = [Regime(-r.high, -r.low, r.candidate) for r in reversed(turned)]
    half = assemble(turned, name, node("abs", x))
    here = node("lt" if side < 0 else "gt", x, 0)
    if reflected.times_x:  # what both halves take is computed once
        half = times(node("where", here, x, const(1)), half)
    return node("where", here, half, reflected.on_other(half, x))


def both_halves(
    regimes: Sequence[Regime], name: str, reflected: Reflection, fmt: Format
) -> tuple[Regime, ...]:
    """``regimes`` of one half, up to 0, and what they are on the other, from 0 on."""
    x, next_to_0 = var(name), float(fmt.number(1))
    own, others = [], []
    for regime in regimes:
        label, graph = regime.candidate.name, regime.candidate.graph
        ends = (regime.low, min(regime.high, -next_to_0))
        if reflected.side > 0:
            ends = (max(regime.low, next_to_0), regime.high)
        own.append(Regime(*ends, Candidate(label, reflected.on_half(graph, x))))
        other = Candidate(f"{label}, reflected", reflected.on_other(_at(graph, x, reflected.side), x))
        low, high = -ends[1], -ends[0]
        others.append(Regime(0.0 if low == next_to_0 else low, 0.0 if high == -next_to_0 else high, other))
    return (*own, *reversed(others)) if reflected.side < 0 else (*reversed(others), *own)


def times(x: Node, graph: Node) -> Node:
    """``x`` times ``graph``, whose exponential it is multiplied by: that one is shifted, and so in range
    wherever the whole product is."""
    if graph.op == "where":
        return node("where", graph.args[0], *(times(x, branch) for branch in graph.args[1:]))
    if graph.op in ("mul", "div"):
        first, second = graph.args
        if graph.op == "mul" and any(n.op == "exp" for n in steps(second)):
            return first * times(x, second)
        return node(graph.op, times(x, first), second)
    return graph if graph == const(0) else x * graph


def _at(graph: Node, x: Node, side: int) -> Node:
    """``graph`` at |x| or -|x|."""
    magnitude, outside = node("abs", x), var("magnitude of the input")
    inside = rebuild(graph, {magnitude: outside})
    turned, _ = rewrite(rebuild(inside, {x: outside if side > 0 else -outside}))
    return rebuild(turned, {outside: magnitude})


def _exactly(truth: Truth, points: Array) -> list[Fraction] | None:
    values, rests = truth.at(points)
    if not np.isfinite(values).all():
        return None
    return [Fraction(a) + Fraction(b) for a, b in zip(values.tolist(), rests.tolist(), strict=True)]


def _common(values: Sequence[Fraction]) -> sp.Rational | None:
    """The simple fraction that all ``values`` are."""
    guess = values[0].limit_denominator(_LARGEST_DENOMINATOR)
    if any(abs(value - guess) > _TOLERANCE for value in values):
        return None
    return sp.Rational(guess.numerator, guess.denominator)
