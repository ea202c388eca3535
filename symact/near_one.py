"""Near one: the logarithm of what is about 1, as a function of what is beyond 1.

    log(Mean(f))           =  log1p(Mean(f - 1))           where that is small; f is 1 at 0
    log((1 + p)/(1 + q))   =  log1p((p - q)/(1 + q))       where that is small

The mean of 1 + 1e-17 is 1. Exponentials are shifted, and have a rule of their own (``stage_rewrites``).
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from symact.convert import FUNCTIONS
from symact.expressions import is_long, rewrite
from symact.graph import Node, const, node
from symact.program import COUNT, Map, Program, Reduce, Stage
from symact.rescale.questions import sums_of


class NearOne(sp.Function):  # type: ignore[misc]
    """log1p of the first argument where that is small, or else the second, which is the same number."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(argindex - 1)


def _graph(excess: Node, logarithm: Node) -> Node:
    small = node("and", node("gt", excess, const(-0.5)), node("lt", excess, const(1)))
    return node("where", small, node("log1p", excess), logarithm)


FUNCTIONS[NearOne] = _graph


def with_means_beyond_one(program: Program) -> Program:
    """``program`` with such logarithms in that form, which has the derivatives of the logarithm."""
    beyond: dict[str, list[Stage]] = {}
    results: dict[sp.Expr, sp.Expr] = {}
    for total, symbol, body, later in sums_of(program):
        logarithm = sp.log(symbol / COUNT)
        is_taken = any(stage.expression.has(logarithm) for stage in later if isinstance(stage, Map))
        if is_taken and _is_about_one(body, program):
            excess = sp.Symbol(f"beyond_{symbol}", real=True)
            # Before the sum itself, whose elements are written anew from there on.
            beyond[total.source] = [
                Map(f"of_{excess}", sp.together(body - 1)),
                Reduce(excess.name, "sum", f"of_{excess}"),
            ]
            results[logarithm] = NearOne(excess / COUNT, logarithm)
    stages: list[Stage] = []
    for stage in program.stages:
        stages += beyond.get(stage.target, [])
        if isinstance(stage, Map):
            stage = Map(stage.target, stage.expression.xreplace(results))
        stages.append(stage)
    constants = {stage.target for added in beyond.values() for stage in added}
    return replace(program, stages=tuple(stages), constants=program.constants | constants)


def with_quotients_beyond_one(program: Program) -> Program:
    """``program`` with logarithms of quotients in that form, which has the derivatives of the logarithm."""

    def visit(part: sp.Basic) -> sp.Basic:
        quotient = part.args[0] if isinstance(part, sp.log) and not part.has(sp.exp) else sp.S.One
        above, below = sp.fraction(quotient)
        if below is sp.S.One or not all(t.is_Add and sp.S.One in t.args for t in (above, below)):
            return part
        return NearOne((above - below) / below, part)

    def rewritten(stage: Stage) -> Stage:
        if not isinstance(stage, Map) or is_long(stage.expression):
            return stage
        return Map(stage.target, rewrite(stage.expression, visit))

    return replace(program, stages=tuple(map(rewritten, program.stages)))


def _is_about_one(body: sp.Expr, program: Program) -> bool:
    """Whether it is a function of one element, and maybe parameters, that is 1 at 0, and no exponential."""
    parameters = {p.name for p in program.formula.parameters} - program.elementwise
    elements = [symbol for symbol in body.free_symbols if symbol.name not in parameters]
    if len(elements) != 1 or is_long(body) or isinstance(body, sp.exp):
        return False
    return elements[0].name in program.elementwise and bool(body.subs(elements[0], 0) == 1)
