"""Program: a formula as a list of stages, each elementwise (Map) or a reduction over the axis (Reduce)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from symact.formula import Formula

# What a function of the family is differentiated by: () the value, ("x",) the derivative by x,
# ("x", "x") the second derivative. Names are sorted, since partial derivatives commute.
Wrt = tuple[str, ...]


@dataclass(frozen=True)
class Map:
    """An elementwise stage: ``target`` is ``expression`` of inputs, parameters and earlier targets."""

    target: str
    expression: sp.Expr


@dataclass(frozen=True)
class Reduce:
    """A reduction of the stage ``source`` over the formula's axis."""

    target: str
    kind: Literal["sum", "mean", "max", "min"]
    source: str


@dataclass(frozen=True)
class Program:
    """Stages in order of evaluation; the last one's target is the result."""

    formula: Formula
    stages: tuple[Map | Reduce, ...]

    @property
    def expression(self) -> sp.Expr:
        """The one expression of an elementwise program."""
        (stage,) = self.stages
        assert isinstance(stage, Map)
        return stage.expression


@dataclass(frozen=True)
class Family:
    """A program and its derivatives: everything that the emitted module computes."""

    programs: Mapping[Wrt, Program]
    order: int

    @property
    def formula(self) -> Formula:
        return self.programs[()].formula


def lower(formula: Formula) -> Program:
    """The stages of ``formula``; an elementwise one is a single Map."""
    return Program(formula, (Map("y", formula.expression),))
