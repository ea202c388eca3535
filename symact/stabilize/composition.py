"""Composition: a chain of short formulas stabilized link by link, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy as sp

from symact.convert import to_graph
from symact.graph import Node, const, rebuild, var
from symact.program import Family, Wrt
from symact.stabilize.formats import FORMATS, Format
from symact.stabilize.problem import Problem
from symact.stabilize.regimes import Candidate, Regime
from symact.stabilize.sampling import sample
from symact.stabilize.shortfall import weak_intervals
from symact.stabilize.stable import Stable

_POINTS = 200

ByWrt = Mapping[Wrt, Mapping[str, Stable]]


def stabilized_chain(
    family: Family, stabilized: Callable[[Family], ByWrt], domain: tuple[float, float]
) -> dict[Wrt, dict[str, Stable]]:
    """The functions of ``family``, which has links, from those of its links.

    Args:
        family: of one input and no parameters.
        stabilized: the general functions of a link's family; asked once for links that are alike.
        domain: the open interval in which the input lies.
    """
    (name,) = family.formula.inputs
    known: dict[sp.Expr, ByWrt] = {}
    for link in family.links:
        expression = link.programs[()].expression
        if expression not in known:
            known[expression] = stabilized(link)
    found: dict[Wrt, dict[str, Stable]] = {}
    for format_name, fmt in FORMATS.items():
        links = [known[link.programs[()].expression] for link in family.links]
        graphs = _composed(links, name, format_name, family.order)
        for times, graph in enumerate(graphs):
            wrt = (name,) * times
            stable = _measured(family.programs[wrt].expression, name, fmt, domain, graph, len(links))
            found.setdefault(wrt, {})[format_name] = stable
    return found


def _composed(links: list[ByWrt], name: str, format_name: str, order: int) -> list[Node]:
    """The graphs of the composition and its derivatives, in order."""
    x = var(name)
    value, inner = x, [const(1)] + [const(0)] * (order - 1)
    for link in links:
        graphs = [link[(name,) * n][format_name].graph for n in range(order + 1)]
        outer = [rebuild(graph, {x: value}) for graph in graphs]
        value, inner = outer[0], _chain_rule(outer[1:], inner)
    return [value, *inner]


def _chain_rule(outer: list[Node], inner: list[Node]) -> list[Node]:
    """Faà di Bruno's formula for graphs; terms with a factor 0 are left out."""
    names = sp.symbols(f"d1:{len(inner) + 1}")
    zeros = {s: 0 for s, graph in zip(names, inner, strict=True) if graph is const(0)}
    exchanged = {var(s.name): graph for s, graph in zip(names, inner, strict=True)}
    result = []
    for n in range(1, len(inner) + 1):
        total: Node | None = None
        for k in range(1, n + 1):
            polynomial = sp.bell(n, k, names[: n - k + 1]).subs(zeros)
            if polynomial == 0 or outer[k - 1] is const(0):
                continue
            term = _product(outer[k - 1], rebuild(to_graph(polynomial), exchanged))
            total = term if total is None else total + term
        result.append(const(0) if total is None else total)
    return result


def _product(left: Node, right: Node) -> Node:
    return left if right is const(1) else right if left is const(1) else left * right


def _measured(
    expression: sp.Expr, name: str, fmt: Format, domain: tuple[float, float], graph: Node, count: int
) -> Stable:
    points = sample(fmt, domain, _POINTS, seed=1)
    problem = Problem(expression, name, fmt, domain, {}, points)
    score = problem.score(graph)
    regime = Regime(-fmt.max, fmt.max, Candidate(f"composition of {count} links", graph))
    return Stable(
        graph, (regime,), 0, problem.score(to_graph(expression)), score, weak_intervals(problem, graph)
    )
