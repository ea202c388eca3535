"""Scaled: series times exponentials that are kept apart, so that huge ones cancel exactly.

Over an interval, exp(x) and 1 + exp(x) are wide balls, and their quotient is wider still, though it is
close to 1 all over. Here the second is exp(x)·(1 + exp(-x)), and the quotient 1/(1 + exp(-x)). These are the
same numbers; only what a ball would forget, that both exponentials are of one and the same x, is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import arb, arb_series

from symact.graph import Node, exact

# Exponents below this in size are exponentiated at once.
_LARGE = 24


@dataclass(frozen=True)
class Scaled:
    """``mantissa · exp(Σ coefficient · series)``; exponents by the graph node that they are values of."""

    mantissa: arb_series
    exponents: dict[Node, tuple[sp.Rational, arb_series]]

    def exponent(self) -> arb_series:
        """The sum in the exponential."""
        total = arb_series([0])
        for coefficient, series in self.exponents.values():
            total = total + series * (arb(int(coefficient.p)) / int(coefficient.q))
        return total

    def plain(self) -> arb_series:
        """The product, multiplied out."""
        return self.mantissa * self.exponent().exp() if self.exponents else self.mantissa

    def times(self, other: Scaled, sign: int) -> Scaled:
        """The product with ``other`` (sign 1) or the quotient by it (sign -1)."""
        factor = other.mantissa if sign > 0 else 1 / other.mantissa
        exponents = dict(self.exponents)
        for node, (coefficient, series) in other.exponents.items():
            summed = sign * coefficient + exponents.get(node, (sp.S.Zero, series))[0]
            exponents[node] = (summed, series)
        return Scaled(self.mantissa * factor, _without_zeros(exponents))

    def to_the(self, power: sp.Rational, mantissa: arb_series) -> Scaled:
        """``mantissa`` with the exponents times ``power``."""
        return Scaled(mantissa, {node: (power * c, s) for node, (c, s) in self.exponents.items()})


def _without_zeros(exponents: dict[Node, tuple[Any, arb_series]]) -> dict[Node, tuple[Any, arb_series]]:
    return {node: pair for node, pair in exponents.items() if pair[0] != 0}


def as_scaled(value: Any) -> Scaled:
    """``value`` with no exponential kept apart, unless it has one."""
    return value if isinstance(value, Scaled) else Scaled(value, {})


def multiplied_out(value: Any) -> Any:
    """``value`` as a plain series, if it is scaled."""
    return value.plain() if isinstance(value, Scaled) else value


def beyond(value: Any, bound: float) -> int:
    """The sign of ``value`` where it is larger than ``bound`` in size all over its ball, else 0."""
    scaled = as_scaled(value)
    mantissa = scaled.mantissa[0]
    if mantissa.is_finite() and scaled.exponents:
        # As a ball the product would hold 0; its lower bound does not.
        lowest = scaled.exponent()[0].lower().exp() * mantissa.abs_lower()
    else:
        lowest = mantissa.abs_lower()
    return int(float(mantissa.sgn())) if lowest > bound else 0


def exponential(argument: Node, series: arb_series) -> Any:
    """``exp(argument)``, scaled where ``series``, the argument's, is large all over its ball."""
    if not series[0].abs_lower() > _LARGE:
        return series.exp()
    coefficient: sp.Rational = sp.S.One
    while argument.op in ("neg", "mul", "div"):
        if argument.op == "neg":
            coefficient, argument = -coefficient, argument.args[0]
            continue
        numbers = [i for i, arg in enumerate(argument.args) if arg.op == "const" and exact(arg).is_Rational]
        if not numbers or (argument.op == "div" and numbers != [1]):
            break
        number = exact(argument.args[numbers[0]])
        if number == 0:
            break
        coefficient = coefficient * number if argument.op == "mul" else coefficient / number
        argument = argument.args[1 - numbers[0]]
    base = series * (arb(int(coefficient.q)) / int(coefficient.p))
    return Scaled(arb_series([1]), {argument: (coefficient, base)})


def _sum(a: Any, b: Any, sign: int) -> Any:
    first, second = as_scaled(a), as_scaled(b)
    one = arb_series([1])
    apart = Scaled(one, second.exponents).times(Scaled(one, first.exponents), -1)
    if not apart.exponents:
        return Scaled(first.mantissa + sign * second.mantissa, first.exponents)
    difference = apart.exponent()
    if difference[0] < 0:  # the first has the larger exponential
        return Scaled(first.mantissa + sign * second.mantissa * difference.exp(), first.exponents)
    if difference[0] > 0:
        return Scaled(first.mantissa * (-difference).exp() + sign * second.mantissa, second.exponents)
    return first.plain() + sign * second.plain()


def _log(a: Scaled) -> arb_series:
    return a.exponent() + a.mantissa.log()


def _power(a: Any, exponent: Any) -> Any:
    whole = exponent[0].unique_fmpz() if isinstance(exponent, arb_series) and exponent.length() <= 1 else None
    if whole is None or not exponent[0].is_exact() or abs(int(whole)) > 1024:
        return None
    base = as_scaled(a)
    return base.to_the(sp.Integer(int(whole)), base.mantissa ** int(whole))


# What is done with scaled arguments; every other op multiplies them out first.
SCALED: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: _sum(a, b, 1),
    "sub": lambda a, b: _sum(a, b, -1),
    "mul": lambda a, b: as_scaled(a).times(as_scaled(b), 1),
    "div": lambda a, b: as_scaled(a).times(as_scaled(b), -1),
    "neg": lambda a: a.to_the(sp.S.One, -a.mantissa),
    "square": lambda a: a.to_the(sp.Integer(2), a.mantissa * a.mantissa),
    "sqrt": lambda a: a.to_the(sp.S.Half, a.mantissa.sqrt()),
    "log": _log,
    "log1p": lambda a: _log(as_scaled(_sum(a, arb_series([1]), 1))),
    "pow": _power,
}


def hyperbolic(argument: Node, series: arb_series, sign: int) -> Any:
    """``cosh(argument)`` (sign 1) or ``sinh(argument)`` (sign -1), scaled; None where it is not large."""
    if not series[0].abs_lower() > _LARGE:
        return None
    up = exponential(argument, series)
    down = up.to_the(sp.S.NegativeOne, up.mantissa)
    return as_scaled(_sum(up, down, sign)).times(Scaled(arb_series([arb(0.5)]), {}), 1)
