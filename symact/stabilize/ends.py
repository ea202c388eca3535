"""Ends: what a stabilized graph returns for ±inf and NaN.

At ±inf the limit, where there is one; NaN for NaN; zero of either sign for that of an odd function. Most
graphs do so by themselves; those that do not get the smallest addition that makes them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp

from symact.graph import Node, const, node, rebuild, var
from symact.stabilize.formats import Array, Format
from symact.stabilize.simulate import simulate
from symact.stabilize.truth import Truth

# Where oddness is seen.
_SMALL = np.array([2.0**-9, 0.3, 1.25])


def mended(
    graph: Node,
    truth: Truth,
    name: str,
    fmt: Format,
    domain: tuple[float, float],
    parameters: dict[str, float],
    derivative: bool,
) -> Node:
    """``graph`` with the limits of ``truth`` at those of ±inf that end the ``domain``.

    A derivative that is constant on one side (of relu, say) stays so for NaN: the value is NaN there
    and says it.
    """
    x = var(name)

    def at(candidate: Node, points: Array) -> Array:
        rounded = {key: float(fmt.round(np.float64(value))) for key, value in parameters.items()}
        return np.asarray(simulate(candidate, {name: points, **rounded}, fmt))

    for end, clamp in ((-np.inf, "max"), (np.inf, "min")):
        if end not in domain:
            continue
        limit, _ = truth.at(np.float64(end), **parameters)
        if np.isnan(limit) or _close(at(graph, np.array([end]))[0], float(limit), fmt):
            continue
        # The largest number's value is the limit's as far as the format can tell.
        largest = const(float(np.copysign(fmt.max, end)))
        clamped = rebuild(graph, {x: node(clamp, x, largest)})
        if _close(at(clamped, np.array([end]))[0], float(limit), fmt):
            graph = clamped
        else:
            infinity = const(sp.oo if end > 0 else -sp.oo)
            graph = node("where", node("eq", x, infinity), const(float(limit)), graph)
    if domain[0] < 0.0 < domain[1]:
        graph = _with_signed_zero(graph, truth, x, parameters, lambda points: at(graph, points))
    if not derivative and not np.isnan(at(graph, np.array([np.nan]))).all():
        graph = node("where", node("is_nan", x), x, graph)
    return graph


def _with_signed_zero(
    graph: Node, truth: Truth, x: Node, parameters: dict[str, float], at: Callable[[Array], Array]
) -> Node:
    """``graph`` with zeros of both signs told apart, where the function is odd."""
    right, left = truth.at(_SMALL, **parameters)[0], truth.at(-_SMALL, **parameters)[0]
    odd = np.array_equal(left, -right) and bool((right != 0.0).all())
    zeros = at(np.array([0.0, -0.0]))
    if not odd or (zeros != 0.0).any():
        return graph
    rising = right[0] > 0.0
    if np.array_equal(np.signbit(zeros), [not rising, rising]):
        return graph
    return node("where", node("eq", x, 0), x if rising else -x, graph)


def _close(computed: float, limit: float, fmt: Format) -> bool:
    if np.isinf(limit):
        return computed == limit
    return bool(np.isfinite(computed)) and abs(computed - limit) <= 8 * fmt.epsilon * abs(limit)
