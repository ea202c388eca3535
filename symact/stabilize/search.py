"""Search: propose candidates, measure them against the truth, keep the best in each regime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import sympy as sp

from symact.convert import to_graph
from symact.graph import Node, variables
from symact.stabilize.all_parameters import for_all_parameters
from symact.stabilize.candidates import (
    clamped,
    closed_forms,
    distinct,
    ground,
    joined,
    rewritten,
    saturated,
)
from symact.stabilize.cover import Ground, cover
from symact.stabilize.ends import mended
from symact.stabilize.exchange import exchanged
from symact.stabilize.formats import FLOAT32, Array, Format
from symact.stabilize.kernels import with_shared_kernels
from symact.stabilize.one_argument import Search
from symact.stabilize.pieces import parity
from symact.stabilize.posed import pose
from symact.stabilize.problem import Problem, Score
from symact.stabilize.recheck import errors_of, failing, unseen
from symact.stabilize.reflect import reflected
from symact.stabilize.regimes import (
    Candidate,
    Regime,
    bounds,
    choose,
    envelope,
    settled,
)
from symact.stabilize.score import ROUGH, WRONG
from symact.stabilize.shortfall import excess, runs, weak_intervals
from symact.stabilize.simulate import cost, running_time
from symact.stabilize.stable import Stable, built, price_of, single_form, total_price

# The error in ULP that is aimed at, by simulation; the promise to the user is 4.
TARGET = 3.5
# What is promised, and what must be kept at the points where it is checked for that to hold at all others.
_PROMISE, _KEPT = 4.0, 3.9
# How much more a single form may err, at worst and in mean bits, than a choice of regimes that does not
# keep the promise either.
_WORTH, _WORTH_BITS = 1.25, 0.25
# The error that a single form may be kept with for its simplicity, where another costs so much more; and
# that is borne before float32 is computed in float64.
BEARABLE, _COSTLIER = 4.25, 2.0
_POINTS = 700
# Rounds of series where none is accurate, and of choices of regimes with the points where those failed.
_ROUNDS, _ATTEMPTS, _DENSE_ATTEMPTS = 3, 5, 2


def stabilize(
    expression: sp.Expr,
    name: str,
    fmt: Format = FLOAT32,
    *,
    domain: tuple[float, float] = (-np.inf, np.inf),
    parameters: dict[str, float] | None = None,
    derivative: bool = False,
    effort: int = _POINTS,
    target: float = TARGET,
    primal: sp.Expr | None = None,
) -> Stable:
    """The most accurate of the graphs found for ``expression`` in ``fmt``, then the cheapest.

    Args:
        expression: exact, over real symbols.
        name: the input; every other symbol is a parameter.
        fmt: the format that is computed in.
        domain: the open interval in which the input lies.
        parameters: default value of every parameter.
        derivative: whether it is a derivative, of which a subgradient is wanted at kinks.
        effort: number of sample points.
        target: the error in ULP that is aimed at; cheapness decides below it.
        primal: what ``expression`` is the derivative of, if it is one.
    """
    parameters = parameters or {}
    problem = pose(expression, name, fmt, domain, parameters, effort, derivative, target > ROUGH)

    def univariate(expression: sp.Expr, name: str, target: float) -> Node:
        return stabilize(expression, name, fmt, derivative=derivative, effort=effort, target=target).graph

    stable = _best(problem, target, primal, univariate)
    if target <= ROUGH:
        problem, stable = _seen_closer(problem, stable, target)
        problem = problem.finally_checked()
        after = problem.judged(stable.graph)
        stable = replace(stable, after=after, weak=weak_intervals(problem, stable.graph))
    return replace(
        stable,
        graph=with_shared_kernels(mended(stable.graph, problem, derivative)),
        excess=excess(problem, stable.graph) if target <= ROUGH or stable.after.worst > WRONG / 2 else 0.0,
        in_float64=fmt.working is not None,
    )


def _best(problem: Problem, target: float, primal: sp.Expr | None, univariate: Search) -> Stable:
    plain = Candidate("as written", to_graph(problem.expression))
    candidates = joined([], rewritten([plain]), problem)
    before = problem.score(plain.graph)
    if problem.parameters:
        return for_all_parameters(problem, candidates, target, before, univariate)
    single = _cheapest(problem, candidates, target, BEARABLE)
    if single and excess(problem, single.graph) <= max(target, _KEPT):
        return single_form(problem, single, before)
    side = parity(problem)
    area = problem.with_points(problem.points[problem.points >= 0]) if side else problem
    proposed = _proposed(area, candidates, target, primal)
    chosen = _chosen(problem, area, side, proposed, target, before)
    if not side and target <= ROUGH:
        chosen = reflected(problem, proposed, target, chosen, _search, _closed_forms)
    if single and _COSTLIER * cost(single.graph) < cost(chosen.graph):
        return single_form(problem, single, before)
    return chosen


def _chosen(
    problem: Problem, area: Problem, side: int, proposed: list[Candidate], target: float, before: Score
) -> Stable:
    """The best choice of regimes, or single form.

    Args:
        problem: of the whole line.
        area: of the half of it that the other half mirrors, or of the whole line.
        side: the parity of the function; 0 where it has none.
        proposed: candidates.
        target: the error in ULP that is aimed at.
        before: the score of the plain expression.
    """
    regimes = _search(area, proposed, target)
    stable = built(problem, regimes, side, before)
    if target > TARGET:
        candidates = distinct([*proposed, *_closed_forms(problem, target)]) if side else proposed
        cheapest = _cheapest(problem, candidates, target, target)
        if cheapest is not None and cost(cheapest.graph) < cost(stable.graph):
            return single_form(problem, cheapest, before)
    single = min(proposed, key=lambda c: price_of(problem, c, target))
    simpler = single_form(problem, single, before)
    # The search never makes it worse than the best single form.
    if price_of(problem, single, target) <= total_price(problem, stable.graph, target):
        return simpler
    is_as_good = simpler.after.mean_bits <= stable.after.mean_bits + _WORTH_BITS
    is_enough = is_as_good and _PROMISE < simpler.after.worst <= _WORTH * stable.after.worst
    return simpler if is_enough else stable


def _cheapest(
    problem: Problem, candidates: list[Candidate], target: float, bearable: float
) -> Candidate | None:
    """The cheapest single form that errs no more than is aimed at, and is bearable at very many points."""
    good = [c for c in candidates if problem.errors_in(c.graph, problem.sample).max() <= target]
    # What is cheap in float32 may not be in float64.
    takes = partial(running_time, fmt=problem.fmt) if problem.fmt.working else cost
    good.sort(key=lambda c: takes(c.graph))
    return next((c for c in good if excess(problem, c.graph) <= max(target, bearable)), None)


def _seen_closer(problem: Problem, stable: Stable, target: float) -> tuple[Problem, Stable]:
    """The problem with the points at which a choice of regimes is checked, and ``stable`` judged there too:
    what the last check found, no further search has mended. It still makes nothing worse."""
    if len(stable.regimes) == 1 or problem.parameters:
        return problem, stable
    fresh = unseen(problem, stable.regimes)
    if stable.parity:
        fresh = np.concatenate([-fresh, fresh])
    closer = problem.with_points(np.concatenate([problem.points, fresh]))
    plain = Candidate("as written", to_graph(problem.expression))
    before = closer.score(plain.graph)
    if price_of(closer, plain, target) <= total_price(closer, stable.graph, target):
        return closer, single_form(closer, plain, before)
    return closer, replace(stable, before=before, after=closer.score(stable.graph))


def _proposed(
    problem: Problem, candidates: list[Candidate], target: float, primal: sp.Expr | None
) -> list[Candidate]:
    """Closed forms, and forms of the e-graph where those fall short."""
    candidates = joined(candidates, _closed_forms(problem, target), problem)
    if target <= ROUGH and _falls_short(problem, candidates, target):
        candidates = joined(candidates, rewritten(saturated(problem, primal)), problem)
    own = [c for c in candidates if problem.name in variables(c.graph)]
    if (_errors(problem, own).min(axis=0) > WRONG / 2).any():
        # Nothing finite is known there: at least the input's multiples are kept from overflow.
        candidates = distinct([*candidates, *clamped(candidates[:2], problem.name, problem.fmt)])
    return candidates


def _closed_forms(problem: Problem, target: float) -> Iterator[Candidate]:
    return rewritten(closed_forms(problem, rough=target > ROUGH))


def _search(problem: Problem, candidates: list[Candidate], target: float) -> tuple[Regime, ...]:
    """Regimes over the problem's points, of ``candidates`` and of series where all of those fall short.

    The choice is checked at fresh points, close to its thresholds above all; where it fails, those
    points join the sample and it is made again, strictly then.
    """
    there = ground(problem)
    for attempt in range(_ATTEMPTS):
        # Where nothing but a small sample tells, the next best choice is as good a guess.
        strictly = attempt > 0 and len(problem.checks.points) > 0
        candidates, errors, path = _covered(problem, there, candidates, target, strictly)
        regimes = bounds(
            settled(path, problem.points, errors, target),
            problem.points,
            candidates,
            problem.fmt,
            problem.errors_at,
            target,
        )
        if attempt == _ATTEMPTS - 1:
            break
        fresh = unseen(problem, regimes)
        bad = fresh[errors_of(problem, regimes, fresh) > max(target, 2.0 * TARGET)]
        dense, values = failing(problem, regimes, max(target, _KEPT))
        if not len(bad) and (not len(dense) or attempt >= _DENSE_ATTEMPTS):
            break
        problem = problem.with_points(np.concatenate([problem.points, bad])).with_dense(dense, values)
    return exchanged(problem, regimes, candidates, target, _KEPT if target == TARGET else target)


def _falls_short(problem: Problem, candidates: list[Candidate], target: float) -> bool:
    """Whether at some point no candidate is accurate."""
    return bool((_errors(problem, candidates).min(axis=0) > target).any())


def _covered(
    problem: Problem, there: Ground, candidates: list[Candidate], target: float, strictly: bool
) -> tuple[list[Candidate], Array, list[int]]:
    """Candidates with series added where none is accurate, their errors, and the best path."""
    errors = _errors(problem, candidates)
    for _ in range(_ROUNDS):
        bad = errors.min(axis=0) > target
        fitted = [c for low, high in _stretches(problem.points, bad) for c in cover(there, low, high)]
        known = {candidate.graph for candidate in candidates}
        fresh = [c for c in distinct(fitted) if c.graph not in known]
        if not fresh:
            break
        candidates = [*candidates, *fresh]
        errors = np.vstack([errors, _errors(problem, fresh)])
    return candidates, errors, choose(errors, candidates, target, strictly)


def _stretches(points: Array, bad: npt.NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
    """Runs of bad points; and the whole from the first to the last on a side of 0, which one series may
    serve as well as several."""
    found = list(runs(points, bad))
    yield from found
    for side in (-1, 1):
        there = [(low, high) for low, high in found if low * side > 0 and high * side > 0]
        if len(there) > 1:
            yield there[0][0], there[-1][1]


def _errors(problem: Problem, candidates: Sequence[Candidate]) -> Array:
    return envelope(np.array([problem.errors(candidate.graph) for candidate in candidates]))
