"""Search: propose candidates, measure them against the truth, keep the best in each regime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from symact.convert import to_graph
from symact.derive import switches
from symact.graph import Node, const, node, rebuild, var
from symact.stabilize.branches import resolve
from symact.stabilize.cover import Ground, around_root, cover, far_limits
from symact.stabilize.ends import mended
from symact.stabilize.exponential import half_line, parametric_halves
from symact.stabilize.formats import FLOAT32, Array, Format
from symact.stabilize.exponents import exponents, split
from symact.stabilize.regimes import (
    Candidate,
    Regime,
    assemble,
    bounds,
    choose,
    envelope,
    price,
    simplify,
)
from symact.stabilize.rules import rewrite
from symact.stabilize.sampling import neighbourhood, roots, sample
from symact.stabilize.score import bits_of_error, ulp_error
from symact.stabilize.simulate import cost, simulate
from symact.stabilize.truth import Truth

# The error in ULP that is aimed at, by simulation; the promise to the user is 4.
TARGET = 3.5
_SEED = 20240229
_POINTS = 700
_ROUNDS = 3
# Above this target roots are left as inaccurate, relative to the result, as they are.
_ROUGH = 16.0
_CLAMPS = (2**13, 2**60)
# A formula with parameters is measured at its defaults and at these multiples of them.
_PARAMETER_SCALES = (1.0, 0.5, 2.0)


@dataclass(frozen=True)
class Score:
    """Errors over a sample: the worst in ULP and the input where it happens, and the mean in bits."""

    worst: float
    at: float
    mean_bits: float


@dataclass(frozen=True)
class Stable:
    """A stabilized function in one format.

    Attributes:
        graph: what to compute.
        regimes: the intervals (on |x| where ``parity`` is set) and the forms used there.
        parity: 1 or -1 where the function was found even or odd and is computed from |x|; else 0.
        before: the score of the plain expression.
        after: the score of ``graph``.
    """

    graph: Node
    regimes: tuple[Regime, ...]
    parity: int
    before: Score
    after: Score


class _Problem:
    """What is measured: an expression, its truth at the sample points, and errors of candidates."""

    def __init__(
        self,
        expression: sp.Expr,
        name: str,
        fmt: Format,
        domain: tuple[float, float],
        parameters: dict[str, float],
        points: Array,
        kinks: frozenset[float] = frozenset(),
        known: _Problem | None = None,
    ) -> None:
        self.expression, self.name, self.fmt, self.domain = expression, name, fmt, domain
        self.parameters = parameters
        self.truth = known.truth if known else Truth(expression, name, kinks)
        self.points = points
        self.values = [
            self._values(parameter_set, known.points, known.values[i])
            if known
            else self.truth.at(points, **parameter_set)
            for i, parameter_set in enumerate(self.parameter_sets())
        ]
        self.kinks = sorted(kinks)

    def _values(
        self, parameter_set: dict[str, float], points: Array, values: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        """The truth at the points, taken from ``values`` at ``points`` where it is known there."""
        fresh = np.setdiff1d(self.points, points)
        high, low = self.truth.at(fresh, **parameter_set)
        everywhere = np.concatenate([points, fresh])
        at = np.argsort(everywhere, kind="stable")
        at = at[np.searchsorted(everywhere[at], self.points)]
        return np.concatenate([values[0], high])[at], np.concatenate([values[1], low])[at]

    def parameter_sets(self) -> list[dict[str, float]]:
        if not self.parameters:
            return [{}]
        return [
            {
                name: float(self.fmt.round(np.float64(value * scale)))
                for name, value in self.parameters.items()
            }
            for scale in _PARAMETER_SCALES
        ]

    def errors(self, graph: Node) -> Array:
        """Errors in ULP at the points, the worst over the parameter sets."""
        return self._errors_at(graph, self.points, self.values)

    def errors_at(self, graph: Node, points: Array) -> Array:
        return self._errors_at(
            graph, points, [self.truth.at(points, **p) for p in self.parameter_sets()]
        )

    def _errors_at(self, graph: Node, points: Array, values: list[tuple[Array, Array]]) -> Array:
        worst = np.zeros(points.shape)
        for parameters, (high, low) in zip(self.parameter_sets(), values, strict=True):
            computed = simulate(graph, {self.name: points, **parameters}, self.fmt)
            errors = ulp_error(computed, high, low, self.fmt)
            worst = np.maximum(
                worst, self._forgive_subgradients(errors, computed, points, parameters)
            )
        return worst

    def _forgive_subgradients(
        self, errors: Array, computed: Array, points: Array, parameters: dict[str, float]
    ) -> Array:
        """``errors`` with 0 at kinks where ``computed`` lies between the two sides' derivatives."""
        for kink in self.kinks:
            at = points == kink
            if at.any():
                low, high = self._sides(kink, parameters)
                slack = 4 * self.fmt.epsilon * max(abs(low), abs(high))
                inside = (computed >= low - slack) & (computed <= high + slack)
                errors = np.where(at & inside, 0.0, errors)
        return errors

    def _sides(self, kink: float, parameters: dict[str, float]) -> tuple[float, float]:
        low, high = sorted(self.truth.side(kink, side, parameters) for side in (-1, 1))
        return low, high

    def score(self, graph: Node) -> Score:
        errors = self.errors(graph)
        worst = int(np.argmax(errors))
        return Score(
            float(errors[worst]), float(self.points[worst]), float(bits_of_error(errors).mean())
        )

    def with_points(self, points: Array) -> _Problem:
        return _Problem(
            self.expression,
            self.name,
            self.fmt,
            self.domain,
            self.parameters,
            np.unique(points),
            frozenset(self.kinks),
            known=self,
        )


def stabilize(
    expression: sp.Expr,
    name: str,
    fmt: Format = FLOAT32,
    *,
    domain: tuple[float, float] = (-np.inf, np.inf),
    parameters: dict[str, float] | None = None,
    derivative: bool = False,
    effort: int = _POINTS,
    target: float = TARGET,
) -> Stable:
    """The most accurate of the graphs found for ``expression`` in ``fmt``, then the cheapest.

    Args:
        expression: exact, over real symbols.
        name: the input; every other symbol is a parameter.
        fmt: the format that is computed in.
        domain: the open interval in which the input lies.
        parameters: default value of every parameter.
        derivative: whether it is a derivative, of which a subgradient is wanted at kinks.
        effort: number of sample points.
        target: the error in ULP that is aimed at; cheapness decides below it.
    """
    parameters = parameters or {}
    problem = _pose(expression, name, fmt, domain, parameters, effort, derivative)
    stable = _best(problem, target)
    return replace(
        stable, graph=mended(stable.graph, problem.truth, name, fmt, domain, parameters, derivative)
    )


def _best(problem: _Problem, target: float) -> Stable:
    expression, name, fmt = problem.expression, problem.name, problem.fmt
    plain = Candidate("as written", to_graph(expression))
    candidates = _distinct([plain, *_rewritten([plain])])
    candidates = _distinct([*candidates, *_split(candidates, name, fmt)])
    before = problem.score(plain.graph)
    if problem.parameters:
        candidates = _distinct([*candidates, *_rewritten(_halves(problem))])
        candidates = _distinct([*candidates, *_clamped(candidates, name)])
        best = min(candidates, key=lambda c: _price(problem, c, target))
        return _single(problem, best, before)
    good = [c for c in candidates if problem.errors(c.graph).max() <= target]
    if good:
        return _single(problem, min(good, key=lambda c: cost(c.graph)), before)
    parity = _parity(problem)
    if parity:
        half = problem.with_points(problem.points[problem.points >= 0])
        regimes = _search(half, candidates, target)
        graph = _mirrored(regimes, name, fmt, parity)
    else:
        regimes = _search(problem, candidates, target)
        graph = assemble(regimes, name)
    stable = Stable(graph, regimes, parity, before, problem.score(graph))
    single = min(candidates, key=lambda c: _price(problem, c, target))
    # The search never makes it worse than the best single form.
    if _price(problem, single, target) <= float(price(problem.errors(graph), target).sum()):
        return _single(problem, single, before)
    return stable


def _pose(
    expression: sp.Expr,
    name: str,
    fmt: Format,
    domain: tuple[float, float],
    parameters: dict[str, float],
    effort: int,
    derivative: bool,
) -> _Problem:
    """The problem with its sample, closer around kinks and roots."""
    points = sample(fmt, domain, effort, _SEED, around=[0.0])
    zeros = [
        zero
        for switch in switches(expression)
        for zero in _zeros(switch, name, points, fmt, parameters)
    ]
    problem = _Problem(
        expression, name, fmt, domain, parameters, points, frozenset(zeros if derivative else ())
    )
    special = zeros + roots(
        problem.truth, points, problem.values[0][0], fmt, **problem.parameter_sets()[0]
    )
    if not special:
        return problem
    near = np.concatenate([neighbourhood(fmt, point) for point in special])
    near = near[(near > domain[0]) & (near < domain[1])]
    near = near[(np.abs(near) >= fmt.min_normal) | (near == 0)]
    return problem.with_points(np.concatenate([points, near]))


def _zeros(
    switch: sp.Expr, name: str, points: Array, fmt: Format, parameters: dict[str, float]
) -> list[float]:
    truth = Truth(switch, name)
    values, _ = truth.at(points, **parameters)
    exact = points[values == 0.0][:4].tolist()
    return exact + roots(truth, points, values, fmt, **parameters)


def _price(problem: _Problem, candidate: Candidate, target: float) -> float:
    return float(price(problem.errors(candidate.graph), target).sum()) + 0.05 * cost(
        candidate.graph
    )


def _single(problem: _Problem, candidate: Candidate, before: Score) -> Stable:
    regime = Regime(-problem.fmt.max, problem.fmt.max, candidate)
    return Stable(candidate.graph, (regime,), 0, before, problem.score(candidate.graph))


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list({candidate.graph: candidate for candidate in candidates}.values())


def _rewritten(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Each candidate as it is, and with the table of rules applied."""
    for candidate in candidates:
        yield candidate
        graph, fired = rewrite(candidate.graph)
        if fired:
            yield replace(candidate, graph=graph, rules=fired)


def _split(candidates: Iterable[Candidate], name: str, fmt: Format) -> Iterator[Candidate]:
    """Those candidates with an exponential of a polynomial, its argument split."""
    for candidate in candidates:
        graph = split(candidate.graph, name, fmt)
        if graph is not candidate.graph:
            yield replace(candidate, name=f"{candidate.name}, argument split", graph=graph)


def _clamped(candidates: Iterable[Candidate], name: str) -> Iterator[Candidate]:
    """Forms whose input is kept within bounds, beyond which the function does not change any more."""
    x = var(name)
    for candidate in candidates:
        for bound in _CLAMPS:
            below, above = node("max", x, const(-bound)), node("min", x, const(bound))
            both = node("max", node("min", x, const(bound)), const(-bound))
            for inside in (below, above, both):
                yield replace(
                    candidate,
                    name=f"{candidate.name}, clamped",
                    graph=rebuild(candidate.graph, {x: inside}),
                )


def _halves(problem: _Problem) -> Iterator[Candidate]:
    """Forms of a formula with parameters: chosen by a sign, since thresholds would depend on them."""
    for name, graph in parametric_halves(problem.expression, problem.name):
        yield Candidate(name, graph)


def _pieces(problem: _Problem) -> list[tuple[float, float]]:
    """Intervals between kinks (and 0), on which the expression has no branches."""
    low, high = max(problem.domain[0], -problem.fmt.max), min(problem.domain[1], problem.fmt.max)
    cuts = {low, high, *([0.0] if low < 0 < high else [])}
    cuts.update(kink for kink in _kinks(problem) if low < kink < high)
    ends = sorted(cuts)
    return list(zip(ends[:-1], ends[1:], strict=True))


def _kinks(problem: _Problem) -> list[float]:
    return [
        zero
        for switch in switches(problem.expression)
        for zero in _zeros(switch, problem.name, problem.points, problem.fmt, problem.parameters)
    ]


def _inside(low: float, high: float) -> float:
    """A point well inside an interval, of moderate size where it can be."""
    if low >= 0:
        return min(low + 3.5, low + (high - low) / 2)
    if high <= 0:
        return max(high - 3.5, low + (high - low) / 2)
    return low + (high - low) / 2


def _closed_forms(problem: _Problem, target: float) -> Iterator[Candidate]:
    for low, high in _pieces(problem):
        if not np.any((problem.points >= low) & (problem.points <= high)):
            continue
        point = _inside(low, high)
        branch = resolve(problem.expression, problem.name, point)
        if branch != problem.expression:
            yield Candidate("branch", to_graph(branch))
        for name, graph in half_line(branch, problem.name, point):
            yield Candidate(name, graph)
    yield Candidate("zero", const(0))
    ground = _ground(problem)
    yield from far_limits(ground)
    if target > _ROUGH:
        return
    (values, _), *_ = problem.values
    for near in roots(problem.truth, problem.points, values, problem.fmt):
        yield from around_root(ground, near)


def _ground(problem: _Problem) -> Ground:
    cuts = sorted({edge for piece in _pieces(problem) for edge in piece} - {0.0})
    if 0.0 in _kinks(problem):
        cuts.append(0.0)
    falling = tuple(exponents(problem.expression, problem.name))
    return Ground(problem.truth, problem.name, problem.fmt, tuple(cuts), falling)


def _search(problem: _Problem, candidates: list[Candidate], target: float) -> tuple[Regime, ...]:
    """Regimes over the problem's points: closed forms first, then series where those fall short."""
    candidates = _distinct([*candidates, *_rewritten(_closed_forms(problem, target))])
    candidates = _distinct([*candidates, *_split(candidates, problem.name, problem.fmt)])
    errors = envelope(np.array([problem.errors(c.graph) for c in candidates]))
    ground = _ground(problem)
    for _ in range(_ROUNDS):
        path = choose(errors, candidates, target)
        bad = errors[path, np.arange(len(path))] > target
        if not bad.any():
            break
        fitted = [
            candidate
            for low, high in _runs(problem.points, bad)
            for candidate in cover(ground, low, high)
        ]
        fresh = [c for c in _distinct(fitted) if c.graph not in {k.graph for k in candidates}]
        if not fresh:
            break
        candidates += fresh
        errors = np.vstack([errors, envelope(np.array([problem.errors(c.graph) for c in fresh]))])
    path = choose(errors, candidates, target)

    def measure(candidate: Candidate, points: Array) -> Array:
        return problem.errors_at(candidate.graph, points)

    regimes = bounds(path, problem.points, candidates, problem.fmt, measure, target)

    def build(trial: Sequence[Regime]) -> Node:
        return assemble(trial, problem.name)

    return simplify(regimes, candidates, errors, problem.points, target, build)


def _runs(points: Array, bad: Array) -> Iterator[tuple[float, float]]:
    """Intervals of the line that hold runs of bad points, from the good neighbour on either side."""
    i, count = 0, len(points)
    while i < count:
        if not bad[i]:
            i += 1
            continue
        j = i
        # A few good points inside a bad run are chance.
        while j + 1 < count and bad[j + 1 : j + 6].any():
            j += 1
        yield float(points[max(i - 1, 0)]), float(points[min(j + 1, count - 1)])
        i = j + 1


def _parity(problem: _Problem) -> int:
    """1 for an even function, -1 for an odd one, else 0: by the truth at points of all sizes."""
    low, high = problem.domain
    if low != -high:
        return 0
    points = problem.points[problem.points > 0][:: max(1, len(problem.points) // 64)]
    right, _ = problem.truth.at(points)
    left, _ = problem.truth.at(-points)
    known = ~(np.isnan(right) | np.isnan(left))
    for parity in (1, -1):
        if np.array_equal(left[known], parity * right[known]):
            return parity
    return 0


def _mirrored(regimes: tuple[Regime, ...], name: str, fmt: Format, parity: int) -> Node:
    """The whole line from its right half: the forms taken at |x|, the sign restored if odd."""
    x = var(name)
    magnitude = node("abs", x)

    def at_magnitude(graph: Node) -> Node:
        # Within |x| itself nothing is to be exchanged.
        inside = rebuild(graph, {magnitude: x})
        return rebuild(inside, {x: magnitude})

    turned = []
    for regime in regimes:
        graph = at_magnitude(regime.candidate.graph)
        if parity == -1:
            graph = _odd(regime.candidate, graph, x, fmt)
        turned.append(replace(regime, candidate=replace(regime.candidate, graph=graph)))
    whole = assemble(turned, name)
    # The thresholds compare |x| as well.
    conditions = {
        node(op, x, const(edge)): node(op, magnitude, const(edge))
        for regime in regimes
        for edge in (regime.low, regime.high)
        for op in ("le", "lt", "ge", "gt")
    }
    return rebuild(whole, conditions)


def _odd(candidate: Candidate, at_magnitude: Node, x: Node, fmt: Format) -> Node:
    """The odd continuation of a form on the right half; as it is where it is odd by itself."""
    probe = np.array([-2.75, -0.3, -1.5e-4, -7.0])
    name = str(x.name)
    own = simulate(candidate.graph, {name: probe}, fmt)
    other = simulate(candidate.graph, {name: -probe}, fmt)
    if np.array_equal(own, -other):
        return candidate.graph
    return node("where", node("lt", x, 0), -at_magnitude, at_magnitude)
