"""Exponentials: those of a formula, gathered by what their exponents are integer multiples of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp

from symact.convert import to_graph
from symact.expressions import dag, rewrite
from symact.graph import Node, const, node
from symact.stabilize.truth import Truth

# Above this power of an exponential SymPy's polynomial arithmetic takes seconds.
_HIGHEST_POWER = 12

_HYPERBOLIC = {
    sp.tanh: lambda e: (e**2 - 1) / (e**2 + 1),
    sp.coth: lambda e: (e**2 + 1) / (e**2 - 1),
    sp.sinh: lambda e: (e - 1 / e) / 2,
    sp.cosh: lambda e: (e + 1 / e) / 2,
    sp.sech: lambda e: 2 * e / (e**2 + 1),
    sp.csch: lambda e: 2 * e / (e**2 - 1),
}


def to_exponentials(expression: sp.Expr) -> sp.Expr:
    """Hyperbolic functions as exponentials (``tanh(log(v))`` gets rational in v), sinc as a quotient."""

    def visit(current: sp.Basic) -> sp.Basic:
        if isinstance(current, sp.sinc):
            return sp.sin(current.args[0]) / current.args[0]
        spelled = _HYPERBOLIC.get(type(current))
        return spelled(sp.exp(current.args[0])) if spelled else current

    return rewrite(expression, visit)


def exponents_in(expression: sp.Expr, name: str) -> list[sp.Expr]:
    """What is exponentiated in ``expression`` and holds the input."""
    symbol = sp.Symbol(name, real=True)
    found = (e for e in dag(expression) if isinstance(e, sp.exp) and symbol in e.free_symbols)
    return [e.args[0] for e in found]


@dataclass(frozen=True)
class Exponentials:
    """Exponentials whose exponents are integer multiples of one: exp(k·u) = t**(-k·sign)."""

    exponent: sp.Expr
    sign: int
    symbol: sp.Symbol

    def spelled(self, argument: sp.Expr) -> sp.Expr | None:
        """exp(argument) as a power of the symbol, or None if it is not of this family."""
        ratio = sp.cancel(argument / self.exponent)
        return self.symbol ** (-ratio * self.sign) if ratio.is_Integer else None

    @property
    def magnitude(self) -> sp.Expr:
        return self.sign * self.exponent


def families_of(
    expression: sp.Expr, name: str, point: float, signs: tuple[int, ...] = ()
) -> list[Exponentials]:
    """The exponentials of ``expression`` gathered by common exponent, signed as at ``point``.

    exp(2.4·x) and exp(x/3), powers 36 and 5 of one, are left apart.

    Exponents with parameters have the ``signs``, one after the other, or as many as there are; the
    others that of ``point``.
    """
    given = iter(signs)
    symbol = sp.Symbol(name, real=True)
    groups: list[list[sp.Expr]] = []
    for argument in exponents_in(expression, name):
        for group in groups:
            base = _common([*group, argument])
            if base and all(abs(sp.cancel(one / base)) <= _HIGHEST_POWER for one in (*group, argument)):
                group.append(argument)
                break
        else:
            groups.append([argument])
    families = []
    for i, base in enumerate(filter(None, map(_common, groups))):
        if base.free_symbols == {symbol}:
            value = float(Truth(base, name).at(np.float64(point))[0])
        else:
            value = next(given, point)
        families.append(Exponentials(base, 1 if value > 0 else -1, sp.Symbol(f"t{i}", positive=True)))
    return families


def _common(exponents: list[sp.Expr]) -> sp.Expr | None:
    """The largest of which ``exponents`` are integer multiples; None where there is none."""
    ratios = [sp.cancel(exponent / exponents[0]) for exponent in exponents]
    rational = all(ratio.is_Rational for ratio in ratios)
    return exponents[0] * abs(sp.gcd_list(ratios)) if rational else None


def minus_magnitude(family: Exponentials) -> Node:
    """-|u|: written with the magnitude of u, so that both half lines share it."""
    coefficient, rest = family.exponent.as_coeff_Mul()
    if rest.is_nonnegative:
        return to_graph(-abs(coefficient) * rest)
    magnitude = node("abs", to_graph(rest))
    return -magnitude if abs(coefficient) == 1 else const(-abs(coefficient)) * magnitude
