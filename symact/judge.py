"""Judge: the truth of a formula and of its derivatives, and the error of anyone's results against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import sympy as sp

from symact.derive import differentiate, switches
from symact.formula import Formula
from symact.numbers import as_float
from symact.screen import MARGIN, Screen
from symact.stabilize.formats import FLOAT32, FLOAT64, Array, Format
from symact.stabilize.sampling import roots, sample, switch_zeros
from symact.stabilize.score import WRONG, ulp_error
from symact.stabilize.truth import Truth

_GRID = 800
_SEED = 1
# How many numbers on either side of a kink belong to it.
_KINK_WIDTH = 2
# Truths up to this many times the smallest normal number may be flushed to zero.
_FLUSHED_BELOW = 4.0


class Judge:
    """Errors of a formula's value and derivatives in one format, by the exact values.

    Args:
        formula: elementwise; its parameters are taken at their defaults.
        fmt: the format whose numbers are judged.
        columns: how many of value, derivative and second derivative are to be judged.
        parameters: whose derivatives are judged besides; their orders follow on those columns.
    """

    def __init__(
        self, formula: Formula, fmt: Format, columns: int = 3, parameters: Sequence[str] = ()
    ) -> None:
        self.fmt, self.parameters = fmt, formula.defaults
        self.domain = (as_float(formula.domain[0]), as_float(formula.domain[1]))
        self._name = formula.inputs[0]
        self.expressions = _derivatives(formula, columns)
        self.expressions += [differentiate(formula.expression, formula.symbol(p)) for p in parameters]
        self.kinks = self._kinks()
        forgiven = frozenset(self.kinks)
        self.truths = [
            Truth(e, self._name, forgiven if order else frozenset())
            for order, e in enumerate(self.expressions)
        ]

    def _kinks(self) -> list[float]:
        grid = sample(FLOAT64, self.domain, _GRID, _SEED)
        found: set[float] = set()
        for switch in switches(self.expressions[0]):
            truth = Truth(switch, self._name)
            for zero in switch_zeros(switch, self._name, grid, FLOAT64, self.parameters):
                # Bisection ends on the number before the zero; the next may be the zero itself.
                following = float(np.nextafter(zero, np.inf))
                exact = truth.at(following, **self.parameters)[0] == 0.0
                found.add(following if exact else zero)
        return sorted(found)

    def bounds(self) -> tuple[float, float]:
        """The domain's ends, or the format's where it is wider."""
        return max(self.domain[0], -self.fmt.max), min(self.domain[1], self.fmt.max)

    def critical(self) -> list[float]:
        """Numbers of the format where something happens: kinks, and roots of each column."""
        grid = sample(self.fmt, self.domain, _GRID, _SEED)
        found = list(self.kinks)
        for truth in self.truths:
            values, _ = truth.at(grid, **self.parameters)
            found += roots(truth, grid, values, self.fmt, **self.parameters)
        return found

    def screen(self, order: int, **limits: int) -> Screen:
        """The quick way to the truth of one column, to ``screened_to`` ULP; ``limits`` as ``Screen`` has."""
        expression, truth = self.expressions[order], self.truths[order]
        return Screen(expression, self._name, self.parameters, self._coarse, truth, **limits)

    @property
    def _coarse(self) -> Format:
        """The format to whose digits one screens: of float64's a screen in float64 can settle but some."""
        return replace(FLOAT64, digits=FLOAT32.digits) if self.fmt == FLOAT64 else self.fmt

    def screened_to(self) -> float:
        """How large an error in ULP the screen can tell from none."""
        return MARGIN * 2.0 ** (self.fmt.digits - self._coarse.digits)

    def truth(self, order: int, points: Array) -> tuple[Array, Array, bool]:
        """Exact values at sorted ``points``, as sums of two, and whether they are proven to all digits.

        Where they are not, they are good to ``MARGIN`` ULP; ``errors`` settles what that leaves open.
        """
        if self.fmt == FLOAT64:
            return *self.truths[order].at(points, **self.parameters), True
        values = np.full(points.shape, np.nan)
        finite = np.isfinite(points)
        values[finite], _ = self.screen(order).at(points[finite])
        values[~finite] = self.truths[order].at(points[~finite], **self.parameters)[0]
        return values, np.zeros(points.shape), False

    def errors(
        self,
        order: int,
        points: Array,
        truth: tuple[Array, Array, bool],
        results: Array,
        most_ties: int = 1 << 62,
    ) -> tuple[Array, int]:
        """Errors in ULP of ``results`` at sorted ``points``; 0 for every subgradient at a kink.

        Returns:
            The errors, and how many near-ties are left open: more than ``most_ties`` are not settled.
        """
        if not len(points):
            return np.zeros(0), 0
        high, low, proven = truth
        errors = None if proven else _plain_errors(results, high, self.fmt)
        if errors is None:
            errors = ulp_error(results, high, low, self.fmt)
        left = 0 if proven else self._settle(order, points, results, errors, most_ties)
        if order:
            self._forgive(order, points, results, errors)
        if not self.fmt.gradual:
            # Close to the smallest normal number a factor may be flushed before the product is.
            low_end = np.abs(high) < _FLUSHED_BELOW * self.fmt.min_normal
            errors[low_end & (np.abs(results) <= self.fmt.min_normal)] = 0.0
        return self._flushed(order, points, results, errors), left

    def _settle(self, order: int, points: Array, results: Array, errors: Array, most_ties: int) -> int:
        """Decide by Arb, in place, whether near-ties are rounded correctly, and the worst error.

        Returns:
            How many near-ties are left open, being too many.
        """
        ties = np.flatnonzero(np.abs(errors - 0.5) <= 2 * MARGIN)
        left = len(ties) if len(ties) > most_ties else 0
        worst = int(np.argmax(np.where(np.isfinite(results), errors, -1.0)))
        at = np.append(ties[: 0 if left else None], worst)
        high, low = self.truths[order].at(points[at], **self.parameters)
        errors[at] = ulp_error(results[at], high, low, self.fmt)
        return left

    def _forgive(self, order: int, points: Array, results: Array, errors: Array) -> None:
        """Set errors to 0, in place, where a result lies between the two sides' derivatives at a kink."""
        for kink in self.kinks:
            rounded = float(self.fmt.round(np.float64(kink)))
            # The rounding of what is compared at a switch shifts the kink to a number next to it.
            around = np.arange(-_KINK_WIDTH - 1, _KINK_WIDTH + 2)
            near = self.fmt.number(self.fmt.ordinal([rounded]) + around)
            if points[-1] < near[0] or points[0] > near[-1]:
                continue
            at = np.flatnonzero(np.isin(points, near[1:-1]))
            if len(at):
                # The limits at the kink; and beyond its neighbours, since it may lie between two numbers.
                sides = [self.truths[order].side(kink, side, self.parameters) for side in (-1, 1)]
                outside, _ = self.truths[order].at(near[[0, -1]], **self.parameters)
                low, high = min(*sides, *outside), max(*sides, *outside)
                slack = 4 * self.fmt.epsilon * max(abs(low), abs(high))
                right = (results[at] >= low - slack) & (results[at] <= high + slack)
                errors[at[right]] = 0.0

    def _flushed(self, order: int, points: Array, results: Array, errors: Array) -> Array:
        """Errors where TensorFlow may take a subnormal input for zero: the smaller of both readings."""
        tiny = (np.abs(points) < self.fmt.min_normal) & (points != 0.0)
        if self.fmt.gradual or not tiny.any():
            return errors
        high, low = self.truths[order].at(0.0, **self.parameters)
        if np.isnan(high) or not self.domain[0] < 0.0 < self.domain[1]:
            return np.where(tiny, 0.0, errors)
        count = int(np.count_nonzero(tiny))
        at_zero = ulp_error(results[tiny], np.full(count, high), np.full(count, low), self.fmt)
        if order:
            self._forgive(order, np.zeros(count), results[tiny], at_zero)
        errors[tiny] = np.minimum(errors[tiny], at_zero)
        return errors


def _plain_errors(results: Array, truth: Array, fmt: Format) -> Array | None:
    """As ``ulp_error``, in a third of the time, where all numbers are normal; None where some are not.

    A sweep spends most of its time on this.
    """
    sizes = np.abs(truth)
    if not (
        np.isfinite(results).all()
        and sizes.min(initial=1.0) > fmt.min_normal * (1 + 128 * fmt.epsilon)
        and sizes.max(initial=1.0) < fmt.max * (1 - 32 * fmt.epsilon)
    ):
        return None
    # 2**-e for a truth of exponent e, by its bits: the exponent field is 1023 + e.
    biased = truth.view(np.int64) >> 52 & 0x7FF
    inverse = (2046 - biased << 52).view(np.float64)
    errors: Array = np.abs(results - truth) * inverse * 2.0 ** (fmt.digits - 1)
    return np.minimum(errors, WRONG / 2)


def _derivatives(formula: Formula, columns: int) -> list[sp.Expr]:
    by = formula.symbol(formula.inputs[0])
    found = [formula.expression]
    while len(found) < columns:
        found.append(differentiate(found[-1], by))
    return found
