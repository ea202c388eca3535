"""Expressions: walks over SymPy expressions that cost their distinct nodes, not the size of the tree.

A formula composed with itself thirty times has some sixty distinct nodes and a tree of a billion;
SymPy's own traversals, ``xreplace`` and ``str`` among them, walk the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import sympy as sp

# What ``spelled`` still spells out.
_MOST_TREE_NODES = 20_000
# Distinct parts, and functions inside functions, above which an expression is long.
LONG, DEEP = 60, 5


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
    """``root`` with the parts in ``exchanged`` replaced; a long one is not evaluated anew."""
    if is_long(root):
        return composed(root, exchanged)
    return rewrite(root, lambda current: exchanged.get(current, current))


def composed(root: sp.Expr, exchanged: Mapping[sp.Basic, sp.Basic]) -> sp.Expr:
    """``root`` with the parts in ``exchanged`` replaced, and nothing evaluated: SymPy asks of what it
    evaluates whether it is real, finite or zero, which of deep expressions takes forever."""
    done: dict[sp.Basic, sp.Basic] = {}
    for current in dag(root):
        if current in exchanged:
            done[current] = exchanged[current]
            continue
        args = [done[arg] for arg in current.args]
        if all(new is old for new, old in zip(args, current.args, strict=True)):
            done[current] = current
        elif isinstance(current, sp.functions.elementary.piecewise.ExprCondPair):
            done[current] = current.func(*args)
        else:
            done[current] = current.func(*args, evaluate=False)
    return done[root]


def is_long(root: sp.Basic) -> bool:
    """Whether ``root`` has so many distinct parts, or functions of functions, that SymPy's own algebra is
    kept away from it."""
    return next(islice(dag(root), LONG, None), None) is not None or nesting(root) > DEEP


def nesting(root: sp.Basic) -> int:
    """How many functions stand inside each other at most."""
    depths: dict[sp.Basic, int] = {}
    for current in dag(root):
        below = max((depths[arg] for arg in current.args), default=0)
        depths[current] = below + (current.is_Function or (current.is_Pow and not current.exp.is_number))
    return depths[root]


def spelled(expression: object) -> str:
    """``str`` of an expression; a word on its size where the text would fill books."""
    if isinstance(expression, sp.Basic):
        sizes: dict[sp.Basic, int] = {}
        for current in dag(expression):
            sizes[current] = 1 + sum(sizes[arg] for arg in current.args)
        if sizes[expression] > _MOST_TREE_NODES:
            return f"<expression of {len(sizes)} distinct parts>"
    return str(expression)
