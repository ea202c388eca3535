"""Extrema: what is done to every element in the same order of size is done to the extremum instead.

    Max(x - t)    =  Max(x) - t        t without elements
    Max(exp(x))   =  exp(Max(x))
    Max(exp(-x))  =  exp(-Min(x))

So x - Max(x - t) is the distance below the largest and t, which a large x would swallow; exponentials of a
maximum meet the sums of exponentials, which are shifted by it; and who is largest needs no rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import sympy as sp

from symact.expressions import rewrite
from symact.program import Kind, Map, Program, Reduce, Stage, has_any
from symact.rescale.rewriting import one_exponential

_INCREASING = (sp.exp, sp.log, sp.tanh, sp.sinh, sp.asinh, sp.atan, sp.erf)
_PLAIN = (sp.Abs, sp.Max, sp.Min, sp.sign)
_OTHER = {"max": "min", "min": "max"}


def with_bare_extrema(program: Program) -> Program:
    """``program`` with its maxima and minima of elements alone."""
    exchanged: dict[sp.Symbol, sp.Expr] = {}
    turned: set[str] = set()
    stages: list[Stage] = []
    for stage, following in zip(program.stages, (*program.stages[1:], None), strict=True):
        if isinstance(stage, Reduce):
            kind = cast(Kind, _OTHER[stage.kind]) if stage.target in turned else stage.kind
            stages.append(replace(stage, kind=kind))
            continue
        expression = stage.expression
        if not exchanged.keys().isdisjoint(expression.free_symbols):
            expression = rewrite(expression.xreplace(exchanged), one_exponential)
        if isinstance(following, Reduce) and following.kind in _OTHER:
            symbol, source = (sp.Symbol(name, real=True) for name in (following.target, stage.target))
            inner, outer, is_turned = _opened(expression, symbol, program)
            if outer != symbol:
                exchanged |= {symbol: outer, source: outer.xreplace({symbol: source})}
                expression = inner
                turned |= {following.target} if is_turned else set()
        stages.append(Map(stage.target, expression))
    return replace(program, stages=tuple(stages)) if exchanged else program


def _opened(body: sp.Expr, extremum: sp.Symbol, program: Program) -> tuple[sp.Expr, sp.Expr, bool]:
    """What ``body`` does monotonically to an inner expression; that, the same of ``extremum``, and whether
    it falls where the inner one grows."""
    inner, is_turned, hole = body, False, sp.Symbol("_inner", real=True)
    outer: sp.Expr = hole
    while (step := _step(inner, hole, program)) is not None:
        inner, function, falls = step
        outer, is_turned = outer.xreplace({hole: function}), is_turned != falls
    if _overflows(inner):  # log(cosh(x)) is in range where cosh(x) is not
        parts = [part for part in sp.Add.make_args(body) if has_any(part, program.elementwise)]
        return sp.Add(*parts), body - sp.Add(*parts) + extremum, False
    return inner, outer.xreplace({hole: extremum}), is_turned


def _overflows(inner: sp.Expr) -> bool:
    """Whether it has functions that may be beyond the range where what is done to them is not."""
    return any(not isinstance(part, _PLAIN) for part in inner.atoms(sp.Function))


def _step(body: sp.Expr, hole: sp.Symbol, program: Program) -> tuple[sp.Expr, sp.Expr, bool] | None:
    """The inner expression of the outermost monotonic function, that function, and whether it falls."""
    if isinstance(body, _INCREASING):
        return body.args[0], body.func(hole), False
    if body.is_Pow and body.exp.is_number and body.base.is_nonnegative:
        return body.base, body.func(hole, body.exp, evaluate=False), bool(body.exp.is_negative)
    if body.is_Add or body.is_Mul:
        constants = [part for part in body.args if not has_any(part, program.elementwise)]
        rest = [part for part in body.args if part not in constants]
        if not constants or not rest:
            return None
        constant = body.func(*constants)
        if body.is_Add:
            return sp.Add(*rest), constant + hole, False
        if constant.is_number and constant.is_nonzero:
            return sp.Mul(*rest), constant * hole, bool(constant.is_negative)
    return None
