"""Recheck: fresh points at which a choice of regimes is tried again, where such choices fail first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symact.graph import Node
from symact.stabilize.formats import Array
from symact.stabilize.problem import Problem, Sample
from symact.stabilize.regimes import Regime
from symact.stabilize.sampling import sample

# Of the very many points those that fail worst join the sample.
_MOST_FAILING = 256
# A sample of its own checks what the search found.
_CHECKS, _CHECK_SEED = 240, 7
# Places in a regime, as shares of its width, and distances, relative to a threshold, at which a choice of
# regimes is checked again.
_SHARES = np.array([0.002, 0.005, 0.01, 0.017, 0.026, 0.04, 0.06, 0.09, 0.13, 0.2, 0.3])
_WITHIN = np.concatenate([_SHARES, 1 - _SHARES, [0.5]])
_NEAR_THRESHOLD = np.array([1e-6, 1e-4, 1e-3, 0.01, 0.03, 0.1])


def unseen(problem: Problem, regimes: Sequence[Regime]) -> Array:
    """Points that the sample does not hold: around the thresholds of ``regimes``, and anywhere."""
    thresholds = np.array([regime.high for regime in regimes[:-1]])
    around = np.concatenate([[0.0], -_NEAR_THRESHOLD, _NEAR_THRESHOLD])
    with np.errstate(over="ignore"):  # next to the largest number
        points = problem.fmt.round((thresholds[:, None] * (1 + around)).ravel())
    # And well inside each regime, towards its ends above all: series fail there first.
    ends = [(max(r.low, -problem.fmt.max / 4), min(r.high, problem.fmt.max / 4)) for r in regimes]
    inside = [low + (high - low) * _WITHIN for low, high in ends]
    points = np.concatenate([points, problem.fmt.round(np.concatenate(inside))])
    points = points[(np.abs(points) >= problem.fmt.min_normal) | (points == 0.0)]
    points = np.concatenate([points, sample(problem.fmt, problem.domain, _CHECKS, _CHECK_SEED)])
    inside = (points >= problem.points[0]) & (points <= problem.points[-1])
    return np.setdiff1d(points[inside], problem.points)


def errors_of(problem: Problem, regimes: Sequence[Regime], points: Array) -> Array:
    """Errors at ``points``, each by the form of its regime."""
    errors = np.zeros(points.shape)
    for regime in regimes:
        inside = (points >= regime.low) & (points <= regime.high)
        if inside.any():
            errors[inside] = problem.errors_at(regime.candidate.graph, points[inside])
    return errors


def errors_within(problem: Problem, judge: Sample, regime: Regime, graph: Node) -> Array:
    """Errors of ``graph`` at the judge's points in ``regime``, less what roots account for."""
    inside = (judge.points >= regime.low) & (judge.points <= regime.high)
    errors = problem.errors_in(graph, judge.between(regime.low, regime.high))
    return np.asarray(errors - problem.excused(judge)[inside])


def failing(problem: Problem, regimes: Sequence[Regime], bearable: float) -> tuple[Array, Array]:
    """Of the very many points those at which the form of its regime errs by more than ``bearable`` ULP, the
    worst ones, and the truth there."""
    ((truth, _),) = problem.checks.values
    # The regimes follow each other without a gap, as the points do.
    errors = np.concatenate([errors_within(problem, problem.checks, r, r.candidate.graph) for r in regimes])
    worst = np.argsort(-errors, kind="stable")[:_MOST_FAILING]
    worst = worst[errors[worst] > bearable]
    return problem.checks.points[worst], truth[worst]
