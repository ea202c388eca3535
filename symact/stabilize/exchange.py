"""Exchange: fewer and cheaper forms for the same regimes, where they err no more than is borne anyway.

The dynamic programming prices each regime by itself. But of a choice both sides are computed: what
neighbours share, and a form that serves another regime as well, costs once in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from symact.graph import steps
from symact.stabilize.candidates import distinct
from symact.stabilize.formats import Array
from symact.stabilize.problem import Problem
from symact.stabilize.recheck import errors_within
from symact.stabilize.regimes import Candidate, Regime, price
from symact.stabilize.simulate import cost_of

# What a choice costs besides its forms, for those who compute it and those who read it.
_CHOICE = 4.0


def exchanged(
    problem: Problem, regimes: Sequence[Regime], candidates: Sequence[Candidate], target: float, most: float
) -> tuple[Regime, ...]:
    """``regimes`` with the forms of neighbours exchanged for one that serves them all, as long as that
    makes the whole cheaper; neighbours of one form made one.

    Args:
        problem: what errors are measured by.
        regimes: neighbours, from left to right.
        candidates: the forms that may be used.
        target: the error in ULP that is aimed at.
        most: the error in ULP that a form may have as well, where the whole has it already.
    """
    serves = _serving(problem, regimes, target, most)
    forms = distinct([*(regime.candidate for regime in regimes), *candidates])
    number = {form.graph: at for at, form in enumerate(forms)}
    nodes = {n: at for at, n in enumerate({n: None for form in forms for n in steps(form.graph)})}
    prices = np.array([cost_of(n) for n in nodes])
    takes = np.zeros((len(forms), len(nodes)), bool)
    for row, form in zip(takes, forms, strict=True):
        row[[nodes[n] for n in steps(form.graph)]] = True
    chosen = [number[regime.candidate.graph] for regime in regimes]
    total = float(prices @ takes[chosen].any(axis=0)) + _CHOICE * _changes(chosen)
    cheaper = True
    while cheaper:
        cheaper = False
        for lower, first, last, other in sorted(_trials(chosen, takes, prices)):
            if lower >= total:
                break
            if all(serves(forms[other], regime) for regime in regimes[first : last + 1]):
                chosen[first : last + 1] = [other] * (last + 1 - first)
                total, cheaper = lower, True
                break
    return _merged([Regime(r.low, r.high, forms[at]) for r, at in zip(regimes, chosen, strict=True)])


def _serving(
    problem: Problem, regimes: Sequence[Regime], target: float, most: float
) -> Callable[[Candidate, Regime], bool]:
    """Whether a form may take over one of ``regimes``: where it errs by no more than is aimed at, than the
    form in place does, or, up to ``most``, than the whole does at worst."""

    @cache
    def judged(candidate: Candidate, regime: Regime) -> tuple[float, float]:
        """The worst error within the regime, and what all errors there cost."""
        worst = total = 0.0
        for judge in problem.judges():
            errors = errors_within(problem, judge, regime, candidate.graph)
            worst = max(worst, float(errors.max(initial=0.0)))
            total += float(price(errors, target).sum())
        return worst, total

    own = {regime: judged(regime.candidate, regime) for regime in regimes}
    borne = max(target, min(most, max(worst for worst, _ in own.values())))

    def serves(candidate: Candidate, regime: Regime) -> bool:
        (worst, total), (own_worst, own_total) = judged(candidate, regime), own[regime]
        return worst <= borne or (worst <= own_worst and total <= own_total)

    return serves


def _trials(
    chosen: list[int], takes: npt.NDArray[np.bool_], prices: Array
) -> Iterator[tuple[float, int, int, int]]:
    """What the whole costs if one form takes over from one regime to another: that, both, and the form."""
    for first in range(len(chosen)):
        for last in range(first, len(chosen)):
            before, after = chosen[:first], chosen[last + 1 :]
            outside = takes[before + after].any(axis=0)
            totals = prices @ outside + (takes & ~outside) @ prices
            for form, total in enumerate(totals.tolist()):
                yield total + _CHOICE * _changes([*before, form, *after]), first, last, form


def _changes(chosen: Sequence[int]) -> int:
    """How often the form changes from one regime to the next."""
    return sum(one != other for one, other in pairwise(chosen))


def _merged(regimes: Sequence[Regime]) -> tuple[Regime, ...]:
    """Neighbouring regimes of one form made one."""
    result: list[Regime] = []
    for regime in regimes:
        if result and result[-1].candidate.graph is regime.candidate.graph:
            result[-1] = Regime(result[-1].low, regime.high, regime.candidate)
        else:
            result.append(regime)
    return tuple(result)
