"""Kernels: one call of an expensive one where branches that exclude each other have a call each.

Of a choice both sides are computed. ``where(c, f(exp(a)), g(exp(b)))`` is f(e) or g(e), with
e = exp(where(c, a, b)): the same numbers, for half as many exponentials.
"""

from __future__ import annotations

from collections.abc import Iterator

from symact.graph import Node, node, rebuild, steps
from symact.ops import OPS

# Kernels from this cost on; cheaper ones are not worth the choice of an argument.
_EXPENSIVE = 8


def with_shared_kernels(root: Node) -> Node:
    """``root`` with kernels of branches that exclude each other called once, for the argument chosen."""
    while pair := next(_pairs(root), None):
        condition, one, other = pair
        both = node(one.op, node("where", condition, one.args[0], other.args[0]))
        root = rebuild(root, {one: both, other: both})
    return root


def _pairs(root: Node) -> Iterator[tuple[Node, Node, Node]]:
    """Conditions, and for each a call that only counts where it holds, and one where it does not."""
    for choice in steps(root):
        if choice.op == "where":
            held, failed = _calls(root, choice, 1), _calls(root, choice, 2)
            for one in held:
                for other in failed:
                    if one.op == other.op:
                        yield choice.args[0], one, other


def _calls(root: Node, choice: Node, side: int) -> list[Node]:
    """Calls below one side of a choice and nowhere else, none below another."""
    elsewhere: set[Node] = set()
    waiting = [root]
    while waiting:
        current = waiting.pop()
        if current not in elsewhere:
            elsewhere.add(current)
            cut = (side,) if current is choice else ()
            waiting += [arg for at, arg in enumerate(current.args) if at not in cut]
    inside = [n for n in steps(choice.args[side]) if n not in elsewhere]
    calls = [n for n in inside if is_expensive(n)]
    return [n for n in calls if not any(is_expensive(below) for below in steps(n.args[0]))]


def is_expensive(current: Node) -> bool:
    """Whether it is a call of a kernel that is worth being spared."""
    return len(current.args) == 1 and OPS[current.op].cost >= _EXPENSIVE
