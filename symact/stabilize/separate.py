"""Separate: an expression of several variables as a sum of products of functions of one of them each.

``a*b/(1+exp(-a))`` is b times a function of a; so are its derivatives.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

# A product: functions of one variable each, by the variable's name; besides, by what is no name, the number
# and what else is of none of the variables.
Product = dict[str, sp.Expr]
NUMBER, CONSTANT = "", "(constant)"
NO_VARIABLES = (NUMBER, CONSTANT)


@lru_cache(maxsize=2048)
def separated(expression: sp.Expr, names: frozenset[str]) -> list[Product] | None:
    """``expression`` as a sum of products of functions of one of ``names`` each; None if it is none.

    Products that differ in one function only are merged, so that f(a)·b - g(a)·b is (f - g)(a)·b
    and the difference is stabilized as a whole.
    """
    found: list[Product] = []
    for term in _terms(sp.factor_terms(expression), names):
        product: Product = {NUMBER: sp.S.One}
        for factor in sp.Mul.make_args(term):
            own = sorted(s.name for s in factor.free_symbols if s.name in names)
            if len(own) > 1:
                return None
            key = own[0] if own else NUMBER if factor.is_number else CONSTANT
            product[key] = product.get(key, sp.S.One) * factor
        found.append(product)
    return _merged(found, sorted(names))


def _terms(expression: sp.Expr, names: frozenset[str]) -> list[sp.Expr]:
    """Terms whose sum is ``expression``: products over sums of several variables multiplied out."""

    def mixed(part: sp.Expr) -> bool:
        return len({s.name for s in part.free_symbols} & names) > 1

    if expression.is_Add:
        return (
            [t for term in expression.args for t in _terms(term, names)]
            if mixed(expression)
            else [expression]
        )
    if expression.is_Mul:
        for factor in expression.args:
            if factor.is_Add and mixed(factor):
                rest = expression / factor
                return [t for term in factor.args for t in _terms(rest * term, names)]
    return [expression]


def _merged(products: list[Product], names: list[str]) -> list[Product]:
    for name in [*names, NUMBER]:
        groups: dict[tuple[tuple[str, sp.Expr], ...], sp.Expr] = {}
        for product in products:
            own = product.get(name, sp.S.One)
            joined = [NUMBER] if name else []
            if product.get(CONSTANT, sp.S.One).free_symbols <= own.free_symbols:
                joined.append(CONSTANT)  # parameters that the function has itself: they may cancel in it
            rest = {k: v for k, v in product.items() if k not in (name, *joined) and v != 1}
            own = sp.Mul(own, *(product[k] for k in joined if k in product))
            key = tuple(sorted(rest.items()))
            groups[key] = groups.get(key, sp.S.Zero) + own
        products = [{**dict(key), name: own} for key, own in groups.items() if own != 0]
    return products
