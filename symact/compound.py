"""Compound arguments: expressions of several variables as functions of one, which is a combination of them.

log(1 + exp((a - b)/s))  =  f(t)  with  t = (a - b)/s
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sympy as sp

from symact.expressions import dag, rewrite
from symact.program import names_in
from symact.worth import is_root_of_sum, joint_parameters

# Functions that are in range, or out of it, with their arguments.
_OF_ANY_SIZE = (sp.exp, sp.cosh, sp.sinh, sp.tanh, sp.atan, sp.asinh, sp.erf, sp.erfc)


def compound_argument(
    part: sp.Expr, parameters: Iterable[str] = ()
) -> tuple[sp.Expr, sp.Symbol, sp.Expr] | None:
    """A function of one variable, the variable, and what ``part`` has for it; None where it has several.

    Besides, of those of the ``parameters`` that are stabilized together with it.
    """
    besides = joint_parameters(part, parameters)
    for argument in arguments_in(part, besides):
        t = sp.Dummy(real=True)
        function = in_terms_of(part, argument, t)
        if {symbol for symbol in function.free_symbols if symbol.name not in besides} == {t}:
            return function, t, argument
    return None


def with_its_power(
    product: sp.Mul, parameters: Iterable[str] = ()
) -> tuple[sp.Expr, tuple[sp.Expr, sp.Symbol, sp.Expr] | None]:
    """tanh(p·q)/(p·q) and the like, a function of a product beside a power of that, as one function.

    Returns what is left of ``product``, and the function, its variable and what that stands for, as
    ``compound_argument`` does; or None for these.
    """
    for factor in product.args:
        found = compound_argument(factor, parameters) if factor.has(sp.Function) else None
        if found is None or not found[2].is_Mul:
            continue
        function, t, argument = found
        others = sp.Mul(*(f for f in product.args if f is not factor))
        own, beside = argument.as_powers_dict(), others.as_powers_dict()
        powers = {beside.get(base, sp.S.Zero) / power for base, power in own.items()}
        power = powers.pop()
        if not powers and power.is_Rational and power != 0:
            return others / argument**power, (function * t**power, t, argument)
    return product, None


def arguments_in(part: sp.Expr, besides: frozenset[str] = frozenset()) -> list[sp.Expr]:
    """What functions and roots in ``part`` are of, if it has several variables: the smallest first.

    Without what is added to it, a number or parameters ``besides``: log(1 + t) is a function of t.
    """
    applied = [f for f in dag(part) if isinstance(f, sp.Function) and not isinstance(f, sp.Piecewise)]
    arguments = [argument for function in applied for argument in function.args]
    arguments += [root.base for root in dag(part) if is_root_of_sum(root)]
    variable = {argument: _without_constants(argument, besides) for argument in arguments}
    found = {
        _canonical(rest)[1]: sum(1 for _ in dag(argument))
        for argument, rest in variable.items()
        if len(rest.free_symbols) > 1 and argument.is_real is not False
    }
    in_range = {argument for f in applied if isinstance(f, _OF_ANY_SIZE) for argument in f.args}
    of_any_size = {_canonical(variable[argument])[1] for argument in in_range}
    found = {a: size for a, size in found.items() if a in of_any_size or not _is_multiple_of_exponential(a)}
    return sorted(found, key=lambda argument: (found[argument], str(argument)))


def _without_constants(argument: sp.Expr, besides: frozenset[str]) -> sp.Expr:
    terms = sp.Add.make_args(argument.as_coeff_Add()[1])
    return sp.Add(*(term for term in terms if not besides or not names_in(term) <= besides))


def _is_multiple_of_exponential(argument: sp.Expr) -> bool:
    """Whether it is one that may overflow where the logarithm of it and a number does not."""
    return bool(argument.is_Mul) and any(isinstance(f, sp.exp) for f in argument.args)


@lru_cache(maxsize=4096)
def _canonical(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A number, and the expression without it, of which the negative is written in the same way."""
    number, rest = sp.factor_terms(expression).as_coeff_Mul()
    factors = []
    for factor in sp.Mul.make_args(rest):
        if factor.is_Add and factor.could_extract_minus_sign():
            number, factor = -number, -factor
        factors.append(factor)
    return number, sp.Mul(*factors)


def in_terms_of(part: sp.Expr, argument: sp.Expr, t: sp.Symbol) -> sp.Expr:
    """``part`` with ``t`` for ``argument``, for its multiples, and in sums and products that hold it."""
    own = argument.free_symbols

    def visit(current: sp.Basic) -> sp.Basic:
        if not (isinstance(current, sp.Expr) and own <= current.free_symbols):
            return current
        if own == current.free_symbols:
            number, rest = _canonical(current)
            if rest == argument:
                return number * t
        for sign in (1, -1):
            signed = argument if sign == 1 else -argument
            if current.func == signed.func and set(signed.args) <= set(current.args):
                return current.func(sign * t, *(arg for arg in current.args if arg not in signed.args))
        return current

    return rewrite(part, visit)
