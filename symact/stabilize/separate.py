"""Separate: a formula of several inputs as a sum of products of functions of one of them each.

``a*b/(1+exp(-a))`` is b times a function of a; so are its derivatives. Each function of one input is
stabilized as every activation is; what does not separate is searched among forms for all values of
the other inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
import sympy as sp

from symact.convert import to_graph
from symact.graph import Node
from symact.numbers import as_float
from symact.program import Family, Wrt
from symact.stabilize.family import StableFamily
from symact.stabilize.formats import FORMATS, Format
from symact.stabilize.problem import Score
from symact.stabilize.regimes import Candidate, Regime
from symact.stabilize.sampling import sample
from symact.stabilize.score import bits_of_error, ulp_error
from symact.stabilize.simulate import simulate
from symact.stabilize.stable import Stable
from symact.stabilize.task import Task
from symact.stabilize.truth import Truth

# A product: functions of one variable each, by the variable's name; "" holds the constant factor.
Product = dict[str, sp.Expr]
# The values of other inputs at which a formula is judged.
_OTHERS = (-30.0, -1.5, 0.25, 1.0, 100.0)
_POINTS = 250


def separated(expression: sp.Expr, names: frozenset[str]) -> list[Product] | None:
    """``expression`` as a sum of products of functions of one of ``names`` each; None if it is none.

    Products that differ in one function only are merged, so that f(a)·b - g(a)·b is (f - g)(a)·b
    and the difference is stabilized as a whole.
    """
    found: list[Product] = []
    for term in _terms(sp.factor_terms(expression), names):
        product: Product = {"": sp.S.One}
        for factor in sp.Mul.make_args(term):
            own = sorted(s.name for s in factor.free_symbols if s.name in names)
            if len(own) > 1:
                return None
            key = own[0] if own else ""
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
    for name in [*names, ""]:
        groups: dict[tuple[tuple[str, sp.Expr], ...], sp.Expr] = {}
        for product in products:
            rest = {k: v for k, v in product.items() if k not in (name, "") and v != 1}
            own = product.get(name, sp.S.One) * (product.get("", sp.S.One) if name else sp.S.One)
            key = tuple(sorted(rest.items()))
            groups[key] = groups.get(key, sp.S.Zero) + own
        products = [{**dict(key), name: own} for key, own in groups.items() if own != 0]
    return products


def stabilize_pair(family: Family, *, prefer: str = "balanced") -> StableFamily:
    """Every partial derivative of a family of several inputs, stabilized in every format.

    ``prefer`` is as for ``stabilize_family``.
    """
    memo: dict[tuple[sp.Expr, str], Stable] = {}
    return StableFamily(
        {
            wrt: {name: _stable(family, wrt, fmt, prefer, memo) for name, fmt in FORMATS.items()}
            for wrt in family.programs
        },
        {},
    )


def _stable(
    family: Family, wrt: Wrt, fmt: Format, prefer: str, memo: dict[tuple[sp.Expr, str], Stable]
) -> Stable:
    formula, expression = family.formula, family.programs[wrt].expression
    low, high = map(as_float, formula.domain)
    names = frozenset([*formula.inputs, *formula.defaults])

    def univariate(part: sp.Expr, name: str, others: Mapping[str, float]) -> Stable:
        key = (part, f"{fmt.name} {name}")
        if key not in memo:
            domain = (low, high) if name in formula.inputs else (-np.inf, np.inf)
            task = Task(part, name, fmt, domain, len(wrt), dict(others), prefer=prefer)
            memo[key] = task.run()
        return memo[key]

    products = separated(expression, names)
    if products is None:
        name = formula.inputs[0]
        others = {**dict.fromkeys(formula.inputs[1:], 1.0), **formula.defaults}
        return univariate(expression, name, others)
    parts = [
        (name, univariate(function, name, {}))
        for product in products
        for name, function in product.items()
        if name
    ]
    graphs = iter(parts)
    terms = []
    for product in products:
        factors = [
            next(graphs)[1].graph if name else to_graph(f) for name, f in product.items() if f != 1 or name
        ]
        terms.append(_product(factors))
    graph = reduce(lambda a, b: a + b, terms) if terms else to_graph(sp.S.Zero)
    before, after = (_score(expression, g, family, fmt) for g in (to_graph(expression), graph))
    regimes = tuple(r for _, part in parts for r in part.regimes if len(part.regimes) > 1)
    whole = (Regime(low, high, Candidate("separated", graph)),)
    return Stable(graph, regimes or whole, 0, before, after)


def _product(factors: list[Node]) -> Node:
    plain = [f for f in factors if not (f.op == "const" and f.value == 1)]
    return reduce(lambda a, b: a * b, plain) if plain else to_graph(sp.S.One)


def _score(expression: sp.Expr, graph: Node, family: Family, fmt: Format) -> Score:
    """Errors of ``graph`` over the first input, at several values of the others."""
    formula = family.formula
    first, *rest = formula.inputs
    low, high = map(as_float, formula.domain)
    points = sample(fmt, (low, high), _POINTS, 3, around=[0.0])
    truth = Truth(expression, first)
    defaults = {name: float(fmt.round(np.float64(v))) for name, v in formula.defaults.items()}
    errors, inputs = [], []
    for other in _OTHERS:
        if low < other < high:
            values = {**dict.fromkeys(rest, other), **defaults}
            exact = truth.at(points, **values)
            computed = simulate(graph, {first: points, **values}, fmt)
            errors.append(ulp_error(computed, *exact, fmt))
            inputs.append(points)
    if not errors:
        return Score(0.0, 0.0, 0.0)
    everything, at = np.concatenate(errors), np.concatenate(inputs)
    worst = int(np.argmax(everything))
    return Score(float(everything[worst]), float(at[worst]), float(bits_of_error(everything).mean()))
