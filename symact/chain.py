"""Chain: a long formula as a composition of short ones.

f(f(f(…))) depends on its input through one subexpression at each level. Cut there, it is a chain of
links that are derived and stabilized each by itself, so that thirty levels cost thirty times one; as one
expression, SymPy's own algebra on it costs two to the thirtieth.
"""

from __future__ import annotations

import sympy as sp

from symact.expressions import composed, dag, is_long, nesting, symbols

# Distinct parts below which neighbouring links are joined.
_SHORT = 14
# So often a formula repeats itself, or nests functions, before it is looked at here at all.
_REPEATS = 3


def links(expression: sp.Expr, name: str) -> tuple[sp.Expr, ...]:
    """Expressions in the symbol ``name`` whose composition, the first innermost, is ``expression``.

    One, ``expression`` itself, where it is short and does not repeat itself, holds other symbols, or
    cannot be cut.
    """
    by = sp.Symbol(name, real=True)
    if nesting(expression) < _REPEATS or symbols(expression) != {by}:
        return (expression,)
    unfolded = _unflattened(expression)
    cuts = _bottlenecks(list(dag(unfolded)), by)
    found = [
        _exchanged(outer, inner, by) for inner, outer in zip([by, *cuts], [*cuts, unfolded], strict=True)
    ]
    repeated = _periods(found, by)
    if repeated is not None and len(repeated) >= _REPEATS:
        return repeated
    return _joined(found, by) if is_long(expression) and cuts else (expression,)


def _unflattened(expression: sp.Expr) -> sp.Expr:
    """``expression`` with products that are part of longer ones, and sums of longer ones, made factors
    and terms of those again: SymPy writes u·f(u) for u = v·w as v·w·f(v·w)."""
    done: dict[sp.Basic, sp.Basic] = {}
    known: dict[type[sp.Basic], list[tuple[dict[sp.Basic, sp.Expr], sp.Expr]]] = {sp.Mul: [], sp.Add: []}
    for current in dag(expression):
        args = {old: done[old] for old in current.args}
        if current.is_Mul or current.is_Add:
            done[current] = _gathered(current, args, known[current.func])
        else:
            done[current] = composed(current, args) if args else current
    return done[expression]


def _gathered(
    current: sp.Expr,
    args: dict[sp.Basic, sp.Basic],
    known: list[tuple[dict[sp.Basic, sp.Expr], sp.Expr]],
) -> sp.Expr:
    """A sum or product with the largest of the ``known`` ones that it contains as one of its parts; a
    product's numbers stand before it."""
    of_sum = current.is_Add
    numbers = [] if of_sum else [arg for arg in current.args if arg.is_number]
    bare = [arg for arg in current.args if arg not in numbers]
    parts = dict(_part(arg, of_sum) for arg in bare)
    fitting = [
        (inner, whole)
        for inner, whole in known
        if 1 < len(inner) < len(parts)
        and inner.keys() <= parts.keys()
        and len({parts[part] / inner[part] for part in inner}) == 1
    ]
    rest = [args[arg] for arg in bare]
    if fitting:
        inner, whole = max(fitting, key=lambda pair: len(pair[0]))
        scale = next(parts[part] / inner[part] for part in inner)
        rest = [args[arg] for arg in bare if _part(arg, of_sum)[0] not in inner]
        rest.append(whole if scale == 1 else sp.Mul(scale, whole, evaluate=False))
    core = current.func(*rest, evaluate=False) if len(rest) > 1 else rest[0]
    if len(bare) > 1:
        known.append((parts, core))
    return sp.Mul(*numbers, core, evaluate=False) if numbers else core


def _part(arg: sp.Expr, of_sum: bool) -> tuple[sp.Expr, sp.Expr]:
    """A part and its scale: of a sum a term without its number, of a product a factor."""
    if not of_sum:
        return arg, sp.S.One
    number, part = arg.as_coeff_Mul(rational=True)
    return part, number


def _bottlenecks(order: list[sp.Basic], by: sp.Symbol) -> list[sp.Expr]:
    """The subexpressions through which every path from the whole to the input leads, innermost first."""
    up: dict[sp.Basic, int] = dict.fromkeys(order, 0)  # paths to the input
    for current in order:
        up[current] = 1 if current == by else sum(up[arg] for arg in current.args)
    down: dict[sp.Basic, int] = dict.fromkeys(order, 0)  # paths from the whole
    down[order[-1]] = 1
    for current in reversed(order):
        for arg in current.args:
            down[arg] += down[current]
    total = up[order[-1]]
    return [
        current
        for current in order[:-1]
        if current != by and isinstance(current, sp.Expr) and up[current] * down[current] == total
    ]


def _periods(found: list[sp.Expr], by: sp.Symbol) -> tuple[sp.Expr, ...] | None:
    """Links joined to whole periods, where the chain repeats itself; else None."""
    count = len(found)
    for period in range(1, count // 2 + 1):
        if all(found[i] == found[i + period] for i in range(count - period)):
            first = count % period
            groups = [found[start : start + period] for start in range(first, count, period)]
            return tuple(_composed(group, by) for group in ([found[:first]] if first else []) + groups)
    return None


def _joined(found: list[sp.Expr], by: sp.Symbol) -> tuple[sp.Expr, ...]:
    """Neighbouring links joined to pieces of some size."""
    groups: list[list[sp.Expr]] = []
    filled = _SHORT
    for link in found:
        size = sum(1 for _ in dag(link))
        if filled + size > _SHORT:
            groups.append([])
            filled = 0
        groups[-1].append(link)
        filled += size
    return tuple(_composed(group, by) for group in groups)


def _composed(group: list[sp.Expr], by: sp.Symbol) -> sp.Expr:
    result: sp.Expr = by
    for link in group:
        result = _exchanged(link, by, result)
    return result


def _exchanged(expression: sp.Expr, old: sp.Expr, new: sp.Expr) -> sp.Expr:
    """``expression`` with ``new`` for ``old``; short then, so that SymPy may evaluate it."""
    done: dict[sp.Basic, sp.Basic] = {}
    for current in dag(composed(expression, {old: new})):
        args = [done[arg] for arg in current.args]
        done[current] = current.func(*args) if args else current
    return done[current]
