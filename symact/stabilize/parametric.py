"""Parametric: half-line forms of a formula with parameters, joined at a sign and not at a threshold."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from symact.convert import to_graph
from symact.graph import Node, node
from symact.stabilize.branches import resolve
from symact.stabilize.exponential import families_of, half_line, to_exponentials
from symact.stabilize.regimes import choice


def parametric_halves(expression: sp.Expr, name: str) -> Iterator[tuple[str, Node]]:
    """Forms of a formula with parameters, joined at the sign of what is exponentiated.

    The exponent's sign decides between the two sides (the input's, where no exponent holds a
    parameter), so the form holds for every value of the parameters.
    """
    point = 3.5
    families = families_of(to_exponentials(expression), name, point)
    symbol = sp.Symbol(name, real=True)
    with_parameters = [f for f in families if f.exponent.free_symbols != {symbol}]
    if len(with_parameters) > 1 or (with_parameters and len(families) > 1):
        return
    switch = with_parameters[0].exponent if with_parameters else symbol
    sides = []
    for side in (-point, point):
        branch = expression if with_parameters else resolve(expression, name, side)
        sides.append(dict(half_line(branch, name, side)))
    negative, positive = sides
    if not (negative and positive):
        return
    # A form that buys something on one side only goes with the first one on the other.
    first_negative, first_positive = (next(iter(side.values())) for side in sides)
    for form in dict.fromkeys([*negative, *positive]):
        condition = node("lt", to_graph(switch), 0)
        yield form, choice(condition, negative.get(form, first_negative), positive.get(form, first_positive))
