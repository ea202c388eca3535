"""Worth: whether a stage has functions that the search for accurate forms can do something for."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symact.expressions import dag
from symact.program import names_in

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
    if any(_is_zero_over_zero(part) for part in dag(expression) if part.is_Mul):
        return True
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


def _is_zero_over_zero(product: sp.Expr) -> bool:
    """Whether a function that is 0 where its variable is 0 is divided by that: tanh(x)/x."""
    divisors = {f.base for f in product.args if f.is_Pow and f.exp.is_negative and f.base.is_Symbol}
    functions = (f.as_base_exp()[0] for f in product.args)
    return any(
        isinstance(f, sp.Function)
        and len(f.free_symbols & divisors) == 1 == len(f.free_symbols)
        and f.xreplace(dict.fromkeys(f.free_symbols, sp.S.Zero)) == 0
        for f in functions
    )


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


def joint_parameters(expression: sp.Expr, parameters: Iterable[str]) -> frozenset[str]:
    """Those of the ``parameters`` without which functions in ``expression`` cannot be stabilized.

    They are in exponents of functions, whose slope may be infinite where the power's is not:
    (1/(1 + exp(u)))**p at huge u. Or exponentials differ by them alone, and so do sigmoids that are both 1:
    1/(1 + exp(-u - d)) - 1/(1 + exp(d - u)).
    """
    known = {*parameters}
    if known.isdisjoint(symbol.name for symbol in expression.free_symbols):
        return frozenset()
    found: set[str] = set()
    constants: dict[sp.Expr, set[sp.Expr]] = {}
    for part in dag(expression):
        if part.is_Pow and part.base is not sp.E and part.exp.free_symbols and worth_stabilizing(part):
            found |= {symbol.name for symbol in part.exp.free_symbols}
        elif isinstance(part, sp.exp | sp.tanh):
            variables = [s for s in part.free_symbols if s.name not in known]
            constant, rest = sp.expand(part.args[0]).as_independent(*variables, as_Add=True)
            constant, rest = (-constant, -rest) if rest.could_extract_minus_sign() else (constant, rest)
            constants.setdefault(rest, set()).add(constant)
    for rest, several in constants.items():
        if len(several) > 1 and rest.free_symbols:
            found |= {symbol.name for symbol in {*several, rest} for symbol in symbol.free_symbols}
    return frozenset(found & known)


def parameters_between_exponents(expression: sp.Expr, parameters: Iterable[str]) -> frozenset[str]:
    """Those of the ``parameters`` that exponents of one variable differ by: exp(w·x) - exp(-x)."""
    known = {*parameters}
    exponents: dict[frozenset[str], list[sp.Expr]] = {}
    for part in dag(expression):
        if isinstance(part, sp.exp | sp.tanh | sp.sinh | sp.cosh):
            exponents.setdefault(names_in(part) - known, []).append(part.args[0])
    found: set[str] = set()
    for variables, several in exponents.items():
        if len(variables) == 1:
            for other in several[1:]:
                found |= names_in(sp.cancel(other / several[0]))
    return frozenset(found & known)


def variables_in(expression: sp.Expr, parameters: Iterable[str]) -> frozenset[str]:
    """Names in ``expression`` but those of ``parameters`` that are stabilized together with variables."""
    return names_in(expression) - joint_parameters(expression, parameters)
