"""Candidates: forms of an expression, proposed by general means; which to trust is measured later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from symact.convert import to_graph
from symact.expressions import dag
from symact.graph import const, node, rebuild, var
from symact.stabilize.branches import resolve
from symact.stabilize.cover import Ground, around_root, far_limits
from symact.stabilize.exponential import half_line, parametric_halves
from symact.stabilize.exponents import exponents, split
from symact.stabilize.problem import Problem, kinks, pieces
from symact.stabilize.regimes import Candidate
from symact.stabilize.rules import rewrite
from symact.stabilize.sampling import roots

_CLAMPS = (2**13, 2**60)


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list({candidate.graph: candidate for candidate in candidates}.values())


def rewritten(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Each candidate as it is, and with the table of rules applied."""
    for candidate in candidates:
        yield candidate
        graph, fired = rewrite(candidate.graph)
        if fired:
            yield replace(candidate, graph=graph, rules=fired)


def with_split_arguments(candidates: Iterable[Candidate], problem: Problem) -> Iterator[Candidate]:
    """Those candidates with an exponential of a polynomial, its argument split."""
    for candidate in candidates:
        graph = split(candidate.graph, problem.name, problem.fmt)
        if graph is not candidate.graph:
            yield replace(candidate, name=f"{candidate.name}, argument split", graph=graph)


def clamped(candidates: Iterable[Candidate], name: str) -> Iterator[Candidate]:
    """Forms whose input is kept within bounds, beyond which the function does not change any more."""
    x = var(name)
    for candidate in candidates:
        for bound in _CLAMPS:
            below, above = node("max", x, const(-bound)), node("min", x, const(bound))
            both = node("max", node("min", x, const(bound)), const(-bound))
            for inside in (below, above, both):
                yield replace(
                    candidate,
                    name=f"{candidate.name}, clamped",
                    graph=rebuild(candidate.graph, {x: inside}),
                )


def halves(problem: Problem) -> Iterator[Candidate]:
    """Forms of a formula with parameters: chosen by a sign, since thresholds would depend on them."""
    for name, graph in parametric_halves(problem.expression, problem.name):
        yield Candidate(name, graph)


def closed_forms(problem: Problem, *, rough: bool) -> Iterator[Candidate]:
    for low, high in pieces(problem):
        if not np.any((problem.points >= low) & (problem.points <= high)):
            continue
        point = _inside(low, high)
        branch = resolve(problem.expression, problem.name, point)
        if branch != problem.expression:
            yield Candidate("branch", to_graph(branch))
        for name, graph in half_line(branch, problem.name, point, rough):
            yield Candidate(name, graph)
    yield Candidate("zero", const(0))
    there = ground(problem)
    yield from far_limits(there)
    if rough:
        return
    (values, _), *_ = problem.values
    for near in roots(problem.truth, problem.points, values, problem.fmt):
        yield from around_root(there, near)


def _inside(low: float, high: float) -> float:
    """A point well inside an interval, of moderate size where it can be."""
    if low >= 0:
        return min(low + 3.5, low + (high - low) / 2)
    if high <= 0:
        return max(high - 3.5, low + (high - low) / 2)
    return low + (high - low) / 2


def ground(problem: Problem) -> Ground:
    cuts = sorted({edge for piece in pieces(problem) for edge in piece} - {0.0})
    if 0.0 in kinks(problem):
        cuts.append(0.0)
    falling = tuple(exponents(problem.expression, problem.name))
    roots_of = {int(p.exp.q) for p in dag(problem.expression) if p.is_Pow and p.exp.is_Rational}
    degrees = tuple(sorted({1, *(degree for degree in roots_of if degree <= 3)}))
    return Ground(problem.truth, problem.name, problem.fmt, problem.domain, tuple(cuts), falling, degrees)
