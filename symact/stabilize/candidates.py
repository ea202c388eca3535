"""Candidates: forms of an expression, proposed by general means; which to trust is measured later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import sympy as sp

from symact.convert import to_graph, to_sympy
from symact.derive import differentiate
from symact.expressions import dag
from symact.graph import Node, const, exact, node, rebuild, var, walk
from symact.stabilize.branches import resolve
from symact.stabilize.compensated import compensated
from symact.stabilize.cover import Ground, around_root, far_limits
from symact.stabilize.exponential import half_line
from symact.stabilize.exponents import exponents, split
from symact.stabilize.formats import Format
from symact.stabilize.parametric import POINT, by_the_largest, parametric_halves, with_constants_apart
from symact.stabilize.periods import reduced
from symact.stabilize.pieces import kinks, pieces
from symact.stabilize.problem import Problem
from symact.stabilize.regimes import Candidate
from symact.stabilize.rules import rewrite
from symact.stabilize.sampling import roots
from symact.stabilize.saturate import equal_forms
from symact.stabilize.simulate import cost

# Beyond the first most functions do not change any more; beyond the second none of a small multiple does.
_SATURATED, _LARGE = 2**13, 2**60
# As a share of the format's largest number: what is left to a factor of the input.
_FINITE = 2.0**-10
_MOST_PRIMALS = 4
# What is capped; and at which arguments, by digits of the format: fourth powers of the exponential stay in
# range, or its square, or it itself.
_CAPPED = ("exp", "cosh", "sinh", "erf", "erfc")
_CAPS = {24: (20, 40, 80), 53: (40, 300, 650)}


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list({candidate.graph: candidate for candidate in candidates}.values())


def rewritten(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Each candidate as it is, and with the table of rules applied."""
    for candidate in candidates:
        yield candidate
        graph, fired = rewrite(candidate.graph)
        if fired:
            yield replace(candidate, graph=graph, rules=fired)


def with_exact_arguments(candidates: Iterable[Candidate], problem: Problem) -> Iterator[Candidate]:
    """Those candidates with an exponential of a polynomial, its argument split, or else of what is rounded,
    compensated for that; and those with a sine of a multiple of pi, brought into one period."""
    for candidate in candidates:
        graph = split(candidate.graph, problem.name, problem.fmt)
        if graph is not candidate.graph:
            yield replace(candidate, name=f"{candidate.name}, argument split", graph=graph)
        elif (graph := compensated(candidate.graph, problem.fmt)) is not candidate.graph:
            yield replace(candidate, name=f"{candidate.name}, argument compensated", graph=graph)
        graph = reduced(candidate.graph, problem.name)
        if graph is not candidate.graph:
            yield replace(candidate, name=f"{candidate.name}, argument reduced", graph=graph)


def joined(known: list[Candidate], others: Iterable[Candidate], problem: Problem) -> list[Candidate]:
    """``known`` and those of the ``others`` that are not, with what their arguments are made exact to."""
    others = list(others)
    return distinct([*known, *others, *with_exact_arguments(others, problem)])


def clamped(
    candidates: Iterable[Candidate], name: str, fmt: Format, *, any_parameters: bool = False
) -> Iterator[Candidate]:
    """Forms whose input is kept within bounds: those beyond which a function does not change any more, nor,
    for ``any_parameters``, one of a multiple of it; and those beyond which a multiple overflows."""
    x = var(name)
    for candidate in candidates:
        changing = [_midway(candidate.graph, x, fmt)] if any_parameters else [_SATURATED, _LARGE]
        for bound in (*changing, fmt.max * _FINITE):
            below, above = node("max", x, const(-bound)), node("min", x, const(bound))
            both = node("max", node("min", x, const(bound)), const(-bound))
            for inside in (below, above, both):
                yield replace(
                    candidate,
                    name=f"{candidate.name}, clamped",
                    graph=rebuild(candidate.graph, {x: inside}),
                )


def _midway(graph: Node, x: Node, fmt: Format) -> float:
    """Where the highest power of ``x`` in ``graph`` is as far beyond the format's digits as within its range:
    there is room for parameters that are large, and for small ones."""
    growth: dict[Node, float] = {}
    for current in walk([graph]):
        inside = [growth[arg] for arg in current.args]
        growth[current] = 1.0 if current is x else _growth(current, inside)
    return float(2.0 ** int((math.log2(fmt.max) + fmt.digits) / 2 / max(1.0, *growth.values())))


def _growth(current: Node, inside: list[float]) -> float:
    """The power of x that ``current`` grows by, of what grows by the powers ``inside``."""
    match current.op:
        case "mul":
            return sum(inside)
        case "div":
            return inside[0] - inside[1]
        case "square":
            return 2 * inside[0]
        case "sqrt":
            return inside[0] / 2
        case "pow" if current.args[1].op == "const":
            return inside[0] * float(exact(current.args[1]))
        case "neg" | "abs" | "add" | "sub" | "max" | "min" | "rounded" | "keep":
            return max(inside)
        case "where":
            return max(inside[1:])
    return 0.0


def capped(candidates: Iterable[Candidate], fmt: Format) -> Iterator[Candidate]:
    """Forms whose exponentials do not grow beyond a cap, where what they decide is settled long since; nor
    the arguments of erf, whose kernel squares them."""
    for candidate in candidates:
        exponentials = [n for n in walk([candidate.graph]) if n.op in _CAPPED]
        for cap in _CAPS[fmt.digits] if exponentials else ():
            graph = candidate.graph
            for current in exponentials:
                (argument,) = current.args
                limited = node("min", argument, const(cap))
                if current.op != "exp":
                    limited = node("max", limited, const(-cap))
                graph = rebuild(graph, {current: node(current.op, limited)})
            yield replace(candidate, name=f"{candidate.name}, exponentials capped", graph=graph)


def floored(candidates: Iterable[Candidate], fmt: Format) -> Iterator[Candidate]:
    """Forms whose exponentials do not vanish: powers and logarithms of what does with them are finite."""
    least = const((fmt.working or fmt).min_normal)
    for candidate in candidates:
        exponentials = [n for n in walk([candidate.graph]) if n.op == "exp"]
        if exponentials:
            graph = rebuild(candidate.graph, {n: node("max", n, least) for n in exponentials})
            yield replace(candidate, name=f"{candidate.name}, exponentials kept from 0", graph=graph)


def halves(problem: Problem) -> Iterator[Candidate]:
    """Forms of a formula with parameters: chosen by a sign, since thresholds would depend on them."""
    # Measured like all, so it matters not here whether the factors are positive.
    apart = sp.expand_log(problem.expression, force=True, deep=True)
    constants_apart = with_constants_apart(problem.expression, problem.name)
    for expression in dict.fromkeys([problem.expression, apart, constants_apart]):
        forms = parametric_halves(expression, problem.name), by_the_largest(expression, problem.name)
        for name, graph in chain(*forms):
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
    (values, _), *_ = problem.sample.values
    for infinity in (sp.oo, -sp.oo):
        if (values == float(infinity)).any():
            yield Candidate("overflow", const(infinity))
    there = ground(problem)
    yield from far_limits(there)
    if rough:
        return
    for near in roots(problem.truth, problem.points, values, problem.fmt):
        yield from around_root(there, near)


def saturated(problem: Problem, primal: sp.Expr | None) -> Iterator[Candidate]:
    """Forms by equality saturation, of the expression and, where it is the derivative of ``primal``,
    derivatives of forms of that: simpler ones than it has itself."""
    branches: dict[Node, tuple[float, bool]] = {}
    for low, high in pieces(problem):
        if np.any((problem.points >= low) & (problem.points <= high)):
            point = _inside(low, high)
            branch = to_graph(resolve(problem.expression, problem.name, point))
            # A form that holds for x > 0 only is measured on the other side as well, and fails there.
            branches[branch] = point, branches.get(branch, (0.0, False))[1] or low >= 0
    for branch, (point, is_positive) in branches.items():
        positive = frozenset([problem.name]) if is_positive else frozenset()
        for graph in equal_forms(branch, positive):
            yield Candidate("saturated", graph, origin=branch)
        if primal is None:
            continue
        symbol = sp.Symbol(problem.name, real=True)
        forms = equal_forms(to_graph(resolve(primal, problem.name, point)), positive)
        for form in sorted(forms, key=cost)[:_MOST_PRIMALS]:
            slope = differentiate(to_sympy(form), symbol)
            yield Candidate("derivative of a saturated form", to_graph(slope))


def saturated_halves(problem: Problem) -> Iterator[Candidate]:
    """Forms by equality saturation of a formula with parameters, on either side of 0."""
    x, (low, high) = var(problem.name), problem.domain
    for side, below, above in ((-1, low, min(high, 0.0)), (1, max(low, 0.0), high)):
        if below >= above:
            continue
        branch = to_graph(resolve(problem.expression, problem.name, _inside(below, above)))
        yield Candidate("branch", branch)
        # What is known of it there is that it is positive: the input, or its negative.
        turned = rebuild(branch, {x: -x}) if side < 0 else branch
        for form in equal_forms(turned, frozenset([problem.name])):
            graph = rebuild(form, {x: -x}) if side < 0 else form
            yield Candidate("saturated", graph, origin=branch)


def _inside(low: float, high: float) -> float:
    """A point well inside an interval, of moderate size where it can be."""
    if low >= 0:
        return min(low + POINT, low + (high - low) / 2)
    if high <= 0:
        return max(high - POINT, low + (high - low) / 2)
    return low + (high - low) / 2


def ground(problem: Problem) -> Ground:
    cuts = sorted({edge for piece in pieces(problem) for edge in piece} - {0.0})
    if 0.0 in kinks(problem):
        cuts.append(0.0)
    falling = tuple(exponents(problem.expression, problem.name))
    roots_of = {int(p.exp.q) for p in dag(problem.expression) if p.is_Pow and p.exp.is_Rational}
    degrees = tuple(sorted({1, *(degree for degree in roots_of if degree <= 3)}))
    return Ground(problem.truth, problem.name, problem.fmt, problem.domain, tuple(cuts), falling, degrees)
