"""Cancelled: differences of quotients of sums over one denominator, where terms cancel.

    1 - p/(p + q)  =  q/(p + q)

Where p leads, as in what is left of an overlap in a loss, nothing of the difference would be left.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from symact.expressions import is_long, rewrite
from symact.program import Map, Program, has_any


def with_cancelled_terms(program: Program) -> Program:
    """``program`` with such differences of reduced values, not of elements, in that form."""
    elements = program.elementwise

    def visit(part: sp.Basic) -> sp.Basic:
        if not part.is_Add or has_any(part, elements) or is_long(part):
            return part
        return _cancelled(part)

    stages = [
        Map(stage.target, rewrite(stage.expression, visit)) if isinstance(stage, Map) else stage
        for stage in program.stages
    ]
    return replace(program, stages=tuple(stages))


def _cancelled(total: sp.Add) -> sp.Expr:
    """``total`` over its denominator, if that is a sum and terms cancel then; else as it is."""
    if total.atoms(sp.Function):
        return total
    numerator, denominator = over_one_denominator(total)
    if not denominator.has(sp.Add) or not denominator.free_symbols:
        return total
    apart = [_expanded(sp.cancel(term * denominator)) for term in total.args]
    if len(sp.Add.make_args(numerator)) < sum(len(sp.Add.make_args(term)) for term in apart):
        return sp.factor_terms(numerator) / denominator
    return total


def over_one_denominator(total: sp.Add) -> tuple[sp.Expr, sp.Expr]:
    """The numerator, multiplied out, and the denominator of ``total``."""
    numerator, denominator = sp.together(total).as_numer_denom()
    return _expanded(numerator), denominator


def _expanded(expression: sp.Expr) -> sp.Expr:
    return sp.expand(expression, power_exp=False, power_base=False)
