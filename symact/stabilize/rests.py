"""Rests: arithmetic on what roundings took away, of which there may be none."""

from __future__ import annotations

from symact.graph import Node, const, node

ZERO = const(0)
# The largest rest that counts; exponents whose rounding error is larger have no finite exponential.
_LARGEST = 2.0**-6


def added(one: Node, other: Node) -> Node:
    return other if one is ZERO else one if other is ZERO else one + other


def multiplied(factor: Node, rest: Node) -> Node:
    return rest if rest is ZERO else factor * rest


def negated(rest: Node) -> Node:
    return rest if rest is ZERO else -rest


def of_magnitude(number: Node, rest: Node) -> Node:
    """The rest of |number|."""
    return rest if rest is ZERO else node("where", node("lt", number, 0), -rest, rest)


def chosen(condition: Node, one: Node, other: Node) -> Node:
    return one if one is other else node("where", condition, one, other)


def small(rest: Node) -> Node:
    """None is left where infinities meet, and of exponents that are far beyond the range, where a large one
    would show beside a bound on the exponent."""
    return rest if rest is ZERO else node("where", node("lt", node("abs", rest), _LARGEST), rest, 0)
