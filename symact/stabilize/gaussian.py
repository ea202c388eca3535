"""Gaussian factors: exp of a quadratic without the rounding of the square.

The rounding of x² is amplified |x²| times by exp. Splitting x = h + d, with h of so few digits that its
square is exact, gives exp(a·x² + b·x) = exp(a·h² + b·h) · exp(d·(a·(x + h) + b)), where the first
argument is exact and the second is small. Used in every accurate erfc (W. J. Cody, "Rational Chebyshev
approximations for the error function", Mathematics of Computation 23, 1969).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from symact.convert import dag, to_sympy
from symact.graph import Node, const, node, rebuild, var, walk
from symact.stabilize.formats import Format

# Coefficients must be dyadic with at most so many bits, so that products with h stay exact.
_COEFFICIENT_BITS = 4
_POLYNOMIAL = {"add", "sub", "mul", "div", "neg", "square", "const", "var"}
# h = round(x · grain) / grain: up to |x| = 16 (64 in float64) its square is exact.
_GRAIN = {24: 32, 53: 2**18}


@dataclass(frozen=True)
class Quadratic:
    """a·x² + b·x + c, with a and b short dyadic rationals and a < 0."""

    a: sp.Rational
    b: sp.Rational
    c: sp.Expr


def quadratic(exponent: sp.Expr, name: str) -> Quadratic | None:
    """``exponent`` as a falling quadratic in the input whose splitting is exact, else None."""
    symbol = sp.Symbol(name, real=True)
    if not exponent.is_polynomial(symbol) or exponent.free_symbols != {symbol}:
        return None
    poly = sp.Poly(exponent, symbol)
    if poly.degree() != 2:
        return None
    a, b, c = poly.all_coeffs()
    return Quadratic(a, b, c) if _short(a) and _short(b) and a < 0 else None


def _short(value: sp.Expr) -> bool:
    if not value.is_Rational or value.q & (value.q - 1):
        return False
    numerator = abs(int(value.p))
    return bool((numerator // (numerator & -numerator or 1)).bit_length() <= _COEFFICIENT_BITS)


def gaussians(expression: sp.Expr, name: str) -> Iterator[Quadratic]:
    """The quadratics that decide the tails of ``expression``: those in exp, and -u² of erf(u)."""
    seen = set()
    for current in dag(expression):
        if isinstance(current, sp.exp):
            found = quadratic(current.args[0], name)
        elif isinstance(current, sp.erf | sp.erfc):
            found = quadratic(-sp.expand(current.args[0] ** 2), name)
        else:
            continue
        if found is not None and found not in seen:
            seen.add(found)
            yield found


def exponential(exponent: Quadratic, name: str, fmt: Format) -> Node:
    """The graph of exp(a·x² + b·x), split."""
    x = var(name)
    grain = const(_GRAIN[fmt.digits])
    head = node("round", x * grain) / grain
    exact = _scaled(exponent.a, head * head)
    slope = _scaled(exponent.a, x + head)
    if exponent.b != 0:
        exact = exact + const(exponent.b) * head
        slope = slope + const(exponent.b)
    return node("exp", exact) * node("exp", (x - head) * slope)


def _scaled(factor: sp.Rational, graph: Node) -> Node:
    return -graph if factor == -1 else const(factor) * graph


def split(graph: Node, name: str, fmt: Format) -> Node:
    """``graph`` with every exp of a suitable quadratic split."""
    exchanged = {}
    for current in walk([graph]):
        if current.op == "exp" and {below.op for below in walk(current.args)} <= _POLYNOMIAL:
            found = quadratic(to_sympy(current.args[0]), name)
            if found is not None:
                whole = exponential(found, name, fmt)
                exchanged[current] = whole if found.c == 0 else const(sp.exp(found.c)) * whole
    return rebuild(graph, exchanged) if exchanged else graph
