"""Cover: an interval on which no closed form is accurate, covered with fitted series."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import sympy as sp

from symact.graph import Node
from symact.stabilize import charts
from symact.stabilize.asymptotics import growth, logarithmic, rate, steepness, tail_power
from symact.stabilize.charts import Chart
from symact.stabilize.exponents import Exponent
from symact.stabilize.formats import Format
from symact.stabilize.regimes import Candidate
from symact.stabilize.sampling import roots
from symact.stabilize.series import exact_root, fit
from symact.stabilize.truth import Truth

_MOST_SPLITS = 4
_MOST_FITS = 48
# Reach of a series at 0, tried from the largest down; the powers of two keep thresholds short.
_REACHES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 2.0**-5, 2.0**-8, 2.0**-12)
# An interval that begins closer to 0 than this is covered from 0 on.
NEAR_ZERO = 2.0**-8
# Half-widths tried around a root, as shares of its size.
_SHARES = (1.5, 1.0, 0.75, 0.5, 0.25, 0.125, 0.03125, 2.0**-9)
_STARTS = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0, 128.0, 2.0**12, 2.0**20)
FAR_OUT = 2.0**60
# Below this size no series at infinity is tried.
_SERIES_FROM = 8.0


@dataclass(frozen=True)
class Ground:
    """What series are fitted to: the truth of a function of ``name`` in ``fmt``.

    Attributes:
        cuts: where the function is not smooth.
        exponents: those that its tails may fall by, as they stand in the formula.
        degrees: of the roots of the variable that series may be in, besides 1 those of roots in the formula.
        budget: how many more series may be tried, in its one element. A count and not a clock, so that
            the result does not depend on the machine.
    """

    truth: Truth
    name: str
    fmt: Format
    domain: tuple[float, float] = (-math.inf, math.inf)
    cuts: tuple[float, ...] = ()
    exponents: tuple[Exponent, ...] = ()
    degrees: tuple[int, ...] = (1,)
    budget: list[int] = field(default_factory=lambda: [_MOST_FITS], compare=False)

    def tails(self, side: int) -> tuple[Exponent, ...]:
        """Exponents by which it may fall or grow towards ±oo."""
        found = rate(self.truth, side)
        known = [e for e in self.exponents if found is None or e.coefficients != found.coefficients]
        return (found, *known) if found is not None else self.exponents

    def fit(self, chart: Chart) -> Node | None:
        """The series on ``chart``; None where there is none, or enough have been tried."""
        if self.budget[0] <= 0:
            return None
        self.budget[0] -= 1
        return fit(self.truth, chart, self.fmt)


def cover(ground: Ground, low: float, high: float) -> Iterator[Candidate]:
    """Series that together are meant to cover [low, high], none across a cut."""
    edges = [low, *sorted(cut for cut in ground.cuts if low < cut < high), high]
    for left, right in pairwise(edges):
        yield from _cover_smooth(ground, left, right)


def _cover_smooth(ground: Ground, low: float, high: float) -> Iterator[Candidate]:
    if low * high <= 0 or min(abs(low), abs(high)) < NEAR_ZERO:
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
    if far > _SERIES_FROM:
        start = yield from _at_infinity(ground, near, side)
        far = min(far, 2.0**40) if start is None else min(start, far)
    near = max(near, ground.fmt.min_normal)
    if near < far:
        near, far = sorted((side * near, side * far), key=abs)
        stop = yield from _tail(ground, near, far)
        if abs(near) < abs(stop):
            yield from _between(ground, min(near, stop), max(near, stop), _MOST_SPLITS)


def _at_zero(ground: Ground, low: float, high: float) -> Generator[Candidate, None, float]:
    """The series at 0 of largest reach; returns how far it reaches (0 without one)."""
    sides = [s for s, end in ((-1, low), (1, high)) if end * s > 0 or 0.0 not in (low, high)]
    parity = _parity_near_zero(ground.truth) if 0.0 not in ground.cuts else 0
    widest = max(abs(low), abs(high))
    done = 0.0
    if len(sides) == 2 and not parity and 0.0 not in ground.cuts:
        yield from _across_zero(ground, low, high)
    for side in sides[:1] if parity else sides:
        power = growth(ground.truth, side, True)
        if power is None:
            continue
        room = min([abs(cut) for cut in ground.cuts if cut * side > 0], default=math.inf)
        reaches = [r for r in _REACHES if r <= min(max(4 * widest, _REACHES[-1]), room)]

        def graph_of(reach: float, degree: int, side: int = side, power: sp.Rational = power) -> Node | None:
            ends = (0.0, reach) if side > 0 else (-reach, 0.0)
            return ground.fit(charts.origin(ground.name, *ends, power, parity, degree))

        reach, graph = _widest(reaches, ground.degrees[:1] if parity else ground.degrees, graph_of)
        if graph is not None:
            yield Candidate("series at 0", graph)
            done = max(done, reach)
    return done


def _across_zero(ground: Ground, low: float, high: float) -> Iterator[Candidate]:
    """One series for both sides of 0, of largest reach, where the function is smooth there."""
    power, other = (growth(ground.truth, side, True) for side in (1, -1))
    if power is None or power != other or power.q != 1:
        return
    room = min([abs(cut) for cut in ground.cuts], default=math.inf)
    for reach in _REACHES:
        left, right = (min(reach, max(2 * abs(end), _REACHES[-1])) for end in (low, high))
        if reach <= min(2 * max(abs(low), abs(high)), room):
            graph = ground.fit(charts.origin(ground.name, -left, right, power, 0))
            if graph is not None:
                yield Candidate("series at 0", graph)
                return


def _parity_near_zero(truth: Truth) -> int:
    points = np.array([2.0**-7, 0.3, 1.7])
    right, left = truth.at(points)[0], truth.at(-points)[0]
    return 1 if np.array_equal(left, right) else -1 if np.array_equal(left, -right) else 0


def _at_infinity(ground: Ground, near: float, side: int) -> Generator[Candidate, None, float | None]:
    """The series at ±oo that starts closest to ``near``; returns its start, None without one."""
    power = growth(ground.truth, side, False)
    if power is None:
        return None
    room = max([abs(cut) for cut in ground.cuts if cut * side > 0 and abs(cut) < 1e30], default=0.0)
    starts = [s for s in _STARTS if s >= near / 2 and s >= room] or [max(near, room)]

    def graph_of(start: float, degree: int) -> Node | None:
        ends = (start, math.inf) if side > 0 else (-math.inf, -start)
        return ground.fit(charts.infinity(ground.name, *ends, power, degree))

    start, graph = _widest(starts, ground.degrees, graph_of)
    if graph is None:
        return None
    yield Candidate("series at infinity", graph)
    return start


def _widest(
    ends: Sequence[float], degrees: Sequence[int], graph_of: Callable[[float, int], Node | None]
) -> tuple[float, Node | None]:
    """The series of widest interval and its end: the least interval decides on the root it is in."""
    for degree in degrees:
        if not ends:
            break
        least = graph_of(ends[-1], degree)
        if least is not None:
            wider = ((end, graph_of(end, degree)) for end in ends[:-1])
            return next(((end, graph) for end, graph in wider if graph is not None), (ends[-1], least))
    return 0.0, None


def _tail(ground: Ground, near: float, far: float) -> Generator[Candidate, None, float]:
    """Exponential tails from ``far`` towards ``near``; returns how close the closest comes."""
    side = 1 if far > 0 else -1
    for exponent in ground.tails(side):
        power = tail_power(ground.truth, side, exponent)
        if power is None:
            continue
        far = last_normal(ground, near, far)
        starts = []
        for bent in (False, True):
            for share in (0.0, 0.125, 0.25, 0.5):
                start = near + share * (far - near)
                low, high = sorted((start, far))
                middle = charts.short(math.sqrt(abs(low)) * math.sqrt(abs(high))) if bent else None
                chart = charts.exponential_tail(ground.name, low, high, exponent, power, ground.fmt, middle)
                graph = ground.fit(chart)
                if graph is not None:
                    yield Candidate("exponential tail", graph)
                    starts.append(start)
                    break
        if starts:
            return min(starts, key=abs)
    return far


def last_normal(ground: Ground, near: float, far: float) -> float:
    """How far from ``near`` towards ``far`` the function stays within the format's normal range."""
    fmt = ground.fmt

    def inside(x: float) -> bool:
        size = abs(float(ground.truth.at(np.float64(x))[0]))
        return fmt.min_normal <= size <= fmt.max

    if not inside(near) or inside(far):
        return far
    first, last = fmt.ordinal([near, far]).tolist()
    while abs(last - first) > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if inside(float(fmt.number(middle))) else (first, middle)
    return float(fmt.number(first))


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
        at = exact_root(ground.truth, found[0], ground.fmt)
        if at is None:
            return None
        # Room on both sides of the root, so that the quotient is seen smooth across it.
        width = max(high - float(at), float(at) - low, abs(found[0]) / 16)
        ends = (float(at) - width, float(at) + width)
        return ground.fit(charts.root(ground.name, *ends, at, ground.fmt))
    rate = steepness(ground.truth, low, high)
    if rate is not None:
        graph = ground.fit(charts.exponential_slope(ground.name, low, high, rate))
        if graph is not None:
            return graph
    return ground.fit(charts.center(ground.name, low, high))


def far_limits(ground: Ground) -> Iterator[Candidate]:
    """What the function is like so far out that one or two terms are all there is of it."""
    for side in (-1, 1):
        if ground.domain[(side + 1) // 2] != side * math.inf:
            continue
        power = growth(ground.truth, side, False)
        if power is None:
            graph = logarithmic(ground.truth, ground.name, side)
            if graph is not None:
                yield Candidate("logarithmic limit", graph)
        else:
            ends = (FAR_OUT, math.inf) if side > 0 else (-math.inf, -FAR_OUT)
            graph = ground.fit(charts.infinity(ground.name, *ends, power))
            if graph is not None:
                yield Candidate("limit", graph)


def around_root(ground: Ground, near: float) -> Iterator[Candidate]:
    """The root next to ``near`` factored out of a series, over the widest interval where one fits."""
    at = exact_root(ground.truth, near, ground.fmt)
    if at is None or near == 0.0:
        return
    for share in _SHARES:
        width = share * abs(near)
        chart = charts.root(ground.name, near - width, near + width, at, ground.fmt)
        graph = ground.fit(chart)
        if graph is not None:
            yield Candidate("root factored out", graph)
            return
