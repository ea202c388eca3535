"""Zero factors: 0·∞ is 0, where the infinite factor is one only because it exceeds the range.

``b·exp(a)`` is 0 at b = 0 for every a; computed, it is undefined where exp(a) overflows. Which products are
such is seen at inputs that are 0, ordinary or large, and only those ask whether their factor is 0.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from symact.formula import Formula
from symact.graph import Node, node, rebuild, rewritten, steps
from symact.stabilize.formats import Array, Format
from symact.width import along, evaluated

_ROWS, _LENGTH, _RANDOM_SEED = 160, 3, 23
# An input is 0 as often as it is beyond what exponentials have room for.
_INPUTS = (0.0, 0.0, 1.0, -2.0, 800.0, -800.0, 1e4, -1e4)


def with_zero_factors(graph: Node, formula: Formula, fmt: Format) -> Node:
    """``graph`` with products that are 0 where a factor is, if others of theirs overflow there."""
    memo: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        evaluated(graph, _inputs(formula), fmt, memo)
    done: dict[Node, Node] = {}
    for current in steps(graph):
        result = rebuild(current, {arg: done[arg] for arg in current.args})
        for factor, other in (current.args, current.args[::-1]) if current.op == "mul" else ():
            if np.any((memo[factor] == 0.0) & np.isinf(memo[other])):
                result = node("where", node("eq", done[factor], 0), 0, result)
        done[current] = result
    return done[graph]


def with_squares_apart(graph: Node, formula: Formula, value: Collection[Node]) -> Node:
    """c·x², x an input, as (c·x)·x: where c is small x² may exceed the range, where c is large be below.

    Nodes of the ``value`` stay as they are: its reductions are not computed again.
    """

    def rule(current: Node) -> Node | None:
        if current.op != "mul" or current in value:
            return None
        for factor, square in (current.args, current.args[::-1]):
            if square.op == "square" and square.args[0].name in formula.inputs and factor.args:
                return factor * square.args[0] * square.args[0]
        return None

    return rewritten(graph, rule)


def _inputs(formula: Formula) -> dict[str, Array]:
    """By name, a vector a row or a number a row: of inputs, of parameters as they are, and upstreams."""
    random = np.random.default_rng(_RANDOM_SEED)
    values = {name: random.choice(_INPUTS, (_ROWS, _LENGTH)) for name in formula.inputs}
    for parameter in formula.parameters:
        length = _LENGTH if parameter.name in formula.indexed else 1
        values[parameter.name] = np.full((_ROWS, length), parameter.default)
    upstreams = ("upstream", *(f"upstream_{name}_2" for name in formula.variables))
    return values | dict.fromkeys(upstreams, np.ones((_ROWS, 1))) | along(_LENGTH)
