"""Expressions: walks over SymPy expressions that cost their distinct nodes, not the size of the tree.

A formula composed with itself thirty times has some sixty distinct nodes and a tree of a billion;
SymPy's own traversals, ``xreplace`` and ``str`` among them, walk the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import sympy as sp

# What ``spelled`` still spells out.
_MOST_TREE_NODES = 20_000


def dag(root: sp.Basic) -> Iterable[sp.Basic]:
    """Every distinct subexpression of ``root``, arguments first, each once; no recursion."""
    seen: set[sp.Basic] = set()
    stack: list[tuple[sp.Basic, bool]] = [(root, False)]
    while stack:
        current, ready = stack.pop()
        if ready:
            yield current
        elif current not in seen:
            seen.add(current)
            stack.append((current, True))
            stack.extend((arg, False) for arg in reversed(current.args))


def symbols(root: sp.Basic) -> set[sp.Symbol]:
    """The free symbols of ``root``."""
    return {current for current in dag(root) if isinstance(current, sp.Symbol)}


def rewrite(root: sp.Expr, visit: Callable[[sp.Basic], sp.Basic]) -> sp.Expr:
    """``root`` rebuilt from its leaves, each rebuilt node passed through ``visit``; linear in nodes."""
    done: dict[sp.Basic, sp.Basic] = {}
    for current in dag(root):
        args = [done[arg] for arg in current.args]
        same = all(new is old for new, old in zip(args, current.args, strict=True))
        done[current] = visit(current if same else current.func(*args))
    return done[root]


def substituted(root: sp.Expr, exchanged: Mapping[sp.Basic, sp.Basic]) -> sp.Expr:
    """``root`` with the leaves in ``exchanged`` replaced."""
    return rewrite(root, lambda current: exchanged.get(current, current))


def spelled(expression: object) -> str:
    """``str`` of an expression; a word on its size where the text would fill books."""
    if isinstance(expression, sp.Basic):
        sizes: dict[sp.Basic, int] = {}
        for current in dag(expression):
            sizes[current] = 1 + sum(sizes[arg] for arg in current.args)
        if sizes[expression] > _MOST_TREE_NODES:
            return f"<expression of {len(sizes)} distinct parts>"
    return str(expression)
