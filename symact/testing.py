"""Testing: exact points for the test file that goes with an emitted module."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symact.coverage import covered, edges
from symact.emit.checks import Row, checks
from symact.judge import Judge
from symact.stabilize.formats import FORMATS, Array, Format
from symact.stabilize.sampling import neighbourhood
from symact.stabilize.score import WRONG

if TYPE_CHECKING:
    from symact.compiler import Compilation

_SAMPLES, _SEED = 60, 0
# What passes: twice the error that was found when the forms were chosen, and this at least.
_LEAST_LIMIT, _FACTOR = 8.0, 2.0


def source_of_test(compilation: Compilation, module: str) -> str:
    """The test file for the module written to the file called ``module``."""
    rows, limits = {}, {}
    for dtype, fmt in FORMATS.items():
        judge = Judge(compilation.formula, fmt, columns=2)
        rows[dtype] = _rows(judge, fmt)
        limits[dtype] = (_limit(compilation, dtype, 0), _limit(compilation, dtype, 1))
    return checks(compilation.formula, module, rows, limits)


def _limit(compilation: Compilation, dtype: str, order: int) -> float:
    wrt = compilation.formula.inputs * order
    stable = (compilation.stable.at_defaults or compilation.stable.general)[wrt][dtype]
    found = stable.after.worst
    return limit(found) if found < WRONG / 2 else 2.0 ** FORMATS[dtype].digits


def limit(worst: float) -> float:
    """The largest error that passes where ``worst`` was found, both in ULP."""
    return max(_LEAST_LIMIT, float(math.ceil(_FACTOR * worst)))


def is_in_the_middle(size: Any, scale: Any, fmt: Format) -> Any:
    """Whether results of a ``size``, numbers or arrays, are away from the ends of the range, as is the
    ``scale`` of their errors: close to those a result, or a factor of it, can be flushed to zero or overflow.
    """
    return (np.maximum(size, scale) < fmt.max / 16) & ((scale > 64 * fmt.min_normal) | (size == 0))


def _rows(judge: Judge, fmt: Format) -> list[Row]:
    """Exact rows, away from kinks and from where numbers are flushed to zero or overflow."""
    points = _points(judge, fmt)
    columns = [truth.at(points, **judge.parameters)[0] for truth in judge.truths]
    plain = np.ones(points.shape, bool)
    for column in columns:
        plain &= is_in_the_middle(np.abs(column), np.abs(column), fmt)
    return [
        (float(x), float(y), float(slope))
        for x, y, slope in zip(points[plain], *(column[plain] for column in columns), strict=True)
    ]


def _points(judge: Judge, fmt: Format) -> Array:
    spread, _ = covered(judge, edges(judge), _SAMPLES, _SEED)
    critical = judge.critical()
    # Forms that are good for all values of the parameters lose digits at roots.
    close = _neighbours(judge.kinks if judge.parameters else critical, fmt)
    # ``covered`` has all neighbours; a few of them, evenly chosen, are enough here.
    spread = np.setdiff1d(spread, _neighbours(critical, fmt))
    points = np.concatenate([spread, close[:: max(1, len(close) // 24)]])
    low, high = judge.bounds()
    points = points[(points > low) & (points < high)]
    for kink in judge.kinks:
        points = points[np.abs(points - kink) > 8 * fmt.ulp(np.float64(kink))]
    return np.unique(points)


def _neighbours(points: Sequence[float], fmt: Format) -> Array:
    """0, ``points``, and the numbers close to these."""
    return np.unique(np.concatenate([*(neighbourhood(fmt, point) for point in points), [0.0]]))
