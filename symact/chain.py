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
    """A sum or product with the largest of the ``known`` ones that it contains as one of its parts."""
    parts = dict(_part(arg, current.is_Add) for arg in current.args)
    numbers = [arg for arg in current.args if arg.is_number] if current.is_Mul else []
    parts = {part: scale for part, scale in parts.items() if not part.is_number or current.is_Add}
    best: tuple[dict[sp.Basic, sp.Expr], sp.Expr] | None = None
    for inner, whole in known:
        fits = 1 < len(inner) < len(parts) and inner.keys() <= parts.keys()
        if (
            fits
            and len({parts[part] / inner[part] for part in inner}) == 1
            and (best is None or len(inner) > len(best[0]))
        ):
            best = inner, whole
    if best is None:
        result = current.func(*args.values(), evaluate=False)
    else:
        inner, whole = best
        scale = parts[next(iter(inner))] / inner[next(iter(inner))]
        factor = whole if scale == 1 else sp.Mul(scale, whole, evaluate=False)
        rest = [args[arg] for arg in current.args if _part(arg, current.is_Add)[0] not in inner]
        result = current.func(*rest, factor, evaluate=False)
    bare = [args[arg] for arg in current.args if arg not in numbers]
    if len(bare) > 1:
        own = result if not numbers else current.func(*bare, evaluate=False)
        if best is not None and numbers:
            own = current.func(*[a for a in result.args if a not in numbers], evaluate=False)
            result = sp.Mul(*numbers, own, evaluate=False)
        elif numbers:
            result = sp.Mul(*numbers, own, evaluate=False)
        known.append((parts, own))
    return result


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
