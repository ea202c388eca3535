"""Stable: what a search results in, and how choices are made into it and compared."""

from __future__ import annotations

from dataclasses import dataclass

from symact.graph import Node
from symact.stabilize.mirror import mirrored
from symact.stabilize.problem import Problem, Score
from symact.stabilize.regimes import Candidate, Regime, assemble, price
from symact.stabilize.simulate import cost

# What an operation costs beside errors, in the units of `price`.
_OPERATION = 0.05


@dataclass(frozen=True)
class Stable:
    """A stabilized function in one format.

    Attributes:
        graph: what to compute.
        regimes: the intervals (on |x| where ``parity`` is set) and the forms used there.
        parity: 1 or -1 where the function was found even or odd and is computed from |x|; else 0.
        before: the score of the plain expression.
        after: the score of ``graph``.
        weak: intervals where no accurate form was found: (low, high, worst error in ULP).
        excess: the worst error in ULP of ``graph`` beyond what half a unit of the input is next to roots.
        in_float64: whether ``graph`` is to be computed in float64, and rounded to the format at the end.
    """

    graph: Node
    regimes: tuple[Regime, ...]
    parity: int
    before: Score
    after: Score
    weak: tuple[tuple[float, float, float], ...] = ()
    excess: float = 0.0
    in_float64: bool = False

    @property
    def where(self) -> str:
        """What reports add to the format's name."""
        return ", computed in float64" if self.in_float64 else ""


def total_price(problem: Problem, graph: Node, target: float) -> float:
    """What the errors of ``graph`` cost altogether."""
    return float((problem.weights * price(problem.errors(graph), target)).sum())


def price_of(problem: Problem, candidate: Candidate, target: float) -> float:
    """What a form's errors cost and, where those are alike, what it takes."""
    return total_price(problem, candidate.graph, target) + _OPERATION * cost(candidate.graph)


def single_form(problem: Problem, candidate: Candidate, before: Score) -> Stable:
    """One form for the whole line."""
    regime = Regime(-problem.fmt.max, problem.fmt.max, candidate)
    return Stable(candidate.graph, (regime,), 0, before, problem.score(candidate.graph))


def built(problem: Problem, regimes: tuple[Regime, ...], side: int, before: Score) -> Stable:
    """One graph of ``regimes``, those of |x| where ``side`` is the parity of the function."""
    name, fmt = problem.name, problem.fmt
    graph = mirrored(regimes, name, fmt, side) if side else assemble(regimes, name)
    return Stable(graph, regimes, side, before, problem.score(graph))
