"""Cover: an interval on which no closed form is accurate, covered with fitted series."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from symact.graph import Node
from symact.stabilize import series
from symact.stabilize.exponents import Exponent
from symact.stabilize.formats import Format
from symact.stabilize.regimes import Candidate
from symact.stabilize.sampling import roots
from symact.stabilize.series import Chart
from symact.stabilize.truth import Truth

_MOST_SPLITS = 4
_MOST_FITS = 48
# Reach of a series at 0, tried from the largest down; the powers of two keep thresholds short.
_REACHES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 2.0**-5, 2.0**-8, 2.0**-12)
# Half-widths tried around a root, as shares of its size.
_SHARES = (0.5, 0.25, 0.125, 0.03125, 2.0**-9)
_STARTS = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0, 128.0, 2.0**12, 2.0**24, 2.0**48)
_FAR_OUT = 2.0**60


@dataclass(frozen=True)
class Ground:
    """What series are fitted to: the truth of a function of ``name`` in ``fmt``.

    Attributes:
        cuts: where the function is not smooth.
        exponents: those that its tails may fall by.
        budget: how many more series may be tried, in its one element. A count and not a clock, so that
            the result does not depend on the machine.
    """

    truth: Truth
    name: str
    fmt: Format
    cuts: tuple[float, ...] = ()
    exponents: tuple[Exponent, ...] = ()
    budget: list[int] = field(default_factory=lambda: [_MOST_FITS], compare=False)

    def fit(self, chart: Chart) -> Node | None:
        """The series on ``chart``; None where there is none, or enough have been tried."""
        if self.budget[0] <= 0:
            return None
        self.budget[0] -= 1
        return series.fit(self.truth, chart, self.fmt, {})


def cover(ground: Ground, low: float, high: float) -> Iterator[Candidate]:
    """Series that together are meant to cover [low, high], none across a cut."""
    edges = [low, *sorted(cut for cut in ground.cuts if low < cut < high), high]
    for left, right in pairwise(edges):
        yield from _cover_smooth(ground, left, right)


def _cover_smooth(ground: Ground, low: float, high: float) -> Iterator[Candidate]:
    if low * high <= 0 or min(abs(low), abs(high)) < 1e-6:
        reach = yield from _at_zero(ground, low, high)
        if low < -reach:
            yield from _cover_side(ground, low, min(-reach, high))
        if high > reach:
            yield from _cover_side(ground, max(reach, low), high)
    else:
        yield from _cover_side(ground, low, high)


def _cover_side(ground: Ground, low: float, high: float) -> Iterator[Candidate]:
    """Cover an interval on one side of 0."""
    side = 1 if high > 0 else -1
    near, far = sorted((abs(low), abs(high)))
    if far > 1e12:
        start = yield from _at_infinity(ground, near, side)
        far = min(far, 2.0**40) if start is None else start
    near = max(near, ground.fmt.min_normal)
    if near < far:
        near, far = sorted((side * near, side * far), key=abs)
        stop = yield from _falling(ground, near, far)
        if abs(near) < abs(stop):
            yield from _between(ground, min(near, stop), max(near, stop), _MOST_SPLITS)


def _at_zero(ground: Ground, low: float, high: float) -> Generator[Candidate, None, float]:
    """The series at 0 of largest reach; returns how far it reaches (0 without one)."""
    sides = [s for s, end in ((-1, low), (1, high)) if end * s > 0 or 0.0 not in (low, high)]
    parity = _parity_near_zero(ground.truth) if 0.0 not in ground.cuts else 0
    widest = max(abs(low), abs(high))
    done = 0.0
    for side in sides[:1] if parity else sides:
        power = series.growth(ground.truth, side, True, {})
        if power is None or power < 0:
            continue
        room = min([abs(cut) for cut in ground.cuts if cut * side > 0], default=math.inf)
        for reach in _REACHES:
            if reach > max(4 * widest, _REACHES[-1]) or reach > room:
                continue
            ends = (0.0, reach) if side > 0 else (-reach, 0.0)
            graph = ground.fit(series.origin(ground.name, *ends, power, parity))
            if graph is not None:
                yield Candidate("series at 0", graph)
                done = max(done, reach)
                break
    return done


def _parity_near_zero(truth: Truth) -> int:
    points = np.array([2.0**-7, 0.3, 1.7])
    right, left = truth.at(points)[0], truth.at(-points)[0]
    return 1 if np.array_equal(left, right) else -1 if np.array_equal(left, -right) else 0


def _at_infinity(ground: Ground, near: float, side: int) -> Generator[Candidate, None, float | None]:
    """The series at ±oo that starts closest to ``near``; returns its start, None without one."""
    power = series.growth(ground.truth, side, False, {})
    if power is None:
        return None
    for start in _STARTS:
        if start < near / 2:
            continue
        ends = (start, math.inf) if side > 0 else (-math.inf, -start)
        graph = ground.fit(series.infinity(ground.name, *ends, power))
        if graph is not None:
            yield Candidate("series at infinity", graph)
            return start
    return None


def _falling(ground: Ground, near: float, far: float) -> Generator[Candidate, None, float]:
    """A falling tail from ``far`` towards ``near``; returns how close it comes."""
    for exponent in ground.exponents:
        power = series.tail_power(ground.truth, 1 if far > 0 else -1, exponent, {})
        if power is None:
            continue
        for share in (0.0, 0.125, 0.25, 0.5):
            start = near + share * (far - near)
            low, high = sorted((start, far))
            chart = series.falling_tail(ground.name, low, high, exponent, power, ground.fmt)
            graph = ground.fit(chart)
            if graph is not None:
                yield Candidate("falling tail", graph)
                return start
    return far


def _between(ground: Ground, low: float, high: float, splits: int) -> Iterator[Candidate]:
    """Polynomials over [low, high], which is split where one is not enough."""
    if ground.budget[0] <= 0:
        return
    graph = _one(ground, low, high)
    if graph is not None:
        yield Candidate("series", graph)
    elif splits:
        wide = max(abs(low), abs(high)) > 8 * min(abs(low), abs(high))
        middle = math.copysign(math.sqrt(low * high), low) if wide else (low + high) / 2
        yield from _between(ground, low, middle, splits - 1)
        yield from _between(ground, middle, high, splits - 1)


def _one(ground: Ground, low: float, high: float) -> Node | None:
    points = ground.fmt.round(np.linspace(low, high, 17))
    values, _ = ground.truth.at(points)
    if np.count_nonzero(np.diff(np.sign(values[~np.isnan(values)]))) > 1:
        return None
    found = roots(ground.truth, points, values, ground.fmt)
    if found:
        at = series.exact_root(ground.truth, found[0], ground.fmt, {})
        if at is None:
            return None
        # Room on both sides of the root, so that the quotient is seen smooth across it.
        width = max(high - float(at), float(at) - low, abs(found[0]) / 16)
        ends = (float(at) - width, float(at) + width)
        return ground.fit(series.root(ground.name, *ends, at, ground.fmt))
    rate = series.steepness(ground.truth, low, high, {})
    if rate is not None:
        graph = ground.fit(series.exponential_slope(ground.name, low, high, rate))
        if graph is not None:
            return graph
    return ground.fit(series.center(ground.name, low, high))


def far_limits(ground: Ground) -> Iterator[Candidate]:
    """What the function is like so far out that one or two terms are all there is of it."""
    for side in (-1, 1):
        power = series.growth(ground.truth, side, False, {})
        if power is not None:
            ends = (_FAR_OUT, math.inf) if side > 0 else (-math.inf, -_FAR_OUT)
            graph = ground.fit(series.infinity(ground.name, *ends, power))
            if graph is not None:
                yield Candidate("limit", graph)


def around_root(ground: Ground, near: float) -> Iterator[Candidate]:
    """The root next to ``near`` factored out of a series, over the widest interval where one fits."""
    at = series.exact_root(ground.truth, near, ground.fmt, {})
    if at is None or near == 0.0:
        return
    for share in _SHARES:
        width = share * abs(near)
        chart = series.root(ground.name, near - width, near + width, at, ground.fmt)
        graph = ground.fit(chart)
        if graph is not None:
            yield Candidate("root factored out", graph)
            return
