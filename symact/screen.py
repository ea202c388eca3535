"""Screen: the truth at very many inputs, to far better than a narrow format's digits, and proven.

An interval of inputs shares one Taylor polynomial evaluated in float64. Arb bounds its remainder over the
whole interval, and the roundings of the evaluation are bounded besides; where that bound is too wide the
interval is halved, and where few inputs are left each is evaluated by Arb alone. So what is done once for
each of some hundred intervals of a binade is exact, and what is done for each of its inputs is quick.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy as sp
from flint import arb

from symact.scaled import beyond, multiplied_out
from symact.stabilize.formats import Array, Format
from symact.stabilize.truth import Truth
from symact.taylor import NoSeries, Taylor, series_arithmetic

# The screen's error, in ULP of the format: what it leaves undecided, Arb decides.
MARGIN = 2.0**-18
_PRECISIONS = (128, 512)
# Where an interval has no more inputs than this, each is evaluated by Arb.
_FEW = 6
_ROUNDING = 2.0**-53
# More than all that a polynomial's steps and coefficients may lose below float64's normal range.
_UNDERFLOW = 2.0**-1069


@dataclass(frozen=True)
class _Polynomial:
    """``sum(coefficients[k] * ((x - center) / radius) ** k)``, the function to within the margin."""

    center: float
    radius: float
    coefficients: tuple[float, ...]

    def at(self, points: Array) -> Array:
        scaled = (points - self.center) / self.radius
        total = np.full(points.shape, self.coefficients[-1])
        for coefficient in self.coefficients[-2::-1]:
            total *= scaled
            total += coefficient
        return total


class Screen:
    """The exact values of one expression, known to ``MARGIN`` ULP of ``fmt`` at all its numbers.

    Args:
        expression: the user's own, unrewritten.
        name: its input.
        parameters: values of every other symbol.
        fmt: float16, bfloat16 or float32; or float64's range with at most float32's digits, since float64
            has none of its own to spare for a screen.
        truth: of the same expression; what decides where the screen does not.
        most_single: how many inputs Arb may evaluate one by one in each call.
        most_intervals: how many intervals may be tried in each call.
        length: of the series, the remainder's term included; more is quicker where inputs are sparse.
    """

    def __init__(
        self,
        expression: sp.Expr,
        name: str,
        parameters: dict[str, float],
        fmt: Format,
        truth: Truth,
        most_single: int = 1 << 62,
        most_intervals: int = 1 << 62,
        length: int = 9,
    ) -> None:
        self.fmt, self.truth, self.parameters = fmt, truth, parameters
        self._most_single, self._most_intervals = most_single, most_intervals
        self._length = length
        try:
            self._taylor: Taylor | None = Taylor(expression, name, parameters)
        except NoSeries:
            self._taylor = None

    def parts(self, points: Array) -> Iterator[tuple[slice, Array | None]]:
        """The values at sorted finite ``points``, interval by interval.

        Yields:
            Which of the points, and the values there: NaN where the expression has none, ±inf where they
            exceed the format; None where that would take more than ``most_single`` evaluations or more
            than ``most_intervals`` intervals.
        """
        single = intervals = 0
        stack = [(0, len(points))]
        while stack:
            first, last = stack.pop()
            here = slice(first, last)
            found = None
            if self._taylor is not None and last - first > _FEW and intervals < self._most_intervals:
                intervals += 1
                found = self._polynomial(float(points[first]), float(points[last - 1]))
                if found is None:
                    middle = _between(points, first, last)
                    stack += [(middle, last), (first, middle)]
                    continue
            if found is not None:
                yield here, found.at(points[here])
            elif single + last - first > self._most_single:
                yield here, None
            else:
                single += last - first
                yield here, self.truth.at(points[here], **self.parameters)[0]

    def at(self, points: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The values at sorted finite ``points``, and which of them are known."""
        values, known = np.full(len(points), np.nan), np.ones(len(points), bool)
        for here, part in self.parts(points):
            if part is None:
                known[here] = False
            else:
                values[here] = part
        return values, known

    def _polynomial(self, low: float, high: float) -> _Polynomial | None:
        assert self._taylor is not None
        center = low + (high - low) / 2
        radius = 2.0 ** np.ceil(np.log2(max(high - center, center - low, 2.0**-1000)))
        found = self._taylor.at(arb(low).union(arb(high)), self._length, _PRECISIONS[0])
        overflow = beyond(found, 2 * self.fmt.max)
        if overflow:
            return _Polynomial(center, radius, (overflow * np.inf,))
        with series_arithmetic(self._length, _PRECISIONS[0]):
            whole = multiplied_out(found)
        value = whole[0]
        if not value.is_finite():
            return None
        # A little less than the margin in units of the smallest value: for the float arithmetic on bounds.
        goal = 0.98 * MARGIN * 2.0**-self.fmt.digits
        if value.abs_upper() < goal * self.fmt.min_normal:
            return _Polynomial(center, radius, (0.0,))
        remainder = float((whole[self._length - 1] * arb(radius) ** (self._length - 1)).abs_upper())
        largest = max(float(value.abs_upper()), self.fmt.min_normal)
        if not remainder <= goal * largest:
            return None
        for precision in _PRECISIONS:
            with series_arithmetic(self._length - 1, precision):
                series = multiplied_out(self._taylor.at(arb(center), self._length - 1, precision))
            terms = [series[k] * arb(radius) ** k for k in range(self._length - 1)]
            coefficients = [float(term.mid()) for term in terms]
            sizes = np.abs(coefficients)
            if not np.isfinite(sizes).all():
                return None
            spread = sum(float(term.rad()) for term in terms)
            steps = np.arange(len(terms))
            with np.errstate(over="ignore"):  # an infinite bound is one that does not do
                error = remainder + spread + _ROUNDING * float(np.sum((4 * steps + 4) * sizes)) + _UNDERFLOW
            smallest = max(float(sizes[0] - sizes[1:].sum()) - remainder - spread, self.fmt.min_normal)
            if error <= goal * smallest:
                return _Polynomial(center, radius, tuple(coefficients[: _needed(sizes, goal, smallest)]))
        return None


def _needed(sizes: Array, goal: float, smallest: float) -> int:
    """How many coefficients matter: the rest together are below a hundredth of the margin."""
    tails = np.cumsum(sizes[::-1])[::-1]
    matter = np.flatnonzero(tails > goal * smallest / 128)
    return int(matter[-1]) + 1 if len(matter) else 1


def _between(points: Array, first: int, last: int) -> int:
    """The index that halves an interval of inputs, at zero if it holds that."""
    zero = int(np.searchsorted(points[first:last], 0.0)) + first
    return zero if first < zero < last else (first + last) // 2
