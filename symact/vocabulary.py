"""Vocabulary: the functions and constants that a formula may name, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Word:
    """A function: how many arguments it takes (``most`` None: any number), and what it builds."""

    build: Callable[..., sp.Basic]
    fewest: int = 1
    most: int | None = 1


def _logarithm(argument: sp.Expr, base: sp.Expr | None = None) -> sp.Expr:
    return sp.log(argument) if base is None else sp.log(argument) / sp.log(base)


def _real_cube_root(argument: sp.Expr) -> sp.Expr:
    return sp.sign(argument) * sp.Abs(argument) ** sp.Rational(1, 3)


_SYMPY = [
    "exp",
    "sqrt",
    "tanh",
    "sinh",
    "cosh",
    "coth",
    "sech",
    "csch",
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "asin",
    "acos",
    "atan",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "sinc",
    "sign",
    "floor",
    "ceiling",
]

FUNCTIONS: dict[str, Word] = {
    **{name: Word(getattr(sp, name)) for name in _SYMPY},
    "Abs": Word(sp.Abs),
    "abs": Word(sp.Abs),
    "Heaviside": Word(sp.Heaviside, 1, 2),
    "log": Word(_logarithm, 1, 2),
    "ln": Word(sp.log),
    "log2": Word(lambda u: sp.log(u) / sp.log(2)),
    "log10": Word(lambda u: sp.log(u) / sp.log(10)),
    "log1p": Word(lambda u: sp.log(1 + u)),
    "expm1": Word(lambda u: sp.exp(u) - 1),
    "cbrt": Word(_real_cube_root),
    "square": Word(lambda u: u**2),
    "ceil": Word(sp.ceiling),
    "Max": Word(sp.Max, 1, None),
    "max": Word(sp.Max, 1, None),
    "Min": Word(sp.Min, 1, None),
    "min": Word(sp.Min, 1, None),
    "sigmoid": Word(lambda u: 1 / (1 + sp.exp(-u))),
    "softplus": Word(lambda u: sp.log(1 + sp.exp(u))),
    "relu": Word(lambda u: sp.Max(u, 0)),
}

CONSTANTS: dict[str, sp.Expr] = {"pi": sp.pi, "E": sp.E, "oo": sp.oo}

# Words that build or join conditions.
CONDITIONS: dict[str, Word] = {
    "Eq": Word(sp.Eq, 2, 2),
    "Ne": Word(sp.Ne, 2, 2),
    "Lt": Word(sp.Lt, 2, 2),
    "Le": Word(sp.Le, 2, 2),
    "Gt": Word(sp.Gt, 2, 2),
    "Ge": Word(sp.Ge, 2, 2),
    "And": Word(sp.And, 1, None),
    "Or": Word(sp.Or, 1, None),
    "Not": Word(sp.Not, 1, 1),
}

# Names of formulas over an axis.
VECTOR_WORDS = frozenset({"Sum", "Mean", "ReduceMax", "ReduceMin"})

ALL_NAMES = VECTOR_WORDS | frozenset(FUNCTIONS) | frozenset(CONSTANTS) | frozenset(CONDITIONS) | {"Piecewise"}
