"""All parameters: the best form of a formula for every value of its parameters."""

from __future__ import annotations

from collections.abc import Iterator

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
from symact.stabilize.one_argument import Search, Separation, of_one_argument, separated_by_argument
from symact.stabilize.parametric import POINT
from symact.stabilize.problem import Problem, Score
from symact.stabilize.regimes import Candidate, Regime, price
from symact.stabilize.score import LOST, ROUGH
from symact.stabilize.stable import Stable, built, price_of, single_form

# Forms whose input is kept within bounds: the best ones; and whose arguments are compensated.
_MOST_CLAMPED, _MOST_COMPENSATED = 3, 12


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
    """Those of the formula, and of what it is on either side of 0 where it has branches."""
    sides = [resolve(problem.expression, problem.name, side * POINT) for side in (-1, 1)]
    for expression in dict.fromkeys([problem.expression, *sides]):
        yield from separated_by_argument(expression)


def _on_either_side(problem: Problem, candidates: list[Candidate], target: float, before: Score) -> Stable:
    """The first of the ``candidates``, or the best on either side of 0 where that errs much less."""
    single, *_ = candidates
    below, most = float(problem.fmt.number(-1)), problem.fmt.max
    regimes, halved = [], False
    for low, high in ((-most, below), (0.0, most)):
        side = (problem.points >= low) & (problem.points <= high)
        weights = problem.weights[side]
        prices = {
            c: float((weights * price(problem.errors(c.graph)[side], target)).sum()) for c in candidates
        }
        best = min(candidates, key=lambda c: prices[c])
        halved = halved or prices[best] < prices[single] / 2
        regimes.append(Regime(low, high, best))
    return built(problem, tuple(regimes), 0, before) if halved else single_form(problem, single, before)
