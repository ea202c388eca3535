"""Periods: sines of multiples of pi, their argument first reduced, which is exact.

sin(pi·x) rounds pi·x, and far out nothing is left of it. With k = round(x), x - k is a number of the
format for every x, and sin(pi·x) = ±sin(pi·(x - k)) is 0 for whole x and accurate next to them;
cos(pi·x) = ±sin(pi·(1/2 - |x - k|)) likewise.
"""

from __future__ import annotations

import sympy as sp

from symact.convert import to_sympy
from symact.graph import Node, const, node, rebuild, var, walk
from symact.stabilize.exponents import POLYNOMIAL, is_power_of_two

_PERIODIC = {"sin", "cos", "tan"}


def reduced(graph: Node, name: str) -> Node:
    """``graph`` with the input reduced within every sine, cosine and tangent of a multiple of it for which
    half a period is a power of two."""
    x, symbol = var(name), sp.Symbol(name, real=True)
    exchanged = {}
    for current in walk([graph]):
        if current.op not in _PERIODIC or not {below.op for below in walk(current.args)} <= POLYNOMIAL:
            continue
        slope = to_sympy(current.args[0]) / symbol
        if slope == 0 or slope.free_symbols or not is_power_of_two(sp.pi / abs(slope)):
            continue
        half = const(sp.pi / abs(slope))
        count = node("round", x if half is const(1) else x / half)
        rest = x - (count if half is const(1) else half * count)
        if current.op == "tan":
            exchanged[current] = node("tan", const(slope) * rest)
            continue
        if current.op == "cos":
            rest = const(sp.pi / abs(slope) / 2) - node("abs", rest)
        odd = count - 2 * node("floor", count / 2)
        scale = const(abs(slope) if current.op == "cos" else slope)
        exchanged[current] = (1 - 2 * odd) * node("sin", scale * rest)
    return rebuild(graph, exchanged) if exchanged else graph
