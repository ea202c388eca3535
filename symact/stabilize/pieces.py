"""Pieces: the intervals on which a problem's expression has no branches, and whether it is even or odd."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from symact.derive import switches
from symact.stabilize.problem import Problem
from symact.stabilize.sampling import switch_zeros


def pieces(problem: Problem) -> list[tuple[float, float]]:
    """Intervals between kinks (and 0), on which the expression has no branches."""
    low, high = max(problem.domain[0], -problem.fmt.max), min(problem.domain[1], problem.fmt.max)
    cuts = {low, high, *([0.0] if low < 0 < high else [])}
    cuts.update(kink for kink in kinks(problem) if low < kink < high)
    ends = sorted(cuts)
    return list(pairwise(ends))


def kinks(problem: Problem) -> list[float]:
    return [
        zero
        for switch in switches(problem.expression)
        for zero in switch_zeros(switch, problem.name, problem.points, problem.fmt, problem.parameters)
    ]


def parity(problem: Problem) -> int:
    """1 for an even function, -1 for an odd one, else 0: by the truth at points of all sizes."""
    low, high = problem.domain
    if low != -high:
        return 0
    points = problem.points[problem.points > 0][:: max(1, len(problem.points) // 64)]
    right, _ = problem.truth.at(points)
    left, _ = problem.truth.at(-points)
    known = ~(np.isnan(right) | np.isnan(left))
    for parity in (1, -1):
        if np.array_equal(left[known], parity * right[known]):
            return parity
    return 0
