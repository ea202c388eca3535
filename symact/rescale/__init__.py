"""Rescale: rewritings of a program's stages that keep its reductions within the format's range.

Each replaces a reduction by one of shifted or scaled terms, and writes the factor that this takes out
into every later stage, where it meets its like and cancels:

    Sum(a·exp(e - c)) = exp(-c)·Sum(a·exp(e))    c without elements, where it cancels (common_exponents.py)
    Sum(a·exp(e))    = M·Sum(a·exp(e - m))        m the largest e, M = exp(m)
    Sum(a·exp(g·e))  = M·Sum(a·exp(g·(e - m)))    g without elements: m by its sign, M = exp(g·m)
    Sum(c·|v|^p)     = s^p·Sum(c·|v/s|^p)         s a power of two next to the largest |v|; p < 0: smallest
    Sum(log(v))      = Sum(log(v/s)) + n·log(s)   s half way between the largest |v| and the smallest
    Sum(v²) - n·μ²   = Sum((v - μ)²)              μ the mean, in differences where it cancels (moments.py)
    Max(|v|)         = s·Max(|v/s|)               where it is a divisor
    Max(f(x))        = f(Max(x))                  f monotonic: x - t, exp(x), exp(-x) (extrema.py)
    v/D              = (v/s)/(D/s)                D any other reduction, or a difference of some

So softmax becomes exp(x - m)/Sum(exp(x - m)), and x/norm becomes z/sqrt(Sum(z²)) with z = x/s. The
factors m, M and s are constants to the derivation: the result does not depend on their values.
Where a factor would be added to something else (1 + Sum(exp(x)), Mean(x²) + eps) it is kept at 1 or
above, so that its reciprocal cannot overflow.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from symact.expressions import rewrite
from symact.program import Map, Program, Reduce
from symact.rescale.common_exponents import without_common_exponents
from symact.rescale.divisors import with_scaled_divisors
from symact.rescale.extrema import with_bare_extrema
from symact.rescale.moments import with_central_moments
from symact.rescale.questions import must_not_vanish, sums_of
from symact.rescale.rewriting import Rewriting, add_map, with_distances
from symact.rescale.sums import rewrite_maximum, rewrite_sum


def rescale(program: Program) -> Program:
    """``program`` with the sums of exponentials and of powers among its reductions rewritten."""
    program = with_bare_extrema(_with_exponentials(program))
    program = with_central_moments(without_common_exponents(program))
    new = Rewriting(program, elements=set(program.vectors))
    for at, stage in enumerate(program.stages):
        if isinstance(stage, Map):
            following = program.stages[at + 1] if at + 1 < len(program.stages) else None
            if isinstance(following, Reduce) and following.kind in ("sum", "max"):
                continue  # rewritten together with its reduction
            expression = with_distances(new, new.rewritten(stage.expression))
            add_map(new, stage.target, with_scaled_divisors(new, expression))
        elif stage.kind in ("sum", "max"):
            source = program.stages[at - 1]
            assert isinstance(source, Map)
            rewritten = rewrite_sum if stage.kind == "sum" else rewrite_maximum
            body = source.expression
            # Exponents have shifts, which keep distances as well.
            body = body if body.has(sp.exp) else with_distances(new, body)
            rewritten(new, stage, body, program.stages[at + 1 :])
        else:
            new.stages.append(stage)
            new.unscaled.add(stage.target)
    return replace(
        program,
        stages=tuple(new.stages),
        constants=program.constants | new.constants,
        functions_of=(*program.functions_of, *new.functions_of),
        positive=program.positive | new.positive,
        powers=(*program.powers, *new.powers),
        divisors=program.divisors | new.divisors,
    )


def _with_exponentials(program: Program) -> Program:
    """``program`` with powers of numbers (2^x) as exponentials, those that are shifted in no branches, and
    distances acosh(1 + u) by their roots."""
    branches = _shifted_branches(program)

    def visit(part: sp.Basic) -> sp.Basic:
        if part.is_Pow and part.base.is_positive and part.base.is_number and part.exp.free_symbols:
            return sp.exp(part.exp * sp.log(part.base))
        if isinstance(part, sp.acosh) and not part.args[0].is_Symbol:
            return _by_root(part.args[0] - 1)
        return branches.get(part, part)

    stages = [
        Map(s.target, rewrite(s.expression, visit)) if isinstance(s, Map) else s for s in program.stages
    ]
    return replace(program, stages=tuple(stages))


def _shifted_branches(program: Program) -> dict[sp.Basic, sp.Expr]:
    """exp(e) where a condition holds, and else 0, as exp(e) times 1 or 0, by what it was.

    Of sums that must not vanish: what is summed is shifted, and exp(e) in range where the condition fails.
    """
    found: dict[sp.Basic, sp.Expr] = {}
    for _, symbol, body, later in sums_of(program):
        branches = body.atoms(sp.Piecewise)
        if branches and must_not_vanish(symbol, later):
            products = {part: _without_branches(part) for part in branches}
            found |= {part: product for part, product in products.items() if product is not None}
    return found


def _without_branches(part: sp.Piecewise) -> sp.Expr | None:
    if len(part.args) != 2 or sp.S.Zero not in (part.args[0][0], part.args[1][0]):
        return None
    (first, condition), (second, _) = part.args
    value = first + second
    if not any(isinstance(f, sp.exp) for f in sp.Mul.make_args(value)):
        return None
    return value * sp.Piecewise((int(first != 0), condition), (int(second != 0), True))


def _by_root(beyond: sp.Expr) -> sp.Expr:
    """acosh(1 + u) as 2·asinh(sqrt(u/2)), which has the digits of a small u and the range of a norm's square.

    A difference may be rounded to less than 0, which is no distance's.
    """
    terms = sp.Add.make_args(beyond)
    return 2 * sp.asinh(sp.sqrt((sp.Max(beyond, 0) if len(terms) > 1 else beyond) / 2))
