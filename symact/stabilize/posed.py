"""Posed: a problem with its sample points, closer where much happens."""

from __future__ import annotations

import numpy as np
import sympy as sp

from symact.convert import to_graph
from symact.derive import switches
from symact.stabilize.formats import Format
from symact.stabilize.problem import SEED, Problem
from symact.stabilize.sampling import edges, neighbourhood, roots, sample, switch_zeros
from symact.stabilize.smooth import smooth
from symact.stabilize.truth import Truth


def pose(
    expression: sp.Expr,
    name: str,
    fmt: Format,
    domain: tuple[float, float],
    parameters: dict[str, float],
    effort: int,
    derivative: bool,
    rough: bool,
) -> Problem:
    """The problem with its sample, closer around kinks and roots."""
    points = sample(fmt, domain, effort, SEED, around=[0.0])
    zeros = [
        zero
        for switch in switches(expression)
        for zero in switch_zeros(switch, name, points, fmt, parameters)
    ]
    kinks = frozenset(zeros if derivative else ())
    truth = Truth(expression, name, kinks)
    stretches = None if rough or parameters else smooth(truth, fmt, domain)
    problem = Problem(expression, name, fmt, domain, parameters, points, kinks, truth, stretches)
    special = zeros
    if not rough:
        parameter_set = problem.parameter_sets[0]
        special = zeros + roots(problem.truth, points, problem.sample.values[0][0], fmt, **parameter_set)
    near = np.concatenate(
        [
            edges(to_graph(expression), name, points, fmt, problem.parameter_sets[0]),
            *(neighbourhood(fmt, point) for point in special),
        ]
    )
    near = near[(near > domain[0]) & (near < domain[1])]
    near = near[(np.abs(near) >= fmt.min_normal) | (near == 0)]
    points = np.concatenate([points, near])
    # Where it is 0/0 as written the limit is put, whatever the form (see ``ends``).
    return problem.with_points(points[points != 0.0] if problem.is_undefined_at(0.0) else points)
