"""Reductions: what a formula over an axis may say, and how its reductions are lifted out of it.

``Sum(body, (j, 0, n - 1))`` is SymPy's own; ``Mean``, ``ReduceMax`` and ``ReduceMin`` take the index alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from symact.errors import UnsupportedError
from symact.expressions import dag, rewrite

# The length of the axis, counted without what a mask leaves out.
LENGTH = "length"


class Total(sp.Function):  # type: ignore[misc]
    """The sum of the first argument over the index that is the second: ``Sum`` of a text."""

    nargs = 2

    def _sympystr(self, printer: Any) -> str:
        return f"Sum({', '.join(printer._print(arg) for arg in self.args)})"

    def _latex(self, printer: Any) -> str:
        body, index = self.args
        return rf"\sum_{{{printer._print(index)}}} {printer.parenthesize(body, PRECEDENCE['Mul'])}"


class Mean(sp.Function):  # type: ignore[misc]
    """The mean of the first argument over the index that is the second."""

    nargs = 2


class ReduceMax(sp.Function):  # type: ignore[misc]
    """The largest value of the first argument over the index that is the second."""

    nargs = 2


class ReduceMin(sp.Function):  # type: ignore[misc]
    """The smallest value of the first argument over the index that is the second."""

    nargs = 2


KINDS: dict[type[sp.Basic], str] = {
    sp.Sum: "sum",
    Total: "sum",
    Mean: "mean",
    ReduceMax: "max",
    ReduceMin: "min",
}
# By the name that a text uses.
WORDS: dict[str, Callable[..., sp.Expr]] = {
    "Sum": Total,
    "Mean": Mean,
    "ReduceMax": ReduceMax,
    "ReduceMin": ReduceMin,
}


@dataclass(frozen=True)
class Reduction:
    """A reduction of ``body``, an expression of elements, parameters and earlier reductions' names."""

    name: str
    kind: str
    body: sp.Expr


@dataclass(frozen=True)
class Lifted:
    """A formula without indices.

    Attributes:
        expression: over elements, parameters and reductions, by name.
        reductions: in order of evaluation.
        indexed: names that had an index: elements along the axis.
        keeps_axis: whether the result has an element for each of the axis.
    """

    expression: sp.Expr
    reductions: tuple[Reduction, ...]
    indexed: frozenset[str]
    keeps_axis: bool


def is_vector(expression: sp.Basic) -> bool:
    """Whether an expression has indices or reductions."""
    return any(isinstance(part, (sp.Indexed, *KINDS)) for part in dag(expression))


def lift(expression: sp.Expr, text: str) -> Lifted:
    """``expression`` with every reduction replaced by a name, and every element by its vector's.

    Raises:
        UnsupportedError: indices are used in a way that needs more than one axis, or not at all.
    """
    reductions: dict[tuple[str, sp.Expr], Reduction] = {}
    indexed: set[str] = set()
    lengths: set[sp.Basic] = set()

    def elements(body: sp.Expr, index: sp.Basic | None) -> sp.Expr:
        found = {part for part in dag(body) if isinstance(part, sp.Indexed)}
        own = {part.indices[0] for part in found}
        if any(len(part.indices) != 1 or not part.indices[0].is_Symbol for part in found):
            raise UnsupportedError(text, "an element has one index that is a name, as in x[i]")
        if index is not None and own - {index}:
            raise UnsupportedError(
                text, f"the sum over {index} uses another index, {min(map(str, own - {index}))}"
            )
        if len(own) > 1:
            raise UnsupportedError(text, "the result has more than one free index; use one")
        names = {part: part.base.label.name for part in found}
        indexed.update(names.values())
        result = body.xreplace({part: sp.Symbol(name, real=True) for part, name in names.items()})
        loose = (own | ({index} if index is not None else set())) & result.free_symbols
        if loose:
            raise UnsupportedError(text, f"the index {min(map(str, loose))} is no number to compute with")
        return result

    def visit(current: sp.Basic) -> sp.Basic:
        kind = KINDS.get(type(current))
        if kind is None:
            return current
        body, index = current.args[0], _index(current, text, lengths)
        varies = is_vector(body)
        body = elements(body, index)
        if not varies:
            return sp.Symbol(LENGTH, positive=True) * body if kind == "sum" else body
        key = (kind, body)
        if key not in reductions:
            reductions[key] = Reduction(f"{kind}_{len(reductions) + 1}", kind, body)
        return sp.Symbol(reductions[key].name, real=True)

    bare = rewrite(expression, visit)
    keeps_axis = any(isinstance(part, sp.Indexed) for part in dag(bare))
    result = elements(bare, None)
    if not indexed:
        raise UnsupportedError(text, "nothing that it sums has elements, as x[j] is one of")
    length = {symbol: sp.Symbol(LENGTH, positive=True) for symbol in lengths}
    length[sp.Symbol("n", real=True)] = sp.Symbol(LENGTH, positive=True)

    def named(part: sp.Expr) -> sp.Expr:
        return part.xreplace({s: v for s, v in length.items() if s.name not in indexed})

    return Lifted(
        named(result),
        tuple(Reduction(r.name, r.kind, named(r.body)) for r in reductions.values()),
        frozenset(indexed),
        keeps_axis,
    )


def _index(current: Any, text: str, lengths: set[sp.Basic]) -> sp.Basic:
    """The index that a reduction runs over; the length of the axis, where it names one."""
    limits = current.args[1:]
    if len(limits) != 1:
        raise UnsupportedError(text, "a reduction runs over one index; nest reductions for more")
    limit = limits[0]
    if not isinstance(limit, sp.Tuple):
        return limit
    if len(limit) == 3:
        count = sp.expand(limit[2] - limit[1] + 1)
        if not count.is_Symbol or limit[1] not in (0, 1):
            raise UnsupportedError(text, f"a sum runs over the whole axis, ({limit[0]}, 0, n - 1)")
        lengths.add(count)
    return limit[0]
