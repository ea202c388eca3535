"""Smooth: the truth at very many points, interpolated where the function is smooth.

The worst of some millions of results is not among a few hundred of them. Over a short stretch of the line
a smooth function is a polynomial in Chebyshev's basis to nearly all digits of float64 (L. N. Trefethen,
"Approximation Theory and Approximation Practice", 2013), so that some dozen exact values give the truth,
to a small part of a unit in the last place of a narrow format, at as many points of it as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from symact.stabilize.formats import Array, Format
from symact.stabilize.truth import Truth

# Binades [2^k, 2^(k+1)) that are looked at: those of the inputs that functions mostly have and change at, and
# some of the others.
_NEAR = range(-9, 7)
_FAR = (-100, -60, -40, -26, -18, -13, -11, 7, 9, 11, 14, 19, 25, 31, 42, 60, 100)
_NODES = 20
# Chebyshev's nodes in (-1, 1), the first of them, and what makes coefficients of the values there.
_AT = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
_COEFFICIENTS = np.linalg.inv(np.polynomial.chebyshev.chebvander(_AT, _NODES - 1))
# What share of the points those others get.
_FAR_SHARE = 1 / 8
# A polynomial holds where its last coefficients are this small; else the stretch is halved, so often.
_SETTLED, _LAST_COEFFICIENTS, _HALVINGS = 2.0**-44, 3, 4
# Where it is off by more than this part of a unit in the last place, it says nothing.
_MOST_OFF = 1 / 32


@dataclass(frozen=True, eq=False)
class Stretch:
    """A polynomial in Chebyshev's basis on [low, high), how far it is off at most, and what share of a
    binade's points it gets."""

    low: float
    high: float
    coefficients: Array
    off: float
    share: float

    def at(self, points: Array) -> Array:
        middle, radius = self.low + (self.high - self.low) / 2, (self.high - self.low) / 2
        return np.asarray(np.polynomial.chebyshev.chebval((points - middle) / radius, self.coefficients))


@dataclass(frozen=True, eq=False)
class Smooth:
    """Where a function is smooth, sorted, and what it is there."""

    fmt: Format
    stretches: tuple[Stretch, ...]

    def sample(self, density: int, seed: int) -> tuple[Array, Array]:
        """About ``density`` sorted numbers of the format in each binade, and the truth there."""
        random = np.random.default_rng(seed)
        points, values = [np.zeros(0)], [np.zeros(0)]
        for stretch in self.stretches:
            drawn = random.uniform(stretch.low, stretch.high, math.ceil(stretch.share * density))
            drawn = np.unique(self.fmt.round(drawn))
            drawn = drawn[(drawn >= stretch.low) & (drawn < stretch.high)]
            found = stretch.at(drawn)
            known = stretch.off <= _MOST_OFF * self.fmt.ulp(found)
            points.append(drawn[known])
            values.append(found[known])
        return np.concatenate(points), np.concatenate(values)


def smooth(truth: Truth, fmt: Format, domain: tuple[float, float]) -> Smooth:
    """Where the truth can be interpolated, among the inputs that functions mostly have.

    Args:
        truth: of a function without parameters.
        fmt: the format; float64 has no digits to spare, and gets no stretches.
        domain: open interval of the input.
    """
    found: list[Stretch] = []
    for sign in (-1, 1) if fmt.digits <= 24 else ():
        for exponent in (*_NEAR, *_FAR):
            low, high = sorted((sign * 2.0**exponent, sign * 2.0 ** (exponent + 1)))
            low, high = max(low, domain[0]), min(high, domain[1])
            if low < high:
                share = (high - low) / 2.0**exponent
                if exponent in _NEAR:
                    found += _stretches(truth, low, high, share, _HALVINGS)
                else:
                    found += _stretches(truth, low, high, share * _FAR_SHARE, 0)
    return Smooth(fmt, tuple(sorted(found, key=lambda stretch: stretch.low)))


def _stretches(truth: Truth, low: float, high: float, share: float, halvings: int) -> Iterator[Stretch]:
    middle, radius = low + (high - low) / 2, (high - low) / 2
    values, _ = truth.at(middle + radius * _AT)
    with np.errstate(invalid="ignore"):
        coefficients = _COEFFICIENTS @ values
        size = np.abs(values).max()
        off = np.abs(coefficients[-_LAST_COEFFICIENTS:]).sum()
    if off <= _SETTLED * size:
        yield Stretch(low, high, coefficients, float(off + 2.0**-50 * size), share)
    elif halvings and np.isfinite(size):
        yield from _stretches(truth, low, middle, share / 2, halvings - 1)
        yield from _stretches(truth, middle, high, share / 2, halvings - 1)
