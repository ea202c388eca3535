"""Worth: whether a stage has functions that the search for accurate forms can do something for."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symact.expressions import dag

# Functions whose kernels serve as they are, on a symbol alone.
_PLAIN = (sp.Abs, sp.sign, sp.floor, sp.ceiling, sp.Max, sp.Min, sp.Piecewise)


def worth_stabilizing(expression: sp.Expr) -> bool:
    """Whether a function of more than a plain argument occurs in it, or several functions do."""
    functions = [
        part
        for part in dag(expression)
        if isinstance(part, sp.Function) and not isinstance(part, _PLAIN) and part.free_symbols
    ]
    if not functions:
        return has_root_less_number(expression)
    if any(isinstance(part, sp.Rel) and part.has(*map(type, functions)) for part in dag(expression)):
        return True  # rounded, exp(x) > 1 has another answer than x > 0
    return len(functions) > 1 or not _is_plain(functions[0]) or len(_arithmetic_on_functions(expression)) > 0


def has_root_less_number(expression: sp.Expr) -> bool:
    """Whether a number is taken from a root of a sum, or that from a number: sqrt(1 + u) - 1."""
    return any(_is_root_less_number(part) for part in dag(expression) if part.is_Add)


def _is_root_less_number(total: sp.Expr) -> bool:
    number, rest = total.as_coeff_Add()
    coefficients = [
        c for term in sp.Add.make_args(rest) for c, f in [term.as_coeff_Mul()] if is_root_of_sum(f)
    ]
    return any(c * number < 0 for c in coefficients)


def is_root_of_sum(part: sp.Expr) -> bool:
    """Whether it is a sum with a number in it, to the power of a fraction."""
    fraction = part.is_Pow and part.exp.is_Rational and not part.exp.is_Integer
    return bool(fraction and part.base.is_Add and part.base.as_coeff_Add()[0] != 0)


def _is_plain(function: sp.Expr) -> bool:
    argument = function.args[0]
    if isinstance(argument, sp.Abs | sp.Max | sp.Min):
        return all(part.is_number or part.is_Symbol for part in argument.args)
    return bool(
        argument.is_Symbol or (argument.is_Mul and argument.args[0].is_number and len(argument.args) == 2)
    )


def _arithmetic_on_functions(expression: sp.Expr) -> list[sp.Expr]:
    """Sums and powers in which a function of the expression takes part."""
    return [
        part
        for part in dag(expression)
        if isinstance(part, sp.Add | sp.Pow) and any(isinstance(p, sp.Function) for p in dag(part))
    ]


def in_exponents(expression: sp.Expr, parameters: Iterable[str]) -> frozenset[str]:
    """Which of the ``parameters`` are in exponents of functions: a function's powers are stabilized with it.

    Its derivative by itself may be infinite where the power's is not: (1/(1 + exp(u)))**p at huge u.
    """
    powers = (
        part
        for part in dag(expression)
        if part.is_Pow and part.base is not sp.E and part.exp.free_symbols and worth_stabilizing(part)
    )
    return frozenset(symbol.name for power in powers for symbol in power.exp.free_symbols) & {*parameters}
