"""Stage exponents: exponentials of distances below a shift, as they occur in stages."""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from symact.expressions import rewrite
from symact.program import Program, has_any


def below_shifts(program: Program) -> dict[str, sp.Expr]:
    """Distances of exponents below their shift, by name."""
    shifts = program.reduced("shift")
    return {name: e for name, e in program.maps.items() if e.is_Add and has_any(e, shifts)}


def with_whole_exponents(expression: sp.Expr, program: Program) -> sp.Expr:
    """exp(m)·exp(d) as the exponential of m + d, the exponent itself: ∞·0 would be undefined.

    Not with the exp(t) of a quotient exp(t)/(1 + exp(t)), which is stabilized by itself.
    """
    if not expression.has(sp.exp):
        return expression
    shifts, below = program.reduced("shift"), below_shifts(program)
    distances = {sp.Symbol(name, real=True): distance for name, distance in below.items()}

    def visit(part: sp.Basic) -> sp.Basic:
        if not part.is_Mul:
            return part
        part = _with_one_of_shifts(part, shifts)
        exponentials = [f for f in sp.Mul.make_args(part) if isinstance(f, sp.exp)]
        others = [f for f in sp.Mul.make_args(part) if f not in exponentials]
        exponentials = [
            f for f in exponentials if has_any(f, {*shifts, *below}) or not any(o.has(f) for o in others)
        ]
        total = sp.Add(*(f.args[0] for f in exponentials))
        if len(exponentials) < 2 or not has_any(total, shifts) or not has_any(total, below):
            return part
        whole = sp.expand(total.xreplace(distances))
        if has_any(whole, shifts):
            return part
        return sp.Mul(sp.exp(whole), *(f for f in part.args if f not in exponentials))

    return rewrite(expression, visit) if below else expression


def _with_one_of_shifts(product: sp.Expr, shifts: Collection[str]) -> sp.Expr:
    """exp(m)·exp(-n) as exp(m - n), where m and n are shifts: each alone may be beyond the range."""
    alone = [
        f for f in product.args if isinstance(f, sp.exp) and {s.name for s in f.free_symbols} <= {*shifts}
    ]
    if len(alone) < 2:
        return product
    return sp.Mul(sp.exp(sp.Add(*(f.args[0] for f in alone))), *(f for f in product.args if f not in alone))


def times_and_distance(part: sp.Expr, below: Collection[str]) -> tuple[sp.Expr, sp.Symbol] | None:
    """g and d of exp(g·d), d one of ``below``."""
    if not isinstance(part, sp.exp):
        return None
    (argument,) = part.args
    distances = [f for f in sp.Mul.make_args(argument) if f.is_Symbol and f.name in below]
    times = argument / distances[0] if len(distances) == 1 else sp.S.NegativeOne
    return None if times.is_negative else (times, distances[0])
