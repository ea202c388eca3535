"""Ends: what a stabilized graph returns for ±inf and NaN, at 0 and at ends of the domain.

At ±inf the limit, where there is one; NaN for NaN; zero of either sign for that of an odd function; the
limits of v^p·log(v), and of tanh(v)/v, where v is 0. Most graphs do so by themselves; those that do not get
the smallest addition that makes them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import sympy as sp
from flint import ctx

from symact.convert import to_graph
from symact.graph import Node, const, node, rebuild, var, walk
from symact.stabilize.formats import Array, Format
from symact.stabilize.problem import Problem
from symact.stabilize.simulate import simulate

# Where oddness is seen; and distances from a point at which its limit is seen.
_SMALL = np.array([2.0**-9, 0.3, 1.25])
_NEAR = (2.0**-300, 2.0**-900)
_MOST_DERIVATIVES = 4


def mended(graph: Node, problem: Problem, derivative: bool) -> Node:
    """``graph`` with the limits of the truth at those of ±inf that end the domain, and at 0.

    A derivative that is constant on one side (of relu, say) stays so for NaN: the value is NaN there
    and says it.
    """
    for end in (-np.inf, np.inf):
        if end in problem.domain:
            graph = _with_limit_at_infinity(graph, problem, end)
    low, high = problem.domain
    inward = {low: 1, high: -1} | ({0.0: 1} if low < 0.0 < high else {})
    for point, side in inward.items():
        if np.isfinite(point):
            graph = _with_finite_logarithms(graph, problem, point, side)
            graph = _with_limit(graph, problem, point, side)
    if low < 0.0 < high:
        graph = _with_signed_zero(graph, problem)
    if not derivative and not np.isnan(_at(graph, problem, np.array([np.nan]))[0]).all():
        x = var(problem.name)
        graph = node("where", node("is_nan", x), x, graph)
    return graph


def _at(graph: Node, problem: Problem, points: Array) -> list[Array]:
    """What ``graph`` is at ``points``, for each set of parameters."""
    name, fmt = problem.name, problem.fmt
    return [
        np.asarray(simulate(graph, {name: points, **parameters}, fmt))
        for parameters in problem.parameter_sets
    ]


def _with_limit_at_infinity(graph: Node, problem: Problem, end: float) -> Node:
    fmt, x = problem.fmt, var(problem.name)
    limits = [float(problem.truth.at(np.float64(end), **p)[0]) for p in problem.parameter_sets]

    def is_right(candidate: Node) -> bool:
        found = _at(candidate, problem, np.array([end]))
        return all(_close(at[0], limit, fmt) for at, limit in zip(found, limits, strict=True))

    if any(map(np.isnan, limits)) or is_right(graph):
        return graph
    # The largest number's value is the limit's as far as the format can tell.
    largest = const(float(np.copysign(fmt.max, end)))
    clamped = rebuild(graph, {x: node("min" if end > 0 else "max", x, largest)})
    if is_right(clamped):
        return clamped
    if len(set(limits)) > 1:
        return graph  # it depends on the parameters
    infinity = const(sp.oo if end > 0 else -sp.oo)
    return node("where", node("eq", x, infinity), const(limits[0]), graph)


def _with_finite_logarithms(graph: Node, problem: Problem, point: float, side: int) -> Node:
    """``graph`` with no infinite logarithm at ``point`` where its limit from that side is finite."""
    if all(np.isfinite(at).all() for at in _at(graph, problem, np.array([point]))):
        return graph
    # What is above where they are infinite.
    lowest = {"log": const(problem.fmt.min_normal), "log1p": const(problem.fmt.epsilon / 2 - 1)}
    logarithms = [n for n in walk([graph]) if n.op in lowest]
    finite = rebuild(graph, {n: node(n.op, node("max", n.args[0], lowest[n.op])) for n in logarithms})
    found = _at(finite, problem, np.array([point]))
    with ctx.workprec(ctx.prec):  # the truth sets its own
        right = all(
            _is_limit(float(at[0]), [problem.truth.side(point, side, p, near) for near in _NEAR], problem.fmt)
            for at, p in zip(found, problem.parameter_sets, strict=True)
        )
    return finite if right else graph


def _with_limit(graph: Node, problem: Problem, point: float, side: int) -> Node:
    """``graph`` with its limit from that side at ``point``, where it is 0/0 there: tanh(x)/x, sin(w*x)/x."""
    is_defined = any((~np.isnan(at)).any() for at in _at(graph, problem, np.array([point])))
    if is_defined and not problem.is_undefined_at(point):
        return graph
    sets = problem.parameter_sets
    with ctx.workprec(ctx.prec):
        limits = [[problem.truth.side(point, side, p, near) for near in _NEAR] for p in sets]

    def is_right(candidate: Node) -> bool:
        found = _at(candidate, problem, np.array([point]))
        return all(
            _is_limit(float(at[0]), limit, problem.fmt) for at, limit in zip(found, limits, strict=True)
        )

    if is_right(graph):
        return graph
    values = [*_limits(problem.expression, problem.name, point), const(limits[0][1])]
    chosen = (node("where", node("eq", var(problem.name), const(point)), value, graph) for value in values)
    return next(filter(is_right, chosen), graph)


@lru_cache(maxsize=64)
def _limits(expression: sp.Expr, name: str, point: float) -> tuple[Node, ...]:
    """What a quotient of two that vanish may tend to at ``point``, by derivatives of both (de l'Hôpital)."""
    x = sp.Symbol(name, real=True)
    over, under = sp.fraction(sp.together(expression))
    for _ in range(_MOST_DERIVATIVES):
        over, under = sp.diff(over, x), sp.diff(under, x)
        limit = (over / under).subs(x, sp.Rational(point))
        if not limit.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.AccumBounds):
            return (to_graph(limit),)
    return ()


def _is_limit(value: float, approach: list[float], fmt: Format) -> bool:
    """Whether the truth, far from a point and near to it, is ``value`` or comes closer and closer to it."""
    far, near = approach
    if not np.isfinite([value, far, near]).all():
        return False
    return _close(value, near, fmt) or abs(near - value) < abs(far - value) / 2


def _with_signed_zero(graph: Node, problem: Problem) -> Node:
    """``graph`` with zeros of both signs told apart, where the function is odd."""
    parameters, x = problem.parameter_sets[0], var(problem.name)
    right, left = (problem.truth.at(sign * _SMALL, **parameters)[0] for sign in (1, -1))
    odd = np.array_equal(left, -right) and bool((right != 0.0).all())
    zeros = _at(graph, problem, np.array([0.0, -0.0]))[0]
    if not odd or (zeros != 0.0).any():
        return graph
    rising = right[0] > 0.0
    if np.array_equal(np.signbit(zeros), [not rising, rising]):
        return graph
    at_zero = node("eq", x, 0)
    elsewhere = graph.args[2] if graph.op == "where" and graph.args[0] is at_zero else graph
    return node("where", at_zero, x if rising else -x, elsewhere)


def _close(computed: float, limit: float, fmt: Format) -> bool:
    if np.isinf(limit):
        return computed == limit
    return bool(np.isfinite(computed)) and abs(computed - limit) <= 8 * fmt.epsilon * abs(limit)
