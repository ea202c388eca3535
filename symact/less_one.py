"""Less one: (1 + u)^p - 1 with a symbol in p, as a function that keeps the digits of a small u.

    (1 + u)^p - 1  =  expm1(p·log1p(u))

Box-Cox transforms, general robust losses and the like are of that form.
"""

from __future__ import annotations

import sympy as sp

from symact.convert import FUNCTIONS
from symact.expressions import rewrite
from symact.graph import Node, const, node

# Exponents beyond this are not small any more: there the power itself has fewer rounding errors.
_SMALL = 0.5


class PowerLessOne(sp.Function):  # type: ignore[misc]
    """(1 + u)^p - 1, kept by SymPy as it is."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        u, p = self.args
        return p * (1 + u) ** (p - 1) if argindex == 1 else (1 + u) ** p * sp.log(1 + u)


def _graph(u: Node, p: Node) -> Node:
    exponent = p * node("log1p", u)
    small = node("lt", node("abs", exponent), const(_SMALL))
    return node("where", small, node("expm1", exponent), node("pow", const(1) + u, p) - const(1))


FUNCTIONS[PowerLessOne] = _graph


def with_powers_less_one(expression: sp.Expr) -> sp.Expr:
    """``expression`` with c·(1 + u)^p - c in that form."""
    return rewrite(expression, _visit)


def _visit(part: sp.Basic) -> sp.Basic:
    for term in part.args if part.is_Add else ():
        for power in sp.Mul.make_args(term):
            if not _is_power_of_one_and(power):
                continue
            factor = term / power
            if -factor in part.args:
                rest = sp.Add(*(other for other in part.args if other not in (term, -factor)))
                return factor * PowerLessOne(power.base - 1, power.exp) + rest
    return part


def _is_power_of_one_and(part: sp.Expr) -> bool:
    return bool(
        part.is_Pow and part.exp.free_symbols and part.base.is_Add and part.base.as_coeff_Add()[0] == 1
    )
