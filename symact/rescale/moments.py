"""Moments: differences of sums that nearly cancel, written in deviations from the mean.

    Mean(x²) - Mean(x)²           = Mean((x - Mean(x))²)
    Mean(a·b) - Mean(a)·Mean(b)   = Mean((a - Mean(a))·(b - Mean(b)))

and so for every polynomial of elements whose own sums the formula has: each element is written as the mean
plus its deviation, deviations sum to 0, and where the means then cancel in a sum of the formula, the sum is
written in what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from symact.expressions import rewrite
from symact.program import COUNT, Map, Program, Reduce, Stage, has_any
from symact.rescale.questions import sums_of

# Moments beyond this degree are left as they are.
_HIGHEST = 6


@dataclass(frozen=True)
class _Mean:
    """What has a mean, ``sum / length``; and symbols for the mean and for the deviation from it."""

    of: sp.Expr
    sum: sp.Symbol
    mean: sp.Symbol
    deviation: sp.Symbol


def with_central_moments(program: Program) -> Program:
    """``program`` with sums of powers as sums of deviations' powers, where their means cancel."""
    sums = {symbol: body for _, symbol, body, _ in sums_of(program)}
    means = _means(sums)
    moments = {sum_: _expansion(body, means, program.vectors) for sum_, body in sums.items()}
    raw = {sum_: moment for sum_, moment in moments.items() if moment is not None}
    if not raw:
        return program
    deviations = {mean.deviation: mean.of - mean.sum / COUNT for mean in means}
    stages: list[Stage] = []
    known: dict[sp.Expr, sp.Symbol] = {}
    for stage in program.stages:
        if isinstance(stage, Map):
            expression = rewrite(stage.expression, lambda part: _central(part, raw, means))
            for central in sorted(expression.atoms(_Sum) - known.keys(), key=str):
                target = known[central] = sp.Symbol(f"central_{len(known) + 1}", real=True)
                body = central.args[0].xreplace(deviations)
                stages += [Map(f"of_{target}", body), Reduce(target.name, "sum", f"of_{target}")]
            stages.append(Map(stage.target, expression.xreplace(known)))
        else:
            stages.append(stage)
    return replace(program, stages=_needed(stages, program.outputs))


def _means(sums: dict[sp.Symbol, sp.Expr]) -> tuple[_Mean, ...]:
    return tuple(
        _Mean(body, sum_, sp.Dummy(f"mean_{sum_}", real=True), sp.Dummy(f"deviation_{sum_}", real=True))
        for sum_, body in sums.items()
    )


def _expansion(body: sp.Expr, means: tuple[_Mean, ...], vectors: frozenset[str]) -> sp.Expr | None:
    """The sum of ``body`` in terms of means and of sums of deviations; None if it is no moment."""
    own = [mean for mean in means if mean.of != body]
    written = body.subs([(mean.of, mean.deviation + mean.mean) for mean in own])
    for mean in own:
        if isinstance(mean.of, sp.Abs) and written == written.xreplace({mean.of.args[0]: -mean.of.args[0]}):
            written = written.xreplace({mean.of.args[0]: mean.deviation + mean.mean})  # x² is |x|²
    deviations = [mean.deviation for mean in own if mean.deviation in written.free_symbols]
    if not deviations or has_any(written, vectors) or not written.is_polynomial(*deviations):
        return None
    polynomial = sp.Poly(written, *deviations)
    if not 2 <= polynomial.total_degree() <= _HIGHEST:
        return None
    total = sp.S.Zero
    for powers, coefficient in polynomial.terms():
        if sum(powers) != 1:
            product = sp.Mul(*(d**k for d, k in zip(deviations, powers, strict=True)))
            total += coefficient * (_Sum(product) if sum(powers) else COUNT)
    return total


class _Sum(sp.Function):  # type: ignore[misc]
    """The sum of a product of deviations."""

    nargs = 1


def _central(part: sp.Basic, raw: dict[sp.Symbol, sp.Expr], means: tuple[_Mean, ...]) -> sp.Basic:
    """A sum of the formula in deviations, if the means cancel in it; else as it is."""
    if not part.is_Add or not raw.keys() & part.free_symbols:
        return part
    in_means = {mean.sum: mean.mean * COUNT for mean in means if mean.sum not in raw}
    written = sp.expand(part.xreplace({**raw, **in_means}))
    return part if {mean.mean for mean in means} & written.free_symbols else sp.factor_terms(written)


def _needed(stages: list[Stage], outputs: tuple[str, ...]) -> tuple[Stage, ...]:
    """``stages`` without those that no result needs."""
    needed = set(outputs)
    kept: list[Stage] = []
    for stage in reversed(stages):
        if stage.target in needed:
            reads = stage.expression.free_symbols if isinstance(stage, Map) else {stage.source}
            needed |= {str(name) for name in reads}
            kept.append(stage)
    return tuple(kept[::-1])
