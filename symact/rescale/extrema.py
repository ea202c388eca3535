"""Extrema: what is added to every element is added to the extremum instead.

    Max(x - t)  =  Max(x) - t        t without elements

So x - Max(x - t) is the distance below the largest and t, which a large x would swallow.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from symact.program import Map, Program, Reduce, Stage, has_any


def with_bare_extrema(program: Program) -> Program:
    """``program`` with its maxima and minima of elements alone."""
    added: dict[sp.Symbol, sp.Expr] = {}
    stages: list[Stage] = []
    for stage, following in zip(program.stages, (*program.stages[1:], None), strict=True):
        if not isinstance(stage, Map):
            stages.append(stage)
            continue
        expression = stage.expression.xreplace(added) if added else stage.expression
        if isinstance(following, Reduce) and following.kind in ("max", "min"):
            parts = sp.Add.make_args(expression)
            constants = [part for part in parts if not has_any(part, program.elementwise)]
            if 0 < len(constants) < len(parts):
                symbol = sp.Symbol(following.target, real=True)
                added[symbol] = sp.Add(symbol, *constants)
                expression = sp.Add(*(part for part in parts if part not in constants))
        stages.append(Map(stage.target, expression))
    return replace(program, stages=tuple(stages)) if added else program
