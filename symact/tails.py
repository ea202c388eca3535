"""Tails: error functions next to the constant that they approach, as the complement that is small.

    2 - erfc(u) = erfc(-u)        1 + erf(u) = erfc(-u)        1 - erf(u) = erfc(u)

SymPy makes the left side of erfc(-u) by itself. It is no number to any precision that one can wait for where
u is -200, and its logarithm is.
"""

from __future__ import annotations

import sympy as sp

from symact.graph import Node, const, exact, node, rebuild, walk


def with_tails(root: Node) -> Node:
    """``root`` with such sums, and multiples of them, as multiples of erfc."""
    exchanged: dict[Node, Node] = {}
    for current in walk([root]):
        if current.op in ("add", "sub"):
            minus = current.op == "sub"
            for constant, other in (current.args, current.args[::-1]):
                tail = _tail(exact(constant), other, minus) if constant.op == "const" else None
                if tail is not None:  # u - c is -(c - u)
                    exchanged[current] = -tail if minus and other is current.args[0] else tail
    return rebuild(root, exchanged) if exchanged else root


def _tail(constant: sp.Expr, other: Node, minus: bool) -> Node | None:
    """constant ± other, if that is a multiple of erfc."""
    factor, function = _multiple(other)
    factor = -factor if minus else factor
    if function.op == "erf" and abs(factor) == abs(constant):
        u = function.args[0]
        return const(constant) * node("erfc", -u if factor == constant else u)
    if function.op == "erfc" and 2 * factor == -constant:
        return const(constant / 2) * node("erfc", -function.args[0])
    return None


def _multiple(current: Node) -> tuple[sp.Expr, Node]:
    """A number and what it is multiplied with."""
    if current.op == "neg":
        factor, inside = _multiple(current.args[0])
        return -factor, inside
    if current.op == "mul" and current.args[0].op == "const":
        factor, inside = _multiple(current.args[1])
        return exact(current.args[0]) * factor, inside
    if current.op == "div" and current.args[1].op == "const":
        factor, inside = _multiple(current.args[0])
        return factor / exact(current.args[1]), inside
    return sp.S.One, current
