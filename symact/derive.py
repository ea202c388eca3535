"""Derive: the exact derivative of a program, one per order, and where it has kinks.

Differentiation walks the expression's distinct nodes once, so a formula composed with itself many
times costs its number of nodes and not the size of its tree.

At a kink a subgradient is taken:
    Piecewise  the derivative of the branch whose condition holds there,
    Max, Min   at a tie the derivative of the constant argument, else of the last in SymPy's order:
               the same by all variables, so that together they are a subgradient,
    Abs        0 where the argument is 0,
    sign, Heaviside, floor, ceiling   0 everywhere.
A branch that holds at single points only (``Eq(x, 0)``) fills a removable gap in the function; the
derivative is that of the function around it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

import sympy as sp

from symact.chain import links
from symact.expressions import composed, dag, is_long
from symact.formula import Formula
from symact.program import Family, Map, Program, Wrt, lower

_FLAT = (sp.sign, sp.Heaviside, sp.floor, sp.ceiling)


def differentiate(
    expression: sp.Expr, by: sp.Symbol, variables: Collection[sp.Symbol] = frozenset()
) -> sp.Expr:
    """The derivative of ``expression`` by ``by``, with the conventions above at kinks.

    Args:
        expression: what is differentiated.
        by: what it is differentiated by.
        variables: what else it is differentiated by, elsewhere: no constant, then.
    """
    variables = {by, *variables}
    slopes: dict[sp.Basic, sp.Expr] = {}
    for current in dag(expression):
        if isinstance(current, sp.Expr):
            slopes[current] = _slope(current, by, variables, slopes)
    return slopes[expression]


def _slope(
    current: sp.Expr, by: sp.Symbol, variables: Collection[sp.Symbol], slopes: dict[sp.Basic, sp.Expr]
) -> sp.Expr:
    if current.is_Symbol:
        return sp.S.One if current == by else sp.S.Zero
    if current.is_Atom or isinstance(current, _FLAT):
        return sp.S.Zero
    if isinstance(current, sp.Piecewise):
        return _piecewise_slope(current, by, slopes)
    if all(slopes.get(arg, sp.S.Zero) is sp.S.Zero for arg in current.args):
        return sp.S.Zero
    if current.is_Add:
        return sp.Add(*(slopes[arg] for arg in current.args))
    if current.is_Mul:
        return sp.Add(*_product_rule(current, slopes))
    if current.is_Pow:
        return _power_slope(current, slopes)
    if isinstance(current, sp.Abs):
        return sp.sign(current.args[0]) * slopes[current.args[0]]
    if isinstance(current, sp.Max | sp.Min):
        return _extremum_slope(current, variables, slopes)
    if isinstance(current, sp.sinc):
        (u,) = current.args
        return (sp.cos(u) / u - sp.sin(u) / u**2) * slopes[u]
    if isinstance(current, sp.tanh):
        # 1 - tanh² is what SymPy gives; it cancels, and this is the same function.
        return slopes[current.args[0]] / sp.cosh(current.args[0]) ** 2
    return sp.Add(
        *(
            current.fdiff(i + 1) * slopes[arg]
            for i, arg in enumerate(current.args)
            if slopes[arg] is not sp.S.Zero
        )
    )


def _product_rule(current: sp.Mul, slopes: dict[sp.Basic, sp.Expr]) -> list[sp.Expr]:
    factors = current.args
    return [
        sp.Mul(*factors[:i], slopes[factor], *factors[i + 1 :])
        for i, factor in enumerate(factors)
        if slopes[factor] is not sp.S.Zero
    ]


def _power_slope(current: sp.Pow, slopes: dict[sp.Basic, sp.Expr]) -> sp.Expr:
    base, exponent = current.base, current.exp
    if base is sp.E:
        return current * slopes[exponent]
    if isinstance(base, sp.Max) and sp.S.Zero in base.args and exponent.free_symbols:
        return _rectified_power_slope(current, slopes)
    by_base = exponent * base ** (exponent - 1) * slopes[base]
    if slopes[exponent] is sp.S.Zero:
        return by_base
    return by_base + current * sp.log(base) * slopes[exponent]


def _rectified_power_slope(current: sp.Pow, slopes: dict[sp.Basic, sp.Expr]) -> sp.Expr:
    """0 where the base is 0 on a half line: 0·log(0) has no value."""
    base, exponent = current.base, current.exp
    inside = sp.Max(*(arg for arg in base.args if arg != 0))
    above = sp.Piecewise((1, inside > 0), (0, True))
    safe = sp.Piecewise((inside, inside > 0), (1, True))
    by_exponent = safe**exponent * sp.log(safe) * slopes[exponent]
    return above * (exponent * safe ** (exponent - 1) * slopes[base] + by_exponent)


def _piecewise_slope(current: sp.Piecewise, by: sp.Symbol, slopes: dict[sp.Basic, sp.Expr]) -> sp.Expr:
    pairs = [
        (slopes[value], condition)
        for value, condition in current.args
        if not (isinstance(condition, sp.Equality) and by in condition.free_symbols)
    ]
    return sp.Piecewise(*pairs) if pairs else sp.S.Zero


def _extremum_slope(
    current: sp.Max | sp.Min, variables: Collection[sp.Symbol], slopes: dict[sp.Basic, sp.Expr]
) -> sp.Expr:
    # The argument that wins ties goes last: a constant one if there is one.
    rivals = sorted(current.args, key=lambda arg: arg.free_symbols.isdisjoint(variables))
    beats = sp.Gt if isinstance(current, sp.Max) else sp.Lt
    pairs = [
        (slopes[arg], sp.And(*(beats(arg, other) for other in rivals[i + 1 :])))
        for i, arg in enumerate(rivals[:-1])
    ]
    return sp.Piecewise(*pairs, (slopes[rivals[-1]], True))


def derive(program: Program, order: int = 2) -> Family:
    """``program`` and its partial derivatives by inputs and trainable parameters, up to ``order`` times.

    Each is derived from one of those before, exactly; nothing is rewritten for accuracy here.
    """
    formula = program.formula
    parts = links(program.expression, formula.inputs[0]) if len(formula.variables) == 1 else ()
    if len(parts) > 1:
        return _derive_chain(program, parts, order)
    variables = {formula.symbol(name) for name in formula.variables}
    programs: dict[Wrt, Program] = {(): program}
    for times in range(1, order + 1):
        for wrt in combinations_with_replacement(sorted(formula.variables), times):
            slope = differentiate(programs[wrt[:-1]].expression, formula.symbol(wrt[-1]), variables)
            programs[wrt] = Program(formula, (Map("y", slope),))
    return Family(programs, order)


def _derive_chain(program: Program, parts: tuple[sp.Expr, ...], order: int) -> Family:
    """The family of a composition, by the chain rule (Faà di Bruno's for higher derivatives)."""
    formula = program.formula
    (name,) = formula.inputs
    by = formula.symbol(name)
    families = [derive(_link(formula, part, first=i == 0), order) for i, part in enumerate(parts)]
    value: sp.Expr = by
    inner: list[sp.Expr] = []
    for link in families:
        outer = [composed(link.programs[(name,) * n].expression, {by: value}) for n in range(order + 1)]
        inner = list(chain_rule(outer[1:], inner or [sp.S.One] + [sp.S.Zero] * (order - 1)))
        value = outer[0]
    programs: dict[Wrt, Program] = {(): program}
    for n, expression in enumerate(inner, 1):
        programs[(name,) * n] = Program(formula, (Map("y", expression),))
    return Family(programs, order, tuple(families))


def _link(formula: Formula, expression: sp.Expr, *, first: bool) -> Program:
    domain = formula.domain if first else (-sp.oo, sp.oo)
    return lower(replace(formula, text=str(expression), expression=expression, domain=domain, originals=()))


def chain_rule(outer: Sequence[sp.Expr], inner: Sequence[sp.Expr]) -> Iterator[sp.Expr]:
    """The derivatives of f(g(x)), from those of f at g(x) and of g at x, the first ones first; exact and
    unevaluated."""
    names = sp.symbols(f"d1:{len(inner) + 1}")
    for n in range(1, len(inner) + 1):
        terms = []
        for k in range(1, n + 1):
            if outer[k - 1] is sp.S.Zero:
                continue
            polynomial = composed(sp.bell(n, k, names[: n - k + 1]), dict(zip(names, inner, strict=True)))
            terms.append(sp.Mul(outer[k - 1], polynomial, evaluate=False))
        yield sp.Add(*terms, evaluate=False) if len(terms) > 1 else terms[0] if terms else sp.S.Zero


def switches(expression: sp.Expr) -> tuple[sp.Expr, ...]:
    """Expressions whose zeros are where ``expression`` changes from one branch to another."""
    found: dict[sp.Expr, None] = {}
    for current in dag(expression):
        if isinstance(current, sp.Abs | sp.sign | sp.Heaviside):
            found[current.args[0]] = None
        elif isinstance(current, sp.Max | sp.Min):
            args = current.args
            found.update({a - b: None for i, a in enumerate(args) for b in args[i + 1 :]})
        elif isinstance(current, sp.core.relational.Relational):
            found[current.lhs - current.rhs] = None
    return tuple(found)


def kinks(program: Program) -> tuple[sp.Expr, ...]:
    """Where the branches of ``program`` meet, exactly: real roots of switches of degree ≤ 2 in the input.

    Roots may contain parameters. Switches of higher degree, or transcendental, are left out; the
    stabilizer finds those by number.
    """
    by = program.formula.symbol(program.formula.inputs[0])
    roots: set[sp.Expr] = set()
    for switch in switches(program.expression):
        if is_long(switch):
            continue
        if switch.is_polynomial(by) and 1 <= sp.degree(switch, by) <= 2:
            roots.update(r for r in sp.roots(switch, by) if r.is_real is not False)
    return tuple(sorted(roots, key=sp.default_sort_key))
