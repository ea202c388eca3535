"""All parameters: the best form of a formula for every value of its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

from symact.stabilize.branches import resolve
from symact.stabilize.candidates import (
    capped,
    clamped,
    distinct,
    floored,
    halves,
    rewritten,
    saturated_halves,
    with_exact_arguments,
)
from symact.stabilize.divided import divided
from symact.stabilize.one_argument import Search, Separation, of_one_argument, separated_by_argument
from symact.stabilize.parametric import POINT
from symact.stabilize.problem import Problem, Score
from symact.stabilize.regimes import Candidate, Regime, price
from symact.stabilize.score import LOST, ROUGH
from symact.stabilize.stable import Stable, built, price_of, single_form

# Forms whose input is kept within bounds: the best ones; and whose arguments are compensated.
_MOST_CLAMPED, _MOST_COMPENSATED = 3, 12
# How far from 0 another form may begin: sizes at which exponentials of the input are moderate, or in range.
_CUTS = (0.25, 1.0, 4.0, 16.0, 64.0)


def for_all_parameters(
    problem: Problem, candidates: list[Candidate], target: float, before: Score, search: Search
) -> Stable:
    """The best form for every value of the parameters, or the best on either side of 0: other thresholds
    would depend on them, if not in a function of one argument, which ``search`` finds a graph for."""

    def tamed(forms: list[Candidate]) -> list[Candidate]:
        """``forms`` and what keeps them within range, the best first."""
        forms = distinct([*forms, *capped(forms, problem.fmt)])
        forms.sort(key=lambda c: price_of(problem, c, target))
        if problem.errors(forms[0].graph).max() <= target:
            return forms
        # Next to the best, the one that fails at the fewest points: it may do so for being out of range.
        fewest = min(forms, key=lambda c: int((problem.errors(c.graph) > LOST).sum()))
        best = distinct([*forms[:_MOST_CLAMPED], fewest])
        bounded = clamped(best, problem.name, problem.fmt, any_parameters=True)
        forms = distinct([*forms, *bounded, *floored(best, problem.fmt)])
        return sorted(forms, key=lambda c: price_of(problem, c, target))

    forms = distinct([*candidates, *rewritten(halves(problem))])
    candidates = tamed(forms)
    if target > ROUGH or problem.errors(candidates[0].graph).max() <= target:
        return single_form(problem, candidates[0], before)
    for separation in _separations(problem):
        form = of_one_argument(separation, problem.fmt, target, search)
        candidates = sorted([form, *candidates], key=lambda c: price_of(problem, c, target))
        stable = _on_either_side(problem, candidates, target, before)
        if problem.errors(stable.graph).max() <= target:
            return stable
    forms.sort(key=lambda c: price_of(problem, c, target))
    promising = distinct([*forms[:_MOST_COMPENSATED], *candidates[: _MOST_COMPENSATED // 2]])
    candidates = tamed([*candidates, *with_exact_arguments(promising, problem)])
    if problem.errors(candidates[0].graph).max() <= target:
        return single_form(problem, candidates[0], before)
    candidates = tamed([*candidates, *rewritten(saturated_halves(problem))])
    return _on_either_side(problem, candidates, target, before)


def _separations(problem: Problem) -> Iterator[Separation]:
    """Those of the formula, and of what it is on either side of 0 where it has branches; each once."""
    sides = [resolve(problem.expression, problem.name, side * POINT) for side in (-1, 1)]
    whole = dict.fromkeys([problem.expression, *sides])
    seen = set()
    for expression in [*whole, *chain.from_iterable(map(divided, whole))]:
        for separation in separated_by_argument(expression):
            if separation not in seen:
                seen.add(separation)
                yield separation


def _on_either_side(problem: Problem, candidates: list[Candidate], target: float, before: Score) -> Stable:
    """The first of the ``candidates``, or the best on either side of 0, and next to it, where that errs much
    less."""
    single, *_ = candidates
    below, most = float(problem.fmt.number(-1)), problem.fmt.max
    errors = np.array([problem.errors(c.graph) for c in candidates])
    prices = problem.weights * price(errors, target)

    def within(low: float, high: float) -> npt.NDArray[np.bool_]:
        return (problem.points >= low) & (problem.points <= high)

    def best(low: float, high: float) -> tuple[float, Regime]:
        sums = prices[:, within(low, high)].sum(axis=1)
        return float(sums.min()), Regime(low, high, candidates[int(sums.argmin())])

    regimes: list[Regime] = []
    halved = False
    for low, high in ((-most, below), (0.0, most)):
        alone = float(prices[0, within(low, high)].sum())
        total, one = best(low, high)
        chosen = [one]
        misses = problem.errors(one.candidate.graph)[within(low, high)] > target
        for cut in (math.copysign(cut, low) for cut in _CUTS if misses.any()):
            (left, nearer), (right, farther) = best(low, problem.fmt.before(cut)), best(cut, high)
            if left + right < total / 2:
                total, chosen = left + right, [nearer, farther]
        halved = halved or total < alone / 2
        regimes += chosen
    return built(problem, tuple(regimes), 0, before) if halved else single_form(problem, single, before)
