"""Exponents: exp of a polynomial without the rounding of the polynomial.

exp amplifies the rounding of its argument w by |w|. With x = h + d, where h has so few digits that the
leading part of w(h) is exact, w(x) = exact + small: the small part gathers w(x) - w(h) and what the
shortened coefficients leave. Every accurate erfc does this for x² (W. J. Cody, "Rational Chebyshev
approximations for the error function", Mathematics of Computation 23, 1969), with an exponential of each
part; one of the rounded sum will do, times 1 and what the sum lost. It serves any polynomial up to degree 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp
from flint import arb

from symact.convert import to_sympy
from symact.expressions import dag
from symact.graph import Node, const, node, rebuild, var, walk
from symact.numbers import as_ball, as_float
from symact.stabilize.formats import Format

POLYNOMIAL = {"add", "sub", "mul", "div", "neg", "abs", "square", "const", "var"}
_MOST_TERMS = 3
# Digits of h behind the binary point, by digits of the format and degree; and the digits behind the
# point that an exact argument may have, so that with its integer part it fits the format.
_HEAD_DIGITS = {24: (5, 4, 3), 53: (18, 14, 10)}
_ARGUMENT_DIGITS = {24: 17, 53: 42}


@dataclass(frozen=True)
class Exponent:
    """A polynomial without constant term, in the input or in its magnitude.

    Attributes:
        coefficients: of the first, second, third power.
        magnitude: whether the variable is |x| rather than x.
    """

    coefficients: tuple[sp.Expr, ...]
    magnitude: bool = False

    def at(self, x: arb) -> arb:
        """The value at a ball."""
        y = abs(x) if self.magnitude else x
        total = arb(0)
        for power, coefficient in enumerate(self.coefficients, 1):
            total += as_ball(coefficient) * y**power
        return total


def polynomial(exponent: sp.Expr, name: str) -> tuple[Exponent, sp.Expr] | None:
    """``exponent`` as a polynomial and a constant, where it is one of degree ≤ 3; else None."""
    symbol, size = sp.Symbol(name, real=True), sp.Symbol("size_", nonnegative=True)
    magnitude = False
    for current in dag(exponent):
        if isinstance(current, sp.Abs):
            inside = current.args[0]
            if not _is_odd_and_rising(inside, symbol):
                return None
            exponent = exponent.xreplace({current: inside.xreplace({symbol: size})})
            magnitude = True
    if magnitude:
        exponent = sp.expand(exponent).subs(symbol**2, size**2)
    variable = size if magnitude else symbol
    if exponent.free_symbols != {variable} or not exponent.is_polynomial(variable):
        return None
    *powers, rest = sp.Poly(exponent, variable).all_coeffs()
    if not 1 <= len(powers) <= _MOST_TERMS:
        return None
    even = not any(powers[-1::-2])  # of even powers only, it is one in |x| as well
    return Exponent(tuple(reversed(powers)), magnitude or even), rest


def _is_odd_and_rising(expression: sp.Expr, symbol: sp.Symbol) -> bool:
    if expression.free_symbols != {symbol} or not expression.is_polynomial(symbol):
        return False
    terms = sp.Poly(expression, symbol).terms()
    return all(power % 2 == 1 and coefficient > 0 for (power,), coefficient in terms)


def exponents(expression: sp.Expr, name: str) -> Iterator[Exponent]:
    """The exponents that decide the tails of ``expression``: those in exp, and -u² of erf(u)."""
    seen = set()
    for current in dag(expression):
        if isinstance(current, sp.exp):
            found = polynomial(current.args[0], name)
        elif isinstance(current, sp.erf | sp.erfc):
            found = polynomial(-sp.expand(current.args[0] ** 2), name)
        else:
            continue
        if found is not None and found[0] not in seen:
            seen.add(found[0])
            yield found[0]


def exponential(exponent: Exponent, name: str, fmt: Format, shift: int = 0) -> Node:
    """The graph of exp(exponent - shift), its argument split into an exact part and a small one."""
    if _is_exact(exponent):
        (coefficient,) = exponent.coefficients
        x = node("abs", var(name)) if exponent.magnitude else var(name)
        return node("exp", _times(coefficient, x) - const(shift) if shift else _times(coefficient, x))
    x = node("abs", var(name)) if exponent.magnitude else var(name)
    degree = len(exponent.coefficients)
    digits = _HEAD_DIGITS[fmt.digits][degree - 1]
    head = node("round", x * const(2**digits)) / const(2**digits)
    exact: list[Node] = []
    small: list[Node] = []
    slope: list[Node] = []
    for power, coefficient in enumerate(exponent.coefficients, 1):
        if coefficient == 0:
            continue
        grain = 2 ** max(_ARGUMENT_DIGITS[fmt.digits] - power * digits, 0)
        short = sp.Rational(round(as_float(coefficient * grain)), grain)
        if short != 0:
            exact.append(_times(short, _power(head, power)))
        if short != coefficient:
            small.append(_times(coefficient - short, _power(head, power)))
        slope.append(_times(coefficient, _difference_quotient(x, head, power)))
    if shift:
        exact.append(const(-shift))
    # Rounded, for where XLA computes the argument twice, it may round the product before it adds, or not.
    leading, correction = _sum(exact), node("rounded", _sum([*small, (x - head) * _sum(slope)]))
    argument = leading + correction
    lost = correction - (argument - leading)
    rounded = node("exp", argument)
    # A product with what is lost would be flushed to zero where the exponential hardly is a normal number.
    return rounded + rounded * lost if shift else rounded * (const(1) + lost)


def _times(factor: sp.Expr, graph: Node | None) -> Node:
    if graph is None:
        return const(factor)
    return graph if factor == 1 else -graph if factor == -1 else const(factor) * graph


def _power(base: Node, exponent: int) -> Node:
    result = base
    for _ in range(exponent - 1):
        result = result * base
    return result


def _difference_quotient(x: Node, head: Node, power: int) -> Node | None:
    """(x**n - h**n)/(x - h): 1, x + h, x² + x·h + h²; None for 1."""
    if power == 1:
        return None
    return x + head if power == 2 else x * (x + head) + head * head


def _sum(terms: list[Node]) -> Node:
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def split(graph: Node, name: str, fmt: Format) -> Node:
    """``graph`` with every exp of a polynomial split, but those whose argument is exact anyway."""
    exchanged = {}
    for current in walk([graph]):
        if current.op == "exp" and {below.op for below in walk(current.args)} <= POLYNOMIAL:
            found = polynomial(to_sympy(current.args[0]), name)
            if found is not None and not _is_exact(found[0]):
                exponent, rest = found
                shift = -int(rest) if rest.is_Integer else 0
                whole = exponential(exponent, name, fmt, shift)
                exchanged[current] = whole if rest == -shift else const(sp.exp(rest)) * whole
    return rebuild(graph, exchanged) if exchanged else graph


def _is_exact(exponent: Exponent) -> bool:
    """Whether the exponent is x times a power of two, which no rounding touches."""
    (coefficient, *higher) = exponent.coefficients
    return not any(higher) and is_power_of_two(abs(coefficient))


def is_power_of_two(number: sp.Expr) -> bool:
    """Whether a positive number is a power of two, of whole exponent."""
    return bool(number.is_Rational) and all((part & (part - 1)) == 0 for part in (number.p, number.q))
