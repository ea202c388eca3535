"""Parametric: forms of a formula with parameters, joined at signs and not at thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import sympy as sp

from symact.convert import to_graph
from symact.expressions import rewrite
from symact.graph import Node, const, node, rebuild, var
from symact.stabilize.branches import resolve
from symact.stabilize.exponential import half_line
from symact.stabilize.exponential_families import exponents_in, families_of, to_exponentials
from symact.stabilize.fractions import over_one_denominator
from symact.stabilize.regimes import choice

# How far from 0 a half line is looked at where nothing is known of its pieces; how many exponents of one
# formula have their signs told apart; and how many are compared.
POINT = 3.5
_MOST_EXPONENTS = 2
_MOST_TERMS = 4


def parametric_halves(expression: sp.Expr, name: str) -> Iterator[tuple[str, Node]]:
    """Forms of a formula with parameters, joined at the signs of what is exponentiated.

    The exponents' signs decide between the sides (the input's, for those that hold no parameter), so the
    form holds for every value of the parameters.
    """
    families = families_of(to_exponentials(expression), name, POINT)
    symbol = sp.Symbol(name, real=True)
    exponents = [f.exponent for f in families if f.exponent.free_symbols != {symbol}]
    by_input = len(families) > len(exponents) or not exponents
    if len(exponents) + by_input > _MOST_EXPONENTS:
        return
    combinations = [*product((-1, 1), repeat=len(exponents))]
    if by_input:  # its sign decides about the other exponents
        exponents = [symbol, *exponents]
        branches = [(resolve(expression, name, side), side) for side in (-POINT, POINT)]
        sides = [dict(half_line(b, name, side, signs=s)) for b, side in branches for s in combinations]
    else:
        sides = [dict(half_line(expression, name, POINT, signs=signs)) for signs in combinations]
    if not all(sides):
        return
    conditions = [node("lt", to_graph(exponent), 0) for exponent in exponents]
    # A form that buys something on one side only goes with the first one on the others.
    for form in dict.fromkeys(form for side in sides for form in side):
        yield form, _joined(conditions, [side.get(form, next(iter(side.values()))) for side in sides])


def by_the_largest(expression: sp.Expr, name: str) -> Iterator[tuple[str, Node]]:
    """The form in exponentials less the largest of all and 1, where there are several: none is above 1."""
    plain = to_exponentials(expression)
    exponents = exponents_in(plain, name)
    if not 2 <= len(exponents) <= _MOST_TERMS:
        return
    largest, one = sp.Symbol("largest_", real=True), sp.Symbol("one_", positive=True)
    terms = {e: sp.Symbol(f"term{i}_", positive=True) for i, e in enumerate(exponents)}

    def visit(current: sp.Basic) -> sp.Basic:
        if isinstance(current, sp.exp):
            return terms[current.args[0]] / one if current.args[0] in terms else current
        if isinstance(current, sp.log):
            over, under = sp.fraction(over_one_denominator(current.args[0]))
            power = under.as_powers_dict().get(one, 0)
            return power * largest + sp.log(over * one**power / under)
        return current

    shift = const(0)
    for exponent in exponents:
        shift = node("max", shift, to_graph(exponent))
    exchanged = {var(t.name): node("exp", to_graph(e) - shift) for e, t in terms.items()}
    exchanged |= {var(one.name): node("exp", -shift), var(largest.name): shift}
    graph = to_graph(over_one_denominator(rewrite(plain, visit)))
    yield "exp(u - max)", rebuild(graph, exchanged)


def with_constants_apart(expression: sp.Expr, name: str) -> sp.Expr:
    """exp(s·(x + d)) as exp(s·x)·exp(s·d): exponents that differ by parameters alone are one then."""
    symbol = sp.Symbol(name, real=True)

    def visit(current: sp.Basic) -> sp.Basic:
        if not isinstance(current, sp.exp):
            return current
        constant, rest = sp.expand(current.args[0]).as_independent(symbol, as_Add=True)
        return sp.Mul(sp.exp(rest), sp.exp(constant), evaluate=False) if constant.free_symbols else current

    plain = to_exponentials(expression)
    apart = rewrite(plain, visit)
    return expression if apart == plain else apart


def _joined(conditions: Sequence[Node], forms: Sequence[Node]) -> Node:
    """Of the ``forms``, ordered by the signs of all exponents, the one for the signs at hand."""
    if not conditions:
        (form,) = forms
        return form
    half = len(forms) // 2
    first, *others = conditions
    return choice(first, _joined(others, forms[:half]), _joined(others, forms[half:]))
