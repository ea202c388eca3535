"""Numbers: exact SymPy numbers as floats and as Arb balls."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy as sp
from flint import arb, ctx

from symact.convert import FUNCTIONS
from symact.graph import Node, exact, var, walk
from symact.ops import OPS


@lru_cache(maxsize=8192)
def as_float(value: sp.Expr | None) -> float:
    """The float64 nearest to an exact SymPy number; NaN for one without a real value."""
    assert value is not None
    if value is sp.nan:
        return math.nan
    if value.is_infinite:
        return math.inf if value is sp.oo else -math.inf
    if value.is_Rational:
        try:
            return int(value.p) / int(value.q)
        except OverflowError:
            return math.inf if value.p > 0 else -math.inf
    precision = ctx.prec
    try:
        ctx.prec = 256
        return float(as_ball(value).mid())
    finally:
        ctx.prec = precision


def as_ball(value: sp.Expr) -> arb:
    """A ball that holds ``value``, at the current precision of flint's context."""
    if value.is_Rational:
        return arb(int(value.p)) / int(value.q)
    if value is sp.nan:
        return arb.nan()
    if value.is_infinite:
        return arb.pos_inf() if value is sp.oo else arb.neg_inf()
    if value is sp.pi:
        return arb.pi()
    if value is sp.E:
        return arb.const_e()
    parts = [as_ball(arg) for arg in value.args]
    if value.is_Add:
        return sum(parts[1:], parts[0])
    if value.is_Mul:
        return math.prod(parts[1:], start=parts[0])
    if value.is_Pow:
        return _power(parts[0], value.exp, parts[1])
    build = FUNCTIONS.get(type(value))
    return arb.nan() if build is None else _applied(build, parts)


def _power(base: arb, exponent: sp.Expr, ball: arb) -> arb:
    if exponent.is_Integer:
        return base ** int(exponent)
    if exponent.is_Rational and exponent.q == 2:
        return base.sqrt() ** int(exponent.p)
    return (ball * base.log()).exp()


def _applied(build: Callable[..., Node], parts: list[arb]) -> arb:
    """The function that ``build`` makes a graph of, at ``parts``."""
    names = [f"argument{i}" for i in range(len(parts))]
    graph = build(*map(var, names))
    values: dict[Node, Any] = {var(name): part for name, part in zip(names, parts, strict=True)}
    for step in walk([graph]):
        if step.op == "const":
            values[step] = as_ball(exact(step))
        elif step not in values:
            function = OPS[step.op].arb
            if function is None:  # comparisons: a number that needs one is written out in its terms
                return arb.nan()
            values[step] = function(*(values[arg] for arg in step.args))
    return values[graph]
