"""Compensated: exp of an argument as if that had not been rounded.

exp amplifies the rounding of its argument A by |A|. What every operation in A rounds away can be computed
exactly (T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
Mathematik 18, 1971), and exp(A + rest) is exp(A)·(1 + rest). Unlike a split of the input (see
``exponents``) this needs no numbers beforehand: parameters may be in it.
"""

from __future__ import annotations

import sympy as sp

from symact.convert import to_sympy
from symact.graph import Node, const, node, rebuild, steps, variables, walk
from symact.stabilize.exponents import is_power_of_two
from symact.stabilize.formats import Format
from symact.stabilize.rests import ZERO, added, multiplied, negated, of_magnitude, small


def compensated(graph: Node, fmt: Format) -> Node:
    """``graph`` with every exp whose argument is rounded compensated for that; itself where none is.

    What was rounded on purpose has been made up for: its exponential is left as it is.
    """
    exchanged = {}
    for current in walk([graph]):
        if current.op == "exp" and all(below.op != "rounded" for below in steps(current)):
            argument, rest = with_rest(current.args[0], fmt)
            if rest is not ZERO:
                exchanged[current] = node("exp", argument) * (const(1) + small(rest))
    return rebuild(graph, exchanged) if exchanged else graph


def makes_up_for_rounding(graph: Node) -> bool:
    """Whether ``graph`` computes what arithmetic rounds away."""
    return any(current.op.startswith("rest_of") for current in steps(graph))


def with_rest(current: Node, fmt: Format) -> tuple[Node, Node]:
    """A graph of ``current``, rounded step by step, and what that takes from it.

    What is no arithmetic, such as a bound or another exponential, is taken as it is.
    """
    if not variables(current):
        value = to_sympy(current)
        return const(value), _rest_of_constant(value, fmt)
    if current.op == "neg":
        inner, rest = with_rest(current.args[0], fmt)
        return -inner, negated(rest)
    if current.op == "abs":
        inner, rest = with_rest(current.args[0], fmt)
        return node("abs", inner), of_magnitude(inner, rest)
    if current.op == "square":
        return _product(*[with_rest(current.args[0], fmt)] * 2)
    if current.op in ("add", "sub", "mul", "div"):
        one, other = (with_rest(arg, fmt) for arg in current.args)
        if current.op == "mul":
            return _product(one, other)
        if current.op == "div":
            return _quotient(one, other)
        (a, rest), (b, rest2) = one, other
        if current.op == "sub":
            b, rest2 = -b, negated(rest2)
        total = node("rounded", a + b)
        return total, added(node("rest_of_sum", a, b, total), added(rest, rest2))
    return current, ZERO


def _product(one: tuple[Node, Node], other: tuple[Node, Node]) -> tuple[Node, Node]:
    (a, rest), (b, rest2) = one, other
    if _is_power_of_two(a) or _is_power_of_two(b):
        return a * b, added(multiplied(a, rest2), multiplied(b, rest))
    product = node("rounded", a * b)
    # The first is a tensor, in whose dtype the emitted function computes.
    first, second = (b, a) if a.op == "const" else (a, b)
    exact = node("rest_of_product", first, second, product)
    return product, added(exact, added(multiplied(a, rest2), multiplied(b, rest)))


def _quotient(one: tuple[Node, Node], other: tuple[Node, Node]) -> tuple[Node, Node]:
    """a/b = q + (a - q·b)/b, of which a - q·b is exact."""
    (a, rest), (b, rest2) = one, other
    if _is_power_of_two(b):
        return a / b, rest if rest is ZERO else rest / b
    quotient = node("rounded", a / b)
    left = -node("rest_of_product", quotient, b, a)
    return quotient, added(left, added(rest, negated(multiplied(quotient, rest2)))) / b


def _is_power_of_two(current: Node) -> bool:
    return current.value is not None and is_power_of_two(abs(current.value))


def _rest_of_constant(value: sp.Expr, fmt: Format) -> Node:
    held = sp.Rational(float(fmt.round(float(value))))
    rest = (value - held).evalf(20)
    return const(sp.Rational(float(rest))) if rest != 0 else ZERO
