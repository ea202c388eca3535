"""Asymptotics: how a function behaves towards 0 and ±oo, read off exact values far out."""

from __future__ import annotations

import math
from functools import lru_cache

import sympy as sp
from flint import arb

from symact.graph import Node, const, node, var
from symact.stabilize.charts import rational_power
from symact.stabilize.exponents import Exponent
from symact.stabilize.truth import Truth

_PRECISION = 512
# Exponents of two at which the size of a function near 0 or infinity is compared; the closer ones for
# formulas with exponentials that Arb cannot hold at the others.
_DISTANT, _CLOSER = (400, 600, 800), (26, 32, 38)
# Beyond these a power, and a rate of growth, is none that a formula has.
_LARGEST_POWER, _RATES = 40, 12


@lru_cache(maxsize=256)
def growth(truth: Truth, side: int, near_zero: bool) -> sp.Rational | None:
    """The rational p for which the function behaves as |x|**p towards 0 or ±oo; None without one."""
    direction = -1 if near_zero else 1
    for doublings, tolerance in ((_DISTANT, 1e-9), (_CLOSER, 1e-6)):
        sizes = _sizes(truth, side, direction, doublings)
        if sizes is not None:
            slope = _slope(sizes[0], sizes[1], doublings[1] - doublings[0]) * direction
            return _nearest(slope, tolerance)
    return None


@lru_cache(maxsize=256)
def logarithmic(truth: Truth, name: str, side: int) -> Node | None:
    """The graph of |x|**p·(a·log|x| + b), where the function behaves so towards ±oo; else None."""
    sizes = _sizes(truth, side, 1, _DISTANT)
    if sizes is None:
        return None
    power = _nearest(_slope(sizes[1], sizes[2], _DISTANT[2] - _DISTANT[1]), 1e-2)
    if power is None:
        return None
    at = [arb(2).log() * exponent for exponent in _DISTANT]
    sign = truth.ball(side * arb(2) ** _DISTANT[0], {}, 8 * _PRECISION).sgn()
    rests = [size / (log * int(power.p) / int(power.q)).exp() for size, log in zip(sizes, at, strict=True)]
    slope = (rests[1] - rests[0]) / (at[1] - at[0])
    offset = rests[0] - slope * at[0]
    if not abs(slope * at[2] + offset - rests[2]) < abs(rests[2]) * arb(2) ** -100:
        return None
    size = node("abs", var(name))
    result = const(float(slope * sign)) * node("log", size)
    if abs(offset) > arb(2) ** -100:
        result = result + const(float(offset * sign))
    for factor in rational_power(size, power):
        result = factor.applied(result)
    return result


@lru_cache(maxsize=256)
def rate(truth: Truth, side: int) -> Exponent | None:
    """The exponent r·x for which the function behaves as exp(r·x)·|x|**p towards ±oo; None without."""
    logs = []
    for exponent in (14, 15, 16):
        size = abs(truth.ball(side * arb(2) ** exponent, {}, 16 * _PRECISION))
        if not (size.is_finite() and size > 0):
            return None
        logs.append(size.log())
    slope = float((logs[2] - 2 * logs[1] + logs[0]).mid()) / 2.0**14 * side
    whole = round(slope * _RATES)
    if whole == 0 or abs(slope * _RATES - whole) > 1e-6 or abs(slope) > _LARGEST_POWER:
        return None
    return Exponent((sp.Rational(whole, _RATES),))


@lru_cache(maxsize=256)
def tail_power(truth: Truth, side: int, exponent: Exponent) -> sp.Rational | None:
    """The rational p for which the function behaves as exp(exponent)·|x|**p; None without one."""
    quotients = []
    for size in (24, 48):  # far enough to see the power, near enough for Φ(x) - 1 in 16,384 bits
        at = arb(side * size)
        value = truth.sharp(at, {}, _PRECISION)
        if value is None or value.is_zero():
            return None
        quotients.append(abs(value / exponent.at(at).exp()))
    return _nearest(_slope(quotients[0], quotients[1], 1), 0.05)


def steepness(truth: Truth, low: float, high: float) -> float | None:
    """The power of two closest to the logarithmic slope between two points, signed; None if flat."""
    sizes = [abs(truth.ball(end, {}, _PRECISION)) for end in (low, high)]
    if not all(size.is_finite() and size > 0 for size in sizes):
        return None
    slope = float(((sizes[1] / sizes[0]).log() / (high - low)).mid())
    if not abs(slope) * (high - low) >= 2.0:  # nor where it is no number: the interval is too narrow
        return None
    return math.copysign(2.0 ** round(math.log2(abs(slope))), slope)


def _sizes(truth: Truth, side: int, direction: int, doublings: tuple[int, ...]) -> list[arb] | None:
    """|f| at points many orders from each other; None if one is 0 or unknown."""
    sizes = [abs(truth.ball(side * arb(2) ** (direction * count), {}, 8 * _PRECISION)) for count in doublings]
    return sizes if all(size.rel_accuracy_bits() > 64 for size in sizes) else None


def _slope(first: arb, second: arb, doublings: int) -> arb:
    return (second / first).log() / arb(2).log() / doublings


def _nearest(slope: arb, tolerance: float) -> sp.Rational | None:
    """The rational of denominator 1, 2 or 3 at ``slope``; None if there is none."""
    if not slope.is_finite() or not abs(slope) < _LARGEST_POWER:
        return None
    value = float(slope.mid())
    for denominator in (1, 2, 3):
        whole = round(value * denominator)
        if abs(value - whole / denominator) < tolerance:
            return sp.Rational(whole, denominator)
    return None
