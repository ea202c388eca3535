"""Tails: functions next to the constant that they approach, as what is small.

    2 - erfc(u) = erfc(-u)        1 + erf(u) = erfc(-u)        1 - erf(u) = erfc(u)
    log(1 + u) = log1p(u)         exp(u) - 1 = expm1(u)

SymPy makes the left side of erfc(-u) by itself. It is no number to any precision that one can wait for where
u is -200, and its logarithm is; nor is log(1 + exp(u)) where u is -1e20.
"""

from __future__ import annotations

import sympy as sp

from symact.graph import Node, const, exact, node, rewritten


def with_tails(root: Node) -> Node:
    """``root`` with such sums, and multiples of them, as multiples of erfc."""
    return rewritten(root, _tail)


def with_small_terms(root: Node) -> Node:
    """``root`` with log1p and expm1 for the logarithms and differences that they are."""
    return rewritten(root, _small)


def _small(current: Node) -> Node | None:
    """log(1 + u) or exp(u) - 1 as a function that has the digits of u, to whatever precision."""
    if current.op == "log" and current.args[0].op in ("add", "sub"):
        first, second = current.args[0].args
        if current.args[0].op == "sub":
            second = -second
        for one, u in ((first, second), (second, first)):
            if one == const(1):
                return node("log1p", u)
    if current.op in ("add", "sub"):
        minus_one = const(1 if current.op == "sub" else -1)
        ordered = [current.args, *([current.args[::-1]] if current.op == "add" else [])]
        for exponential, other in ordered:
            if exponential.op == "exp" and other == minus_one:
                return node("expm1", exponential.args[0])
    return None


def _tail(current: Node) -> Node | None:
    """c + f, or c - f, if that is a multiple of erfc."""
    if current.op not in ("add", "sub"):
        return None
    minus = current.op == "sub"
    for constant, other in (current.args, current.args[::-1]):
        tail = _beside(exact(constant), other, minus) if constant.op == "const" else None
        if tail is not None:  # u - c is -(c - u)
            return -tail if minus and other is current.args[0] else tail
    return None


def _beside(constant: sp.Expr, other: Node, minus: bool) -> Node | None:
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
