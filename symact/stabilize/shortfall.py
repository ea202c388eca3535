"""Shortfall: where a graph is not accurate, and by how much, beyond what roots account for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from symact.graph import Node
from symact.stabilize.formats import Array
from symact.stabilize.problem import Problem, Sample
from symact.stabilize.sampling import sample
from symact.stabilize.score import WRONG

# Errors in ULP above which the user is told, with the interval; a root may have more next to it, for
# half a unit of the input is as much there.
_WEAK, _MOST_WEAK = 16.0, 3
# So far apart bad points belong to one interval.
_CHANCE = 5
# Results below this many of the smallest normal numbers may lose a term or a factor.
_HARDLY_NORMAL = 4.0
# Between these errors in ULP, and with so many points, it is looked more closely for the worst one.
_FEW, _CLOSER, _SEED = 4.0, 3000, 11


def excess(problem: Problem, graph: Node) -> float:
    """The worst error of ``graph`` in ULP, less what half a unit of the input changes next to roots, and
    what the flushing of a term to zero does to results that are hardly normal numbers.

    Where it is more than a few units, the worst input is looked for more closely.
    """
    worst = _worst(problem, graph)
    if not _FEW < worst < _WEAK:
        return worst
    fresh = sample(problem.fmt, problem.domain, _CLOSER, _SEED)
    finer = problem.with_points(np.concatenate([problem.points, fresh]))
    return _worst(finer, graph)


def _worst(problem: Problem, graph: Node) -> float:
    return max(float(_beyond_roots(problem, graph, judge, 1.0).max()) for judge in problem.judges())


def _beyond_roots(problem: Problem, graph: Node, judge: Sample, share: float) -> Array:
    """Errors of ``graph`` in ULP, less ``share`` times what roots and the flushing of terms account for."""
    errors = problem.errors_in(graph, judge) - share * problem.excused(judge)
    sizes = np.abs([values for values, _ in judge.values]).min(axis=0)
    flushed = (sizes < _HARDLY_NORMAL * problem.fmt.min_normal) & (errors < WRONG / 2)
    return np.maximum(np.where(flushed, 0.0, errors), 0.0)


def weak_intervals(problem: Problem, graph: Node) -> tuple[tuple[float, float, float], ...]:
    """Where ``graph`` errs by more than rounding, as (low, high, worst error in ULP), the worst first.

    Next to roots it may: there half a unit of the input changes the result by as much.
    """
    intervals = []
    for judge in problem.judges():
        points, errors = judge.points, _beyond_roots(problem, graph, judge, 2.0)
        for low, high in runs(points, errors > _WEAK):
            inside = (points >= low) & (points <= high)
            bad = points[inside & (errors > _WEAK)]
            intervals.append((float(bad[0]), float(bad[-1]), float(errors[inside].max())))
    return tuple(sorted(intervals, key=lambda interval: -interval[2])[:_MOST_WEAK])


def runs(points: Array, bad: npt.NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
    """Intervals of the line that hold runs of bad points, from the good neighbour on either side."""
    at = np.flatnonzero(bad)
    # A few good points inside a bad run are chance.
    for run in np.split(at, np.flatnonzero(np.diff(at) > _CHANCE) + 1) if len(at) else ():
        yield float(points[max(run[0] - 1, 0)]), float(points[min(run[-1] + 1, len(points) - 1)])
