"""Truth: what vector–Jacobian products are compared with, and what counts as right at a kink."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from flint import arb

from symact.formula import Formula
from symact.stabilize.formats import Array, Format
from symact.vjps.exact import Balls, Exact, Jacobian, working

VALUE = "value"
_PRECISIONS = (192, 1024, 4096)
# A ball is narrow enough when it is this much narrower than the largest one of its row.
_NARROW = 2.0**-80
# Below this power of two a result is 0 in every format.
_NOTHING = -1100
# At a kink the sides are looked at this power of two close to it; what is this large there has no bound.
_NEAR, _NEAR_PRECISION = -1100, 4096
_UNBOUNDED = 2.0**400
_TIES = (0.0, 0.5, 1.0)
_SEED = 2
# Truths up to this many times the smallest normal number may be flushed to zero.
FLUSHED_BELOW = 4.0
_MIXED_DIRECTIONS, _MOST_SINGLE_DIRECTIONS = 4, 24
# The rounding of what is compared at a switch moves it to a point so many ULP away.
_KINK_WIDTH = 2


@dataclass(frozen=True)
class Row:
    """One true result: every element between ``low`` and ``high``, which differ at kinks only.

    Attributes:
        low, high: NaN where there is no true value; infinite where it has no bound.
        rest: what is to be added to both.
        scale: the size that errors are measured by; 0 where everything is 0.
        largest: the largest that the derivatives' sizes by one element add up to, times the largest
            element of the cotangent.
    """

    low: Array
    high: Array
    rest: Array
    scale: float
    largest: float

    def united(self, other: Row) -> Row:
        """What lies between the two."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        scale, largest = max(self.scale, other.scale), max(self.largest, other.largest)
        return Row(low, high, 0 * self.rest, scale, largest)


Rows = dict[str, list[Row]]  # by column; the value has one row, a gradient one for each cotangent


class VjpTruth:
    """Exact values and vector–Jacobian products of one formula, for numbers of one format.

    Args:
        formula: over an axis or elementwise; parameters are taken at their defaults.
        fmt: whose numbers are given.
    """

    def __init__(self, formula: Formula, fmt: Format) -> None:
        self.fmt = fmt
        self._formula = formula
        self._exact = Exact(formula)
        self._domain = formula.domain
        self.has_kinks = self._exact.has_kinks

    def at(self, inputs: Mapping[str, Array], cotangents: Array) -> Rows:
        """The true results at one point, for every row of ``cotangents``.

        A number so small that TensorFlow may take it, or its half, for 0 is taken for either.
        """
        rows = self._at(inputs, cotangents)
        floor = FLUSHED_BELOW * self.fmt.min_normal
        small = {name: (np.abs(values) < floor) & (values != 0.0) for name, values in inputs.items()}
        if self.fmt.gradual or not any(where.any() for where in small.values()):
            return rows
        flushed = {name: np.where(small[name], 0.0, values) for name, values in inputs.items()}
        return _united(rows, self._at(flushed, cotangents))

    def _at(self, inputs: Mapping[str, Array], cotangents: Array) -> Rows:
        length, size = _length(inputs), cotangents.shape[1]
        for precision in _PRECISIONS:
            with working(precision):
                found = self._exact.at(_balls(inputs), length, size, precision)
                if not found.smooth:
                    break
                if found.is_finite() and _is_narrow(found, last=precision == _PRECISIONS[-1]):
                    return self._rows(found, cotangents)
        sides = self._between(inputs, cotangents, self._near(inputs), _NEAR_PRECISION)
        # A rule for each kink, applied to all alike, may add up to what is none of the sides'.
        for tie in () if found.smooth else _TIES:
            with working(_PRECISIONS[0]):
                found = self._exact.at(_balls(inputs), length, size, _PRECISIONS[0], tie)
                if found.is_finite():
                    sides = _united(sides, self._rows(found, cotangents))
        return sides

    def beside(self, inputs: Mapping[str, Array], cotangents: Array) -> Rows:
        """As ``at``, with all that is true a few ULP away: where a switch may go another way there."""

        def step(values: Array, direction: Array) -> list[arb]:
            steps = _KINK_WIDTH * self.fmt.ulp(values) * np.sign(direction)
            return [arb(v) + arb(s) for v, s in zip(values.tolist(), steps.tolist(), strict=True)]

        return self._between(inputs, cotangents, step, _PRECISIONS[1])

    def _near(self, inputs: Mapping[str, Array]) -> Callable[[Array, Array], list[arb]]:
        scale = max((float(np.abs(v).max(initial=0.0)) for v in inputs.values()), default=0.0) or 1.0

        def step(values: Array, direction: Array) -> list[arb]:
            size = arb(scale) * arb(2) ** _NEAR
            return [arb(v) + arb(d) * size for v, d in zip(values.tolist(), direction.tolist(), strict=True)]

        return step

    def _between(
        self,
        inputs: Mapping[str, Array],
        cotangents: Array,
        step: Callable[[Array, Array], list[arb]],
        precision: int,
    ) -> Rows:
        """What lies between the results on all sides of a point."""
        length, size = _length(inputs), cotangents.shape[1]
        whole: Rows = {}
        for direction in self._directions(inputs):
            with working(precision):
                moved = {name: step(values, direction[name]) for name, values in inputs.items()}
                found = self._exact.at(moved, length, size, precision)
                if not found.is_finite():
                    continue  # outside the domain, or on another kink
                rows = self._rows(found, cotangents)
            whole = _united(whole, rows) if whole else rows
        if whole:
            return {name: [_unbounded(row) for row in rows] for name, rows in whole.items()}
        nothing = {VALUE: [_none(size)]}
        return nothing | {n: [_none(len(v))] * len(cotangents) for n, v in inputs.items()}

    def _directions(self, inputs: Mapping[str, Array]) -> Iterable[dict[str, Array]]:
        """Both ways along every element (of many, some), along all of them, and a few mixed ones."""
        sizes = {name: len(values) for name, values in inputs.items()}
        total = sum(sizes.values())
        mixed = np.random.default_rng(_SEED).normal(size=(_MIXED_DIRECTIONS, total))
        single = np.eye(total)[:: -(-total // _MOST_SINGLE_DIRECTIONS)]
        for direction in np.concatenate([single, np.ones((1, total)), mixed]):
            parts = np.split(direction, np.cumsum(list(sizes.values()))[:-1])
            for sign in (1.0, -1.0):
                yield {name: sign * part for name, part in zip(sizes, parts, strict=True)}

    def _rows(self, found: Jacobian, cotangents: Array) -> Rows:
        size = max(map(_size, found.value))
        rows = {VALUE: [_row(found.value, size, size)]}
        for name in self._exact.variables:
            jacobian = [row[name] for row in found.rows]
            sizes = np.array([[_size(ball) for ball in row] for row in jacobian])
            rows[name] = [_product(jacobian, sizes, cotangent) for cotangent in cotangents]
        return rows


def _product(jacobian: list[Balls], sizes: Array, cotangent: Array) -> Row:
    """One vector–Jacobian product.

    Its scale is the largest sum of its terms' sizes: the largest element's own size, but where the
    terms cancel; and where all of it is 0, what the whole Jacobian's would be.
    """
    terms = [(float(u), row) for u, row in zip(cotangent, jacobian, strict=True) if u]
    total = [
        sum((u * row[i] for u, row in terms[1:]), terms[0][0] * terms[0][1][i]) for i in range(sizes.shape[1])
    ]
    scale = float((np.abs(cotangent) @ sizes).max())
    largest = float(sizes.sum(axis=0).max() * np.abs(cotangent).max())
    return _row(total, scale or largest, largest)


def _row(balls: Balls, scale: float, largest: float) -> Row:
    pairs = [_split(ball) for ball in balls]
    high, low = (np.array(part) for part in zip(*pairs, strict=True))
    return Row(high, high, low, scale, largest)


def _split(ball: arb) -> tuple[float, float]:
    """The middle as a sum of two floats."""
    if ball.contains(0):
        return 0.0, 0.0
    middle = ball.mid()
    high = float(middle)
    return (high, 0.0) if not math.isfinite(high) else (high, float(middle - arb(high)))


def _united(one: Rows, other: Rows) -> Rows:
    return {name: [a.united(b) for a, b in zip(rows, other[name], strict=True)] for name, rows in one.items()}


def _is_nothing(ball: arb) -> bool:
    return bool(ball.abs_upper() < arb(2) ** _NOTHING)


def _size(ball: arb) -> float:
    """The size of a number; 0 for a ball that is about 0."""
    return 0.0 if ball.contains(0) or _is_nothing(ball) else min(abs(float(ball.mid())), _UNBOUNDED**2)


def _is_narrow(found: Jacobian, *, last: bool) -> bool:
    """Whether every row's balls are narrow beside its largest one; at ``last`` a row may be about 0."""
    rows = [found.value, *(balls for row in found.rows for balls in row.values())]
    for row in rows:
        bound = max(abs(ball.mid()) for ball in row) * _NARROW
        if not all(ball.rad() <= bound or _is_nothing(ball) for ball in row) and not last:
            return False
    return True


def _unbounded(row: Row) -> Row:
    """``row``, with no bounds where one of them is too large to be one."""
    beyond = np.maximum(np.abs(row.low), np.abs(row.high)) > _UNBOUNDED
    low, high = np.where(beyond, -np.inf, row.low), np.where(beyond, np.inf, row.high)
    scale = float(np.maximum(np.abs(low), np.abs(high))[~beyond].max(initial=0.0))
    return Row(low, high, row.rest, scale, max(scale, min(row.largest, _UNBOUNDED)))


def _none(size: int) -> Row:
    empty = np.full(size, np.nan)
    return Row(empty, empty, np.zeros(size), 0.0, 0.0)


def _balls(inputs: Mapping[str, Array]) -> dict[str, Balls]:
    return {name: [arb(v) for v in values.tolist()] for name, values in inputs.items()}


def _length(inputs: Mapping[str, Array]) -> int:
    return max(map(len, inputs.values()))
