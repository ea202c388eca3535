"""Carried: a graph of a rounded argument, with what rounding took from that to first order.

It matters in exponentials, which amplify it, and in differences to a number, which cancel.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symact.graph import Node, const, exact, node, steps
from symact.stabilize.exponents import is_power_of_two
from symact.stabilize.rests import ZERO, added, chosen, multiplied, negated, of_magnitude, small

_AMPLIFYING = ("exp", "expm1")
# A bound for infinities' sake alone.
_UNBOUNDED = 1e38


def carrying(graph: Node, argument: Node, rest: Node) -> Node:
    """``graph`` with what the ``rest`` of ``argument``, a variable, adds to it; the rest is below 1."""
    if rest is ZERO:
        return graph
    done: dict[Node, Node] = {}
    for current in steps(graph):
        args = tuple(done[arg] for arg in current.args)
        new = node(current.op, *args) if args else current
        if current.op in _AMPLIFYING:
            (inside,) = current.args
            # Of an exponential in an exponential what it carries itself is enough to know.
            if not any(below.op in _AMPLIFYING for below in steps(inside)):
                new = _exponential(node(current.op, inside), _carried(inside, argument, rest))
        elif current.op in ("add", "sub") and _is_offset(current, argument):
            new = new + _carried(current, argument, rest)
        done[current] = new
    return done[graph]


def _exponential(exponential: Node, part: Node) -> Node:
    if part is ZERO:
        return exponential
    whole = exponential * (const(1) + part)
    return whole if exponential.op == "exp" else whole + part


def _is_offset(current: Node, argument: Node) -> bool:
    """Whether it is a number and a multiple of ``argument`` by a power of two: no step of a series."""
    number, other = sorted(current.args, key=lambda arg: arg.op != "const")
    while other.op in ("neg", "abs", "min", "max") or _is_scaled(other, is_power_of_two):
        rest = [arg for arg in other.args if arg.op != "const"]
        other = rest[0] if len(rest) == 1 else ZERO
    return number.op == "const" and other is argument


def _is_scaled(current: Node, by: Callable[[sp.Expr], bool]) -> bool:
    """Whether it is a multiple ``by`` such a number."""
    if current.op != "mul":
        return False
    return any(arg.op == "const" and by(abs(exact(arg))) for arg in current.args)


def _carried(root: Node, argument: Node, rest: Node) -> Node:
    """What the ``rest`` of ``argument`` adds to ``root``, to first order; nothing through others than
    arithmetic."""
    parts: dict[Node, Node] = {}
    for current in steps(root):
        parts[current] = rest if current is argument else _part(current, [parts[a] for a in current.args])
    is_bounded = all(
        _is_scaled(n, lambda number: bool(number <= 1))
        for n in steps(root)
        if n.op in ("mul", "div", "square")
    )
    return parts[root] if is_bounded else small(parts[root])


def _part(current: Node, parts: list[Node]) -> Node:
    if all(part is ZERO for part in parts):
        return ZERO
    args = current.args
    match current.op:
        case "neg":
            return negated(parts[0])
        case "abs":
            return of_magnitude(args[0], parts[0])
        case "add":
            return added(*parts)
        case "sub":
            return added(parts[0], negated(parts[1]))
        case "mul":
            return added(multiplied(args[0], parts[1]), multiplied(args[1], parts[0]))
        case "div":
            return added(parts[0], negated(multiplied(current, parts[1]))) / args[1]
        case "square":
            return const(2) * args[0] * parts[0]
        case "max" | "min":
            if parts[1] is ZERO and args[1].op == "const" and abs(exact(args[1])) > _UNBOUNDED:
                return parts[0]
            return chosen(node("gt" if current.op == "max" else "lt", *args), *parts)
        case "where":
            return chosen(args[0], *parts[1:])
        case "rounded" | "keep":
            return parts[0]
    return ZERO
