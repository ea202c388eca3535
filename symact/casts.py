"""Casts: operations of a graph in float32 and in float64 side by side."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from symact.graph import Node, const, exact, node, walk
from symact.numbers import as_float
from symact.ops import OPS
from symact.stabilize.formats import FLOAT32

_TO_WIDE, _TO_NARROW = "widen", "narrow"
CASTS = (_TO_WIDE, _TO_NARROW)


@dataclass(frozen=True)
class Narrow:
    """What is in float32.

    Attributes:
        operations: those whose arguments and results are.
        exponentials: those of an argument in float64, of which what float32 does not hold of it is made up
            for: exp(h + r) is exp(h)·(1 + r).
    """

    operations: frozenset[Node] = frozenset()
    exponentials: frozenset[Node] = frozenset()


def with_casts(roots: Sequence[Node], narrow: Narrow) -> list[Node]:
    """``roots`` with casts: variables and results are in float32, and what ``narrow`` says; exact operations
    are in the format that their arguments have, and others in float64."""
    made: dict[Node, Node] = {}
    wide: set[Node] = set()

    def cast(current: Node, to_wide: bool) -> Node:
        if current.op == "const" and not to_wide:
            return _within_float32(current)
        if not _is_number(current) or (current in wide) == to_wide:
            return made[current]
        return node(_TO_WIDE if to_wide else _TO_NARROW, made[current])

    for current in walk(roots):
        if current in narrow.exponentials:
            made[current] = _exponential(cast(current.args[0], True))
            continue
        is_wide = any(arg in wide for arg in current.args)
        if current.args and is_inexact(current):
            is_wide = current not in narrow.operations
        made[current] = current
        if current.args:
            made[current] = node(current.op, *(cast(arg, is_wide) for arg in current.args))
        if is_wide and _is_number(current):
            wide.add(current)
    return [cast(root, False) for root in roots]


def _exponential(argument: Node) -> Node:
    """exp of an argument in float64, in float32."""
    head = node(_TO_NARROW, node("max", argument, const(-FLOAT32.max)))
    rest = node(_TO_NARROW, argument - node(_TO_WIDE, head))
    return node("exp", head) * (const(1) + rest)


def wide_nodes(roots: Iterable[Node], variables: Collection[str] = ()) -> set[Node]:
    """Nodes in float64, where only ``variables`` are and what is cast to it."""
    found: set[Node] = set()
    for current in walk(roots):
        is_wide = current.op == _TO_WIDE or (current.op == "var" and current.name in variables)
        if current.op != _TO_NARROW and _is_number(current):
            is_wide |= any(arg in found for arg in current.args)
        if is_wide:
            found.add(current)
    return found


def _within_float32(constant: Node) -> Node:
    """``constant``; one that is beyond float32's range is a bound there, and that range's end as good."""
    value = as_float(exact(constant))
    beyond = FLOAT32.max < abs(value) < math.inf
    return const(math.copysign(FLOAT32.max, value)) if beyond else constant


def is_inexact(current: Node) -> bool:
    """Whether it is an operation whose result is rounded."""
    return current.op in OPS and not OPS[current.op].exact and not OPS[current.op].boolean


def _is_number(current: Node) -> bool:
    """Whether it has a format: constants have any, truth values none."""
    return current.op == "var" or (current.op in OPS and not OPS[current.op].boolean)
