"""Graph: frozen, hash-consed expression nodes over the op table; what stabilize produces and emit prints.

Unlike SymPy, nothing here evaluates or reorders: ``(x - r_hi) - r_lo`` stays as written. Two nodes
built from the same op and arguments are the same object, so shared subexpressions are found by
identity, and a walk over a graph costs its number of distinct nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakValueDictionary

import sympy as sp

from symact.ops import OPS


@dataclass(frozen=True, eq=False, repr=False, slots=True, weakref_slot=True)
class Node:
    """An expression.

    Attributes:
        op: a name in the op table, or ``"const"``, ``"var"``, ``"true"``, ``"false"``.
        args: the arguments.
        value: the exact number of a constant (a SymPy number: ``1/3``, ``sqrt(2/pi)``, ``oo``).
        name: the name of a variable.
    """

    op: str
    args: tuple[Node, ...] = ()
    value: sp.Expr | None = None
    name: str | None = None

    def __repr__(self) -> str:
        if self.op == "const":
            return str(self.value)
        if self.op == "var":
            return str(self.name)
        return f"{self.op}({', '.join(map(repr, self.args))})"

    def __reduce__(self) -> tuple[object, ...]:
        return _intern, (self.op, self.args, self.value, self.name)

    # Arithmetic spells graphs as mathematics; nothing is evaluated or reordered.
    def __add__(self, other: Node | int) -> Node:
        return node("add", self, other)

    def __radd__(self, other: int) -> Node:
        return node("add", other, self)

    def __sub__(self, other: Node | int) -> Node:
        return node("sub", self, other)

    def __rsub__(self, other: int) -> Node:
        return node("sub", other, self)

    def __mul__(self, other: Node | int) -> Node:
        return node("mul", self, other)

    def __rmul__(self, other: int) -> Node:
        return node("mul", other, self)

    def __truediv__(self, other: Node | int) -> Node:
        return node("div", self, other)

    def __rtruediv__(self, other: int) -> Node:
        return node("div", other, self)

    def __neg__(self) -> Node:
        return node("neg", self)


_interned: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()


def _intern(op: str, args: tuple[Node, ...], value: sp.Expr | None, name: str | None) -> Node:
    key = (op, tuple(map(id, args)), value, name)
    found = _interned.get(key)
    if found is None:
        found = Node(op, args, value, name)
        _interned[key] = found
    return found


def var(name: str) -> Node:
    """The variable ``name``: an input or a parameter."""
    return _intern("var", (), None, name)


def const(value: sp.Expr | int | float) -> Node:
    """The constant ``value``, exact: a float stands for the binary fraction that it is."""
    if isinstance(value, float) and math.isfinite(value):
        return _intern("const", (), sp.Rational(value), None)
    return _intern("const", (), sp.oo * value if value in (math.inf, -math.inf) else sp.sympify(value), None)


def exact(constant: Node) -> sp.Expr:
    """The number that a constant stands for."""
    assert constant.value is not None
    return constant.value


TRUE = _intern("true", (), None, None)
FALSE = _intern("false", (), None, None)


def node(op: str, *args: Node | int | float) -> Node:
    """The node that applies ``op`` to ``args``; Python numbers become constants."""
    nodes = tuple(arg if isinstance(arg, Node) else const(arg) for arg in args)
    assert len(nodes) == OPS[op].arity, f"{op} takes {OPS[op].arity} arguments"
    return _intern(op, nodes, None, None)


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every distinct node below ``roots``, arguments before what uses them."""
    return iter(_ordered(tuple(roots)))


def steps(root: Node) -> tuple[Node, ...]:
    """The distinct nodes below ``root``, arguments before what uses them, and ``root`` last."""
    return _ordered((root,))


@lru_cache(maxsize=4096)
def _ordered(roots: tuple[Node, ...]) -> tuple[Node, ...]:
    found: list[Node] = []
    seen: set[int] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:  # no recursion: chains may be long
        current, ready = stack.pop()
        if ready:
            found.append(current)
        elif id(current) not in seen:
            seen.add(id(current))
            stack.append((current, True))
            stack.extend((arg, False) for arg in reversed(current.args))
    return tuple(found)


def rebuild(root: Node, replaced: Mapping[Node, Node]) -> Node:
    """``root`` with every node in ``replaced`` exchanged for its value."""
    done: dict[Node, Node] = {}
    for current in steps(root):
        if current in replaced:
            done[current] = replaced[current]
        elif any(done[arg] is not arg for arg in current.args):
            done[current] = _intern(current.op, tuple(done[arg] for arg in current.args), None, None)
        else:
            done[current] = current
    return done[root]


def rewritten(root: Node, rule: Callable[[Node], Node | None]) -> Node:
    """``root`` with ``rule`` applied to every node, its arguments first; None leaves a node as it is."""
    done: dict[Node, Node] = {}
    for current in steps(root):
        new = current
        if any(done[arg] is not arg for arg in current.args):
            new = _intern(current.op, tuple(done[arg] for arg in current.args), None, None)
        instead = rule(new)
        done[current] = new if instead is None else instead
    return done[root]


@lru_cache(maxsize=4096)
def variables(root: Node) -> frozenset[str]:
    """Names of the variables in ``root``."""
    return frozenset(str(n.name) for n in steps(root) if n.op == "var")
