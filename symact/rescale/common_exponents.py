"""Common exponents: what the exponents of all terms of a sum share leaves the sum, where it then cancels.

    Sum(exp(x - m))  =  exp(-m)·Sum(exp(x))        m without elements: a maximum, a mean

So exp(x - Max(x))/Sum(exp(x - Max(x))), softmax as many write it by hand, is softmax itself. Its shift is
found anyway, and its gradient has no terms by m, which would be 0 but for their rounding errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

import sympy as sp

from symact.expressions import is_long, rewrite
from symact.program import Map, Program, Reduce, Stage, has_any
from symact.rescale.questions import exponent, terms
from symact.rescale.rewriting import one_exponential


def without_common_exponents(program: Program) -> Program:
    """``program`` with such sums without what their exponents share; the others as they were."""
    left: frozenset[str] = frozenset()
    while True:
        tried, failed = _apart(program, left)
        if not failed:
            return tried
        left |= failed


def _apart(program: Program, left: AbstractSet[str]) -> tuple[Program, frozenset[str]]:
    """``program`` with all sums but ``left`` in that form, and those where it does not cancel."""
    taken: dict[sp.Symbol, sp.Expr] = {}
    failed: set[str] = set()
    stages: list[Stage] = []
    for stage, following in zip(program.stages, (*program.stages[1:], None), strict=True):
        if not isinstance(stage, Map):
            stages.append(stage)
            continue
        used = {symbol: shared for symbol, shared in taken.items() if symbol in stage.expression.free_symbols}
        factors = {symbol: sp.exp(shared) * symbol for symbol, shared in used.items()}
        expression = _met(stage.expression.xreplace(factors), _symbols(used)) if used else stage.expression
        if any(_holds(expression, shared) for shared in used.values()):
            failed |= {symbol.name for symbol in used}
        if isinstance(following, Reduce) and following.kind == "sum" and following.target not in left:
            shared = _shared(expression, program)
            if shared != 0:
                taken[sp.Symbol(following.target, real=True)] = shared
                out = sp.exp(-shared)
                expression = sp.Add(*(_met(one_exponential(term * out), set()) for term in terms(expression)))
        stages.append(Map(stage.target, expression))
    return replace(program, stages=tuple(stages)), frozenset(failed)


def _shared(body: sp.Expr, program: Program) -> sp.Expr:
    """What the exponents of all terms of ``body`` have in common that is made of reductions; or 0."""
    if is_long(body):
        return sp.S.Zero
    found: set[sp.Expr] = set()
    for term in terms(body):
        parts = sp.Add.make_args(sp.expand_mul(exponent(term)))
        own = [part for part in parts if has_any(part, program.elementwise)]
        found.add(sp.Add(*(p for p in parts if p not in own and has_any(p, program.reduced()))))
        if not own:
            return sp.S.Zero
    return found.pop() if len(found) == 1 else sp.S.Zero


def _holds(expression: sp.Expr, shared: sp.Expr) -> bool:
    """Whether a term of ``shared`` is still in one of the exponents of ``expression``."""
    kept = {part for e in expression.atoms(sp.exp) for part in sp.Add.make_args(e.args[0])}
    sizes = {part.as_coeff_Mul()[1] for part in sp.Add.make_args(shared)}
    return any(part.as_coeff_Mul()[1] in sizes for part in kept)


def _symbols(used: Mapping[sp.Symbol, sp.Expr]) -> set[sp.Symbol]:
    return {symbol for shared in used.values() for symbol in shared.free_symbols}


def _met(expression: sp.Expr, shared: AbstractSet[sp.Symbol]) -> sp.Expr:
    """``expression`` with exponentials taken out of sums, powers and logarithms, so that ``shared`` meets."""

    def visit(part: sp.Basic) -> sp.Basic:
        if isinstance(part, sp.exp):
            return sp.exp(sp.expand_mul(part.args[0]))
        if isinstance(part, sp.log):
            return _logarithm(part.args[0])
        if part.is_Pow and part.exp.is_number:
            outside, rest = _exponentials(part.base)
            return sp.exp(outside * part.exp) * rest**part.exp if outside != 0 else part
        if part.is_Mul:
            met = one_exponential(part)
            sums = any(f.is_Add and f.has(sp.log) and shared & f.free_symbols for f in part.args)
            return sp.expand_mul(met, deep=False) if sums else met
        if part.is_Add:
            return _without_common_factor(part)
        return part

    return rewrite(expression, visit)


def _exponentials(product: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The exponents of a product's exponentials, added up, and the rest of it."""
    outside = exponent(product)
    return outside, one_exponential(product * sp.exp(-outside)) if outside != 0 else product


def _logarithm(inside: sp.Expr) -> sp.Expr:
    outside, rest = _exponentials(inside)
    if rest.is_Pow and rest.exp == -1:
        return outside - sp.log(rest.base)
    return outside + sp.log(rest)


def _without_common_factor(total: sp.Add) -> sp.Expr:
    """exp(c)·(a + b) for a·exp(c) + b·exp(c)."""
    common = set.intersection(*({*sp.Add.make_args(exponent(term))} for term in total.args)) - {sp.S.Zero}
    if not common:
        return total
    factor = sp.exp(sp.Add(*common))
    return factor * sp.Add(*(one_exponential(term / factor) for term in total.args))
