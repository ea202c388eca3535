"""Coverage: the inputs at which contenders are compared."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from symact.judge import Judge
from symact.stabilize.formats import Array, Format
from symact.stabilize.sampling import neighbourhood

Mask = npt.NDArray[np.bool_]

# Inputs that everybody knows, with either sign.
_POINTS = (0.0, 1e-30, 1e-8, 1e-3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 90.0, 100.0, 1e3, 1e10)
_EDGES = (1e-3, 1.0, 5.0, 20.0, 100.0)
# Half-width of what is drawn, and how many inputs.
_DRAWN = (2e-3, 200.0, 1600)
_WHOLE_FORMAT = 1 << 16


def edges(judge: Judge) -> list[float]:
    """Ends of the intervals that figures are given for."""
    low, high = judge.bounds()
    inner = {sign * edge for edge in _EDGES for sign in (-1, 1)} | {0.0}
    return [low, *sorted(edge for edge in inner if low < edge < high), high]


def covered(judge: Judge, ends: list[float], samples: int, seed: int) -> tuple[Array, str]:
    """The sorted finite inputs to compare at, and whether those are "all" or a "sample"."""
    first, last = judge.fmt.ordinal(list(judge.bounds())).tolist()
    if last - first < _WHOLE_FORMAT:
        return judge.fmt.number(np.arange(first, last + 1)), "all"
    random = np.random.default_rng(seed)
    each = samples // (len(ends) - 1)
    parts = [_sample(low, high, each, judge.fmt, random) for low, high in pairwise(ends)]
    critical = [neighbourhood(judge.fmt, point) for point in judge.critical()]
    points = np.unique(np.concatenate([*parts, *critical]) + 0.0)
    low, high = judge.bounds()
    return points[(points >= low) & (points <= high) & _is_normal(points, judge.fmt)], "sample"


def _sample(low: float, high: float, count: int, fmt: Format, random: np.random.Generator) -> Array:
    first, last = fmt.ordinal([low, high]).tolist()
    ordinals = random.integers(first, last, count // 2, endpoint=True)
    values = low + (high - low) * random.uniform(0, 1, count // 2) if high - low < 1e300 else [0.0]
    points = np.concatenate([fmt.number(ordinals), fmt.round(np.asarray(values, float))])
    return np.asarray(np.unique(points[(points >= low) & (points <= high)]))


def _is_normal(points: Array, fmt: Format) -> Mask:
    return np.asarray((np.abs(points) >= fmt.min_normal) | (points == 0.0) | fmt.gradual)


def chosen(judge: Judge) -> Array:
    """Inputs that everybody knows, and the kinks with their neighbours."""
    points = judge.fmt.round(np.array([sign * point for point in _POINTS for sign in (-1.0, 1.0)]))
    near = [neighbourhood(judge.fmt, kink)[:3] for kink in judge.kinks]
    points = np.unique(np.concatenate([points, *near]) + 0.0)
    low, high = judge.domain
    return points[(points > low) & (points < high) & _is_normal(points, judge.fmt)]


def drawn(judge: Judge, besides: Array) -> Array:
    """Inputs for a picture: even on a symmetric-log axis, with the kinks' and roots' neighbours."""
    smallest, largest, count = _DRAWN
    half = np.concatenate(
        [[0.0], smallest * np.linspace(0, 1, count // 20), np.geomspace(smallest, largest, count // 2)]
    )
    near = [neighbourhood(judge.fmt, point) for point in judge.critical()]
    low, high = judge.domain
    bounded = np.isfinite(low) and np.isfinite(high)
    even = np.linspace(low, high, count // 2) if bounded else np.zeros(0)
    points = np.unique(judge.fmt.round(np.concatenate([-half, half, *near, even, besides])) + 0.0)
    inside = (points > low) & (points < high) & ((np.abs(points) <= largest) | bounded)
    return np.asarray(points[inside & _is_normal(points, judge.fmt)])
