"""Numbers: exact SymPy numbers as floats and as Arb balls."""

from __future__ import annotations

import math
from functools import lru_cache

import sympy as sp
from flint import arb, ctx

from symact.convert import to_graph
from symact.graph import Node, const, rebuild, var, walk
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
            return math.copysign(math.inf, value.p)
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
    # Composite numbers (sqrt(2/pi)) are graphs of balls themselves, down to SymPy's atoms.
    graph = _number_graph(value)
    values: dict[Node, arb] = {}
    for step in walk([graph]):
        function = OPS[step.op].arb if step.op in OPS else None
        if step.op == "const":
            values[step] = as_ball(step.value)
        elif function is None:
            return arb.nan()
        else:
            values[step] = function(*(values[arg] for arg in step.args))
    return values[graph]


def _number_graph(value: sp.Expr) -> Node:
    """The graph of a composite number; its atoms are kept apart, lest it be one constant again."""
    atoms = sorted(value.atoms(sp.Number, sp.NumberSymbol), key=sp.default_sort_key)
    stand_ins = {atom: sp.Symbol(f"number{i}", positive=True) for i, atom in enumerate(atoms)}
    # Exponents stay, for a power with a symbol in it would be another operation.
    replaced = {a: s for a, s in stand_ins.items() if not a.is_Rational or a not in _powers(value)}
    graph = to_graph(value.xreplace(replaced))
    return rebuild(graph, {var(symbol.name): const(atom) for atom, symbol in replaced.items()})


def _powers(value: sp.Expr) -> set[sp.Expr]:
    return {power.exp for power in value.atoms(sp.Pow)}
