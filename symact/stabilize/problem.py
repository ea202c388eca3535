"""Problem: an expression to be stabilized, its truth at sample points, and errors of candidates."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import sympy as sp

from symact.convert import to_graph
from symact.graph import Node
from symact.stabilize.formats import Array, Format
from symact.stabilize.score import bits_of_error, ulp_error
from symact.stabilize.simulate import simulate
from symact.stabilize.smooth import Smooth
from symact.stabilize.truth import Truth

SEED = 20240229
# Points in each binade at which forms are tried besides, where interpolation gives the truth; and those at
# which choices are checked, and at which what was chosen is judged, with another seed.
_DENSITY, _CHECKED_DENSITY, _FINAL_DENSITY, _CHECKED_SEED = 128, 2048, 6144, 20240301
# A formula with parameters is measured at its defaults and at these multiples of them: none is a power of
# two, which would be exact.
_PARAMETER_SCALES = (1.0, 0.3, 1.7)
# The size, in units of the smallest normal number, below which a product with parameters may be 0.
_VANISHING = 4.0
# Results that are smaller count half where one form has to serve small and large ones.
_SEEN = 2.0**-10
# Distance, relative to the input, within which a root explains errors.
_NEAR_A_ROOT = 0.02
# Steps of bisection that tell a root from a pole.
_HALVINGS = 6


@dataclass(frozen=True)
class Score:
    """Errors over a sample: the worst in ULP and the input where it happens, and the mean in bits."""

    worst: float
    at: float
    mean_bits: float


@dataclass
class Sample:
    """Points and the truth there, for each set of parameters; and what candidates are at them.

    Candidates share most of their parts, and are asked for more than once.
    """

    points: Array
    values: list[tuple[Array, Array]]
    parts: dict[Node, Array] = field(default_factory=dict)
    errors: dict[Node, Array] = field(default_factory=dict)
    excused: Array | None = None

    @cached_property
    def truth(self) -> tuple[Array, Array]:
        """``values`` as arrays, a row for each set of parameters."""
        return np.stack([high for high, _ in self.values]), np.stack([low for _, low in self.values])

    def between(self, low: float, high: float) -> Sample:
        """Those of the points that lie in [low, high]."""
        inside = (self.points >= low) & (self.points <= high)
        if inside.all():
            return self
        return Sample(self.points[inside], [(v[inside], rest[inside]) for v, rest in self.values])


class Problem:
    """What is measured: an expression, its truth at the sample points, and errors of candidates.

    Between the sample points there may be many more, ``dense``, of which only the worst of those that
    are closest to a sample point counts, as an error of that; and very many, ``checks``, at which only what
    has been chosen is tried.
    """

    def __init__(
        self,
        expression: sp.Expr,
        name: str,
        fmt: Format,
        domain: tuple[float, float],
        parameters: dict[str, float],
        points: Array,
        kinks: frozenset[float] = frozenset(),
        truth: Truth | None = None,
        smooth: Smooth | None = None,
    ) -> None:
        self.expression, self.name, self.fmt, self.domain = expression, name, fmt, domain
        self.parameters = parameters
        self.parameter_sets = _parameter_sets(parameters, fmt)
        self._columns = {n: np.array([[p[n]] for p in self.parameter_sets]) for n in parameters}
        self.truth = truth or Truth(expression, name, kinks)
        self.points = points
        self._latest = Sample(np.zeros(0), [(np.zeros(0), np.zeros(0))] * len(self.parameter_sets))
        self.sample = self._sampled(points)
        self.kinks = sorted(kinks)
        self.smooth = smooth or Smooth(fmt, ())
        self.dense = self._interpolated(_DENSITY, SEED)
        self.checks = self._interpolated(_CHECKED_DENSITY, _CHECKED_SEED)
        self._look()

    def _look(self) -> None:
        """What the points and the dense ones decide, found once for all forms."""
        self._errors: dict[Node, Array] = {}
        closest = np.searchsorted(self.points[:-1] / 2 + self.points[1:] / 2, self.dense.points)
        self._first = np.flatnonzero(np.diff(closest, prepend=-1))
        self._closest = closest[self._first]
        # What an error at each point counts: with parameters, where one form serves all points, more where
        # the result is of a size that is seen than where it vanishes.
        self.weights = np.ones(self.points.shape)
        if self.parameters:
            largest = np.max([np.abs(values) for values, _ in self.sample.values], axis=0)
            self.weights = np.where(largest > _SEEN, 2.0, 1.0)

    def errors(self, graph: Node) -> Array:
        """Errors in ULP at the points, and of those between the worst, at the point that is closest to it."""
        if graph not in self._errors:
            errors = self.errors_in(graph, self.sample)
            if len(self.dense.points):
                around = np.maximum.reduceat(self.errors_in(graph, self.dense), self._first)
                errors = errors.copy()
                errors[self._closest] = np.maximum(errors[self._closest], around)
            self._errors[graph] = errors
        return self._errors[graph]

    def is_undefined_at(self, point: float) -> bool:
        """Whether the expression as written is, for all parameters."""
        graph, at = to_graph(self.expression), np.array([point])
        found = [simulate(graph, {self.name: at, **p}, self.fmt) for p in self.parameter_sets]
        return bool(np.isnan(found).all())

    def errors_at(self, graph: Node, points: Array) -> Array:
        """Errors in ULP at these points, the worst over the parameter sets."""
        return self.errors_in(graph, self._sampled(points))

    def finally_checked(self) -> Problem:
        """This problem with even more points for what has been chosen."""
        other = copy(self)
        other.checks = self._interpolated(_FINAL_DENSITY, _CHECKED_SEED)
        return other

    def judges(self) -> list[Sample]:
        """What a choice is judged by: the sample, and the very many points where there are any."""
        return [s for s in (self.sample, self.checks) if len(s.points)]

    def _sampled(self, points: Array) -> Sample:
        # Two forms are often compared at the same points, one after the other.
        if not np.array_equal(points, self._latest.points):
            self._latest = Sample(points, [self.truth.at(points, **p) for p in self.parameter_sets])
        return self._latest

    def _interpolated(self, density: int, seed: int) -> Sample:
        points, values = self.smooth.sample(density, seed)
        return Sample(points, [(values, np.zeros(values.shape))])

    def errors_in(self, graph: Node, sample: Sample) -> Array:
        if graph in sample.errors:
            return sample.errors[graph]
        points, (high, low) = sample.points, sample.truth
        computed = simulate(graph, {self.name: points, **self._columns}, self.fmt, sample.parts)
        computed = np.broadcast_to(computed, high.shape)
        errors = ulp_error(computed, high, low, self.fmt)
        if self._columns:  # its factors are flushed to zero earlier
            vanishing = (np.abs(high) < _VANISHING * self.fmt.min_normal) & (computed == 0.0)
            errors = np.where(vanishing, 0.0, errors)
        if self.kinks:
            rows = zip(errors, computed, self.parameter_sets, strict=True)
            errors = np.stack([self._forgive_subgradients(e, c, points, p) for e, c, p in rows])
        sample.errors[graph] = errors.max(axis=0)
        return sample.errors[graph]

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

    def excused(self, sample: Sample) -> Array:
        """For each point the error in ULP that a root nearby accounts for: what half a unit of the
        input changes there."""
        if sample.excused is None:
            sample.excused = self._excused(sample)
        return sample.excused

    def _excused(self, sample: Sample) -> Array:
        ((values, _), *_) = sample.values
        points = sample.points
        at = np.flatnonzero(np.sign(values[1:]) * np.sign(values[:-1]) < 0)
        at = at[[self._is_root(points[i : i + 2], values[i : i + 2]) for i in at.tolist()]]
        if not len(at):
            return np.zeros(points.shape)
        roots = points[at] / 2 + points[at + 1] / 2
        after = np.searchsorted(roots, points)
        distance = np.minimum(
            np.abs(points - roots[after.clip(max=len(roots) - 1)]),
            np.abs(points - roots[(after - 1).clip(min=0)]),
        )
        with np.errstate(all="ignore"):
            slopes = np.abs(np.diff(values) / np.diff(points))
            steepest = np.fmax(np.append(slopes, slopes[-1:]), np.append(slopes[:1], slopes))
            change = steepest * self.fmt.ulp(points) / 2 / self.fmt.ulp(values)
            near = distance <= _NEAR_A_ROOT * np.abs(points)
        return np.where(near & np.isfinite(change), change, 0.0)

    def _is_root(self, ends: Array, values: Array) -> bool:
        """Whether the sign change between two points is a root, and not a pole: the values get smaller."""
        low, high = self.fmt.ordinal(ends).tolist()
        below, above = values
        for _ in range(_HALVINGS):
            middle = (low + high) // 2
            value = float(self.truth.at(self.fmt.number(middle), **self.parameter_sets[0])[0])
            low, high, below, above = (
                (middle, high, value, above) if (value > 0) == (below > 0) else (low, middle, below, value)
            )
        return bool(max(abs(below), abs(above)) < np.abs(values).max())

    def judged(self, graph: Node) -> Score:
        """The score of ``graph``, its worst error that at any of the points."""
        score = self.score(graph)
        for judge in self.judges():
            errors = self.errors_in(graph, judge)
            worst = int(np.argmax(errors))
            if errors[worst] > score.worst:
                score = replace(score, worst=float(errors[worst]), at=float(judge.points[worst]))
        return score

    def score(self, graph: Node) -> Score:
        errors = self.errors(graph)
        worst = int(np.argmax(errors))
        bits = bits_of_error(self.errors_in(graph, self.sample))
        return Score(float(errors[worst]), float(self.points[worst]), float(bits.mean()))

    def with_points(self, points: Array) -> Problem:
        """This problem at other points, and at those of the very many that lie between them."""
        other = copy(self)
        other.points = np.unique(points)
        other.sample = self._sampled(other.points)
        ends = float(other.points[0]), float(other.points[-1])
        other.dense, other.checks = self.dense.between(*ends), self.checks.between(*ends)
        other._look()
        return other

    def with_dense(self, points: Array, values: Array) -> Problem:
        """This problem with more of the very many points, and the truth there."""
        other = copy(self)
        order = np.argsort(np.concatenate([self.dense.points, points]), kind="stable")
        ((high, low),) = self.dense.values
        low = np.concatenate([low, np.zeros(points.shape)])[order]
        high = np.concatenate([high, values])[order]
        other.dense = Sample(np.concatenate([self.dense.points, points])[order], [(high, low)])
        other._look()
        return other


def _parameter_sets(parameters: dict[str, float], fmt: Format) -> list[dict[str, float]]:
    if not parameters:
        return [{}]
    return [
        {name: float(fmt.round(np.float64(value * scale))) for name, value in parameters.items()}
        for scale in _PARAMETER_SCALES
    ]
