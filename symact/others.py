"""Others: a sum less one of its own terms as the sum of the others, where that one is far larger.

    S - exp(x), S = Sum(exp(x))  =  Sum of the others, if x is the only largest element; else as it is

Nothing is left of the difference where x is larger by 37, and log(1 - softmax(x)) is -oo. If x is not the
largest element, or another is as large, the difference is as large as any of its terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import sympy as sp

from symact.expressions import dag, is_long, rewrite
from symact.program import Map, Program, Reduce, Stage
from symact.rescale.questions import sums_of


@dataclass(frozen=True)
class PositiveSum:
    """A sum of positive terms.

    Attributes:
        symbol: the sum's.
        body: what is summed.
        size: grows with the size of a term.
        element: what the terms are functions of: the exponent, or the base of a power.
        without: the element for which there is no term.
    """

    symbol: sp.Symbol
    body: sp.Expr
    size: sp.Expr
    element: sp.Expr
    without: sp.Expr

    def named(self, part: str) -> sp.Symbol:
        return sp.Symbol(f"{part}_{self.symbol}", real=True)

    @property
    def is_largest(self) -> sp.Basic:
        return sp.Ge(self.named("size"), self.named("largest"))

    @property
    def is_only_largest(self) -> sp.Basic:
        return sp.And(self.is_largest, sp.Le(self.named("count"), 1))

    def share(self, size: sp.Symbol, largest: sp.Symbol) -> sp.Expr:
        """The term of ``size`` in units of that of the ``largest``."""
        if isinstance(self.body, sp.exp):
            return sp.exp(size - largest)
        return (size / largest) ** self.body.as_base_exp()[1]

    def logarithm(self, size: sp.Symbol) -> sp.Expr:
        """The logarithm of the term of ``size``."""
        if isinstance(self.body, sp.exp):
            return size
        return self.body.as_base_exp()[1] * sp.log(size)

    def stages(self) -> Iterator[Stage]:
        """The largest size, how many terms have it, and the sum of the terms that have not."""
        size, largest, count, element, others = map(
            self.named, ("size", "largest", "count", "element", "others")
        )
        yield Map(size.name, self.size)
        yield Reduce(largest.name, "max", size.name)
        yield Map(f"of_{count}", sp.Piecewise((1, self.is_largest), (0, True)))
        yield Reduce(count.name, "sum", f"of_{count}")
        yield Map(element.name, sp.Piecewise((self.without, self.is_largest), (self.element, True)))
        yield Map(f"of_{others}", self.body.xreplace({self.element: element}))
        yield Reduce(others.name, "sum", f"of_{others}")

    @property
    def constants(self) -> set[str]:
        return {self.named("largest").name, self.named("count").name, f"of_{self.named('count')}"}


def with_others(program: Program, *, everywhere: bool = False) -> Program:
    """``program`` with such differences in that form: in logarithms, roots, denominators, or everywhere."""
    known: list[PositiveSum] = []
    found: dict[sp.Symbol, PositiveSum] = {}
    sums = {total.target: positive_sum(symbol, body) for total, symbol, body, _ in sums_of(program)}
    stages: list[Stage] = []
    for stage in program.stages:
        if isinstance(stage, Reduce):
            own = sums.get(stage.target)
            known += [own] if own else []
        elif not is_long(stage.expression):
            for total in known:
                others = total.named("others")
                expression = _in_others(stage.expression, total)
                if not ((everywhere and expression != stage.expression) or _matters(expression, others)):
                    continue
                if total.symbol not in found:
                    found[total.symbol] = total
                    stages += total.stages()
                stage = Map(
                    stage.target,
                    sp.Piecewise((expression, total.is_only_largest), (stage.expression, True)),
                )
        stages.append(stage)
    constants = {name for total in found.values() for name in total.constants}
    return replace(program, stages=tuple(stages), constants=program.constants | constants)


def positive_sum(symbol: sp.Symbol, body: sp.Expr) -> PositiveSum | None:
    if isinstance(body, sp.exp):
        return PositiveSum(symbol, body, body.args[0], body.args[0], -sp.oo)
    base, power = body.as_base_exp()
    element = base.args[0] if isinstance(base, sp.Abs) else base
    positive = power.is_positive and (power.is_even or isinstance(base, sp.Abs))
    if positive and element.is_Symbol:
        return PositiveSum(symbol, body, sp.Abs(element), element, sp.S.Zero)
    return None


def _in_others(expression: sp.Expr, total: PositiveSum) -> sp.Expr:
    """``expression`` with a symbol for the sum less its own term."""
    others = total.named("others")

    def visit(part: sp.Basic) -> sp.Basic:
        if not part.is_Add or len(part.args) != 2:
            return part
        for whole, own in (part.args, part.args[::-1]):
            if own == -whole * total.body / total.symbol:
                return whole * others / total.symbol
        return part

    return rewrite(expression, visit)


def _matters(expression: sp.Expr, others: sp.Symbol) -> bool:
    """Whether digits of ``others`` are seen wherever it is small: in logarithms, roots and denominators."""
    return any(
        others in part.free_symbols
        for part in dag(expression)
        if isinstance(part, sp.log) or (part.is_Pow and not (part.exp.is_integer and part.exp.is_positive))
    )
