"""Program: a formula as a list of stages, each elementwise (Map) or a reduction over the axis (Reduce)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import sympy as sp

from symact.formula import Formula
from symact.reductions import LENGTH

# What a function of the family is differentiated by: () the value, ("x",) the derivative by x,
# ("x", "x") the second derivative. Names are sorted, since partial derivatives commute.
Wrt = tuple[str, ...]

# Symbols that need no stage: the length of the axis, and the place of an element along it.
POSITION = sp.Symbol("position", nonnegative=True)
COUNT = sp.Symbol(LENGTH, positive=True)


Kind = Literal["sum", "max", "min", "shift", "scale", "first"]
_KINDS: dict[str, Kind] = {"sum": "sum", "mean": "sum", "max": "max", "min": "min"}


@dataclass(frozen=True)
class Map:
    """An elementwise stage: ``target`` is ``expression`` of inputs, parameters and earlier targets."""

    target: str
    expression: sp.Expr


@dataclass(frozen=True)
class Reduce:
    """A reduction of the stage ``source`` over the formula's axis.

    ``kind`` "shift" is the maximum, or the number nearest to one that is infinite: what exponents are
    shifted by. "scale" is a power of two next to the maximum, or to a norm (see ``Powers``), or 1 where
    that is 0 or infinite: what vectors are divided by before they are squared. "first" is the first element.
    """

    target: str
    kind: Kind
    source: str


Stage = Map | Reduce


@dataclass(frozen=True)
class Norm:
    """A norm, the vector that it is the norm of, and the vector's direction: both in safe terms."""

    symbol: sp.Symbol
    vector: sp.Expr
    direction: sp.Expr


@dataclass(frozen=True)
class Rate:
    """A symbol and what it stands for, a function of one element: the logarithm of how another one grows.

    Where the symbol occurs beside the element, both are one function of it.
    """

    symbol: sp.Symbol
    expression: sp.Expr


@dataclass(frozen=True)
class Powers:
    """A scale, and the sum of powers of the vector divided by it: one reduction finds both.

    Attributes:
        scale: target of the scale, ``least`` or more.
        total: target of the sum: of ``factor`` times the scaled elements' size to the ``power``.
        vector: what is scaled.
        power: of the elements' size.
        factor: of every term.
        least: 0, or 1 where the scale is kept from being smaller.
    """

    scale: str
    total: str
    vector: sp.Expr
    power: sp.Expr
    factor: sp.Expr
    least: int


@dataclass(frozen=True)
class Program:
    """Stages in order of evaluation; by default the only result is called y.

    Attributes:
        formula: what the program computes, or is derived from.
        stages: in order of evaluation.
        outputs: the targets that are results.
        vectors: names of inputs that have an element for each of the axis.
        constants: targets that nothing is derived by: the result does not depend on their values.
        functions_of: norms that the formula is a function of as wholes: what depends on one of them
            alone is stabilized as a function of it.
        positive: targets that cannot be 0.
        powers: scales that are found together with a sum of powers.
        rates: constants by which functions are bounded.
        divisors: targets of maps that something is divided by, and that may be 0.
    """

    formula: Formula
    stages: tuple[Stage, ...]
    outputs: tuple[str, ...] = ("y",)
    vectors: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()
    functions_of: tuple[Norm, ...] = ()
    positive: frozenset[str] = frozenset()
    powers: tuple[Powers, ...] = ()
    divisors: frozenset[str] = frozenset()
    rates: tuple[Rate, ...] = ()

    def is_bounded(self, expression: sp.Expr) -> bool:
        """Whether it is a function bounded by a rate, of one element."""
        if len(expression.free_symbols) != 2:
            return False
        by_rates = {sp.exp(-rate.symbol) for rate in self.rates} & expression.atoms(sp.exp)
        return bool(by_rates)

    @property
    def expression(self) -> sp.Expr:
        """The one expression of an elementwise program."""
        (stage,) = self.stages
        assert isinstance(stage, Map)
        return stage.expression

    @cached_property
    def maps(self) -> Mapping[str, sp.Expr]:
        """The expressions of the elementwise stages, by target."""
        return {stage.target: stage.expression for stage in self.stages if isinstance(stage, Map)}

    def reductions(self, *kinds: Kind) -> tuple[Reduce, ...]:
        """The reductions of these kinds; of every kind where none is named."""
        found = (stage for stage in self.stages if isinstance(stage, Reduce))
        return tuple(stage for stage in found if not kinds or stage.kind in kinds)

    def reduced(self, *kinds: Kind) -> frozenset[str]:
        """The targets of these reductions."""
        return frozenset(stage.target for stage in self.reductions(*kinds))

    @cached_property
    def elementwise(self) -> frozenset[str]:
        """Names of all inputs and targets that have an element for each of the axis."""
        found = set(self.vectors) | {POSITION.name}
        for target, expression in self.maps.items():
            if has_any(expression, found):
                found.add(target)
        return frozenset(found)


def has_any(expression: sp.Expr, names: Iterable[str]) -> bool:
    """Whether a symbol of one of ``names`` occurs in ``expression``."""
    return not names_in(expression).isdisjoint(names)


@lru_cache(maxsize=8192)
def names_in(expression: sp.Expr) -> frozenset[str]:
    """Names of the symbols in ``expression``."""
    return frozenset(symbol.name for symbol in expression.free_symbols)


@dataclass(frozen=True)
class Family:
    """A program and its derivatives: everything that the emitted module computes.

    Attributes:
        programs: by what they are the derivative by.
        order: of the highest derivative.
        links: where the program is a chain (see ``symact.chain``), the families of its links, the
            innermost first; each is stabilized by itself.
    """

    programs: Mapping[Wrt, Program]
    order: int
    links: tuple[Family, ...] = ()

    @property
    def formula(self) -> Formula:
        return self.programs[()].formula


def lower(formula: Formula) -> Program:
    """The stages of ``formula``, reductions first; an elementwise formula is a single Map.

    A mean is a sum divided by the length of the axis.
    """
    stages: list[Stage] = []
    means: dict[sp.Symbol, sp.Expr] = {}
    for reduction in formula.reductions:
        source = f"of_{reduction.name}"
        stages.append(Map(source, reduction.body.xreplace(means)))
        if reduction.kind == "mean":
            means[formula.symbol(reduction.name)] = formula.symbol(reduction.name) / COUNT
        stages.append(Reduce(reduction.name, _KINDS[reduction.kind], source))
    stages.append(Map(formula.result, formula.expression.xreplace(means)))
    return Program(formula, tuple(stages), (formula.result,), vectors=formula.indexed)
