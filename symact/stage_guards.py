"""Stage guards: quotients by reductions that may be 0, as the convention has them."""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from symact.expressions import dag, rewrite
from symact.program import COUNT, Program


def guarded(expression: sp.Expr, program: Program, at_zero: str) -> sp.Expr:
    """``expression`` with 1/r, for a reduction r that is 0, as the convention says."""
    vanishing = program.reduced("sum", "max", "min") | program.divisors
    vanishing |= {norm.symbol.name for norm in program.functions_of}
    vanishing -= program.positive
    instead = sp.oo if at_zero == "zero" else sp.S.One

    def visit(part: sp.Basic) -> sp.Basic:
        if not (isinstance(part, sp.Pow) and _vanishes(part.base, vanishing)):
            return part
        if not part.exp.is_number:
            below = sp.And(sp.Eq(part.base, 0), part.exp < 0)
            return sp.Piecewise((1 / instead, below), (part, True))
        if part.exp >= 0:
            return part
        # A norm is positive to the derivation, and SymPy would decide the question.
        symbols = {s: sp.Symbol(s.name, real=True) for s in part.base.free_symbols - {COUNT}}
        base = part.base.xreplace(symbols)
        safe = sp.Piecewise((instead, sp.Eq(base, 0)), (base, True))
        return sp.Pow(safe, part.exp, evaluate=False)

    return rewrite(expression, visit) if has_denominators(expression) else expression


def has_denominators(expression: sp.Expr) -> bool:
    return any(
        isinstance(p, sp.Pow) and p.base is not sp.E and not p.exp.is_nonnegative for p in dag(expression)
    )


def _vanishes(base: sp.Expr, vanishing: Collection[str]) -> bool:
    """Whether ``base`` is a multiple of a reduction that may be 0, or a sum of such alone.

    Or 0 on a half line, where a power of it has the slope 0.
    """
    if isinstance(base, sp.Max) and sp.S.Zero in base.args:
        return True
    if base.is_Add:
        return all(_vanishes(term, vanishing) for term in base.args)
    powers = [factor.as_base_exp()[1] for factor in sp.Mul.make_args(base) if _is_one_of(factor, vanishing)]
    return bool(powers) and all(power.is_positive for power in powers)


def _is_one_of(factor: sp.Expr, names: Collection[str]) -> bool:
    return str(factor.as_base_exp()[0]) in names
