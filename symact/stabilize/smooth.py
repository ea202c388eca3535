"""Smooth: the truth at very many points, interpolated where the function is smooth.

The worst of some millions of results is not among a few hundred of them. Over a short stretch of the line
a smooth function is a polynomial in Chebyshev's basis to nearly all digits of float64 (L. N. Trefethen,
"Approximation Theory and Approximation Practice", 2013), so that some dozen exact values give the truth,
to a small part of a unit in the last place of a narrow format, at as many points of it as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from symact.stabilize.formats import Array, Format
from symact.stabilize.truth import Truth

# Binades that are looked at: of the inputs that functions mostly have and change at.
_FIRST, _LAST = -9, 7
_NODES = 14
# Chebyshev's nodes in (-1, 1), the first of them, and what makes coefficients of the values there.
_AT = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
_COEFFICIENTS = np.linalg.inv(np.polynomial.chebyshev.chebvander(_AT, _NODES - 1))
# A polynomial holds where its last coefficients are this small; else the stretch is halved, so often.
_SETTLED, _LAST_COEFFICIENTS, _HALVINGS = 2.0**-44, 3, 3
# Where it is off by more than this part of a unit in the last place, it says nothing.
_MOST_OFF = 1 / 32


def smooth_points(
    truth: Truth, fmt: Format, domain: tuple[float, float], density: int, seed: int, side: int = 0
) -> tuple[Array, Array]:
    """Sorted numbers of a narrow format, and the truth there.

    Args:
        truth: of a function without parameters.
        fmt: the format; float64 has no digits to spare, and gets no points.
        domain: open interval of the input.
        density: points in each binade.
        seed: what the points are drawn by.
        side: 1 for positive inputs only.
    """
    found = [(np.zeros(0), np.zeros(0))]
    if fmt.digits <= 24:
        random = np.random.default_rng(seed)
        for sign in (1,) if side else (-1, 1):
            for exponent in range(_FIRST, _LAST):
                low, high = sorted((sign * 2.0**exponent, sign * 2.0 ** (exponent + 1)))
                low, high = max(low, domain[0]), min(high, domain[1])
                if low < high:
                    points = np.unique(fmt.round(random.uniform(low, high, density)))
                    found += _stretch(truth, fmt, low, high, points, _HALVINGS)
    points, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(points, kind="stable")
    return points[order], values[order]


def _stretch(
    truth: Truth, fmt: Format, low: float, high: float, points: Array, halvings: int
) -> Iterator[tuple[Array, Array]]:
    middle, radius = low + (high - low) / 2, (high - low) / 2
    values, _ = truth.at(middle + radius * _AT)
    with np.errstate(invalid="ignore"):
        coefficients = _COEFFICIENTS @ values
        size = np.abs(values).max()
        off = np.abs(coefficients[-_LAST_COEFFICIENTS:]).sum()
        settled = off <= _SETTLED * size
    if settled:
        off += 2.0**-50 * size
        found = np.polynomial.chebyshev.chebval((points - middle) / radius, coefficients)
        known = off <= _MOST_OFF * fmt.ulp(found)
        yield points[known], found[known]
    elif halvings and np.isfinite(size):
        yield from _stretch(truth, fmt, low, middle, points[points < middle], halvings - 1)
        yield from _stretch(truth, fmt, middle, high, points[points >= middle], halvings - 1)
