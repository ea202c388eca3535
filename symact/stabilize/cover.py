"""Cover: an interval on which no closed form is accurate, covered with fitted series."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from flint import arb

from symact.graph import Node
from symact.stabilize import series
from symact.stabilize.formats import Format
from symact.stabilize.regimes import Candidate
from symact.stabilize.sampling import roots
from symact.stabilize.series import Chart
from symact.stabilize.truth import Truth

_MOST_SPLITS = 4
# Reach of a series at 0, tried from the largest down; the powers of two keep thresholds short.
_REACHES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 2.0**-5, 2.0**-8, 2.0**-12)
_FAR_OUT = 2.0**60
# Half-widths tried around a root, as shares of its size.
_SHARES = (0.5, 0.25, 0.125, 0.03125, 2.0**-9)
_STARTS = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0, 128.0, 2.0**12, 2.0**24, 2.0**48)


def cover(
    truth: Truth, name: str, low: float, high: float, cuts: list[float], fmt: Format
) -> Iterator[Candidate]:
    """Series that together are meant to cover [low, high], not crossing any of ``cuts`` (kinks)."""
    edges = [low, *sorted(cut for cut in cuts if low < cut < high), high]
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        yield from _cover_smooth(truth, name, left, right, cuts, fmt)


def _cover_smooth(
    truth: Truth, name: str, low: float, high: float, cuts: list[float], fmt: Format
) -> Iterator[Candidate]:
    near_zero = min(abs(low), abs(high)) < 1e-6 if low * high > 0 else True
    if near_zero:
        reach = yield from _at_zero(truth, name, low, high, cuts, fmt)
        if low < -reach:
            yield from _cover_smooth(truth, name, low, -reach, cuts, fmt)
        if high > reach:
            yield from _cover_smooth(truth, name, reach, high, cuts, fmt)
        return
    side = 1 if high > 0 else -1
    near, far = sorted((abs(low), abs(high)))
    if far > 1e12:
        start = yield from _at_infinity(truth, name, near, side, fmt)
        if start is not None and start > near:
            far = start
        elif start is not None:
            return
        else:
            far = min(far, 2.0**40)
    if near < far:
        yield from _between(truth, name, *sorted((side * near, side * far)), fmt, _MOST_SPLITS)


def _at_zero(
    truth: Truth, name: str, low: float, high: float, cuts: list[float], fmt: Format
) -> Iterator[Candidate]:
    """The series at 0 of largest reach; returns how far it reaches (0 without one)."""
    both = low < 0.0 < high or 0.0 not in (low, high)
    sides = [side for side, end in ((-1, low), (1, high)) if both or end * side > 0]
    powers = {side: series.growth(truth, side, True, {}) for side in sides}
    parity = _parity_near_zero(truth) if 0.0 not in cuts else 0
    widest = max(abs(low), abs(high))
    done = 0.0
    for side in sides if not parity else sides[:1]:
        power = powers[side]
        if power is None or power < 0:
            continue
        room = min([abs(cut) for cut in cuts if cut * side > 0], default=math.inf)
        for reach in _REACHES:
            if reach > max(4 * widest, _REACHES[-1]) or reach > room:
                continue
            ends = (0.0, reach) if side > 0 else (-reach, 0.0)
            graph = series.fit(truth, series.origin(name, *ends, power, parity), fmt, {})
            if graph is not None:
                yield Candidate("series at 0", graph)
                done = max(done, reach)
                break
    return done


def _parity_near_zero(truth: Truth) -> int:
    points = np.array([2.0**-7, 0.3, 1.7])
    right, left = truth.at(points)[0], truth.at(-points)[0]
    return 1 if np.array_equal(left, right) else -1 if np.array_equal(left, -right) else 0


def _at_infinity(
    truth: Truth, name: str, near: float, side: int, fmt: Format
) -> Iterator[Candidate]:
    """The series at ±oo that starts closest to ``near``; returns its start, None without one."""
    power = series.growth(truth, side, False, {})
    if power is None:
        return None
    for start in _STARTS:
        if start < near / 2:
            continue
        ends = (start, math.inf) if side > 0 else (-math.inf, -start)
        graph = series.fit(truth, series.infinity(name, *ends, power), fmt, {})
        if graph is not None:
            yield Candidate("series at infinity", graph)
            return start
    return None


def _between(
    truth: Truth, name: str, low: float, high: float, fmt: Format, splits: int
) -> Iterator[Candidate]:
    """Polynomials over [low, high], which is split where one is not enough."""
    graph = _one(truth, name, low, high, fmt)
    if graph is not None:
        yield Candidate("series", graph)
    elif splits:
        wide = max(abs(low), abs(high)) > 8 * min(abs(low), abs(high))
        middle = math.copysign(math.sqrt(low * high), low) if wide else (low + high) / 2
        yield from _between(truth, name, low, middle, fmt, splits - 1)
        yield from _between(truth, name, middle, high, fmt, splits - 1)


def _one(truth: Truth, name: str, low: float, high: float, fmt: Format) -> Node | None:
    chart: Chart = series.center(name, low, high)
    points = fmt.round(np.linspace(low, high, 17))
    found = roots(truth, points, truth.at(points)[0], fmt)
    if len(found) > 1:
        return None
    if found:
        at: arb | None = series.exact_root(truth, found[0], fmt, {})
        if at is None:
            return None
        # Room on both sides of the root, so that the quotient is seen smooth across it.
        width = max(high - float(at), float(at) - low, abs(found[0]) / 16)
        chart = series.root(name, float(at) - width, float(at) + width, at, fmt)
    return series.fit(truth, chart, fmt, {})


def far_limits(truth: Truth, name: str, fmt: Format) -> Iterator[Candidate]:
    """What the function is like so far out that one or two terms are all there is of it."""
    for side in (-1, 1):
        power = series.growth(truth, side, False, {})
        if power is not None:
            ends = (_FAR_OUT, math.inf) if side > 0 else (-math.inf, -_FAR_OUT)
            graph = series.fit(truth, series.infinity(name, *ends, power), fmt, {})
            if graph is not None:
                yield Candidate("limit", graph)


def around_root(truth: Truth, name: str, near: float, fmt: Format) -> Iterator[Candidate]:
    """The root next to ``near`` factored out of a series, over the widest interval where one fits."""
    at = series.exact_root(truth, near, fmt, {})
    if at is None or near == 0.0:
        return
    for share in _SHARES:
        width = share * abs(near)
        chart = series.root(name, near - width, near + width, at, fmt)
        graph = series.fit(truth, chart, fmt, {})
        if graph is not None:
            yield Candidate("root factored out", graph)
            return
