"""Regimes: which candidate computes which interval of the line.

Intervals are found by dynamic programming over the sorted sample points, as in Herbie (P. Panchekha
et al., "Automatically improving accuracy for floating point expressions", PLDI 2015), but for the
worst error first: every point above the target costs far more than any branch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from symact.graph import Node, const, node, var, variables
from symact.numbers import as_float
from symact.stabilize.formats import Array, Format
from symact.stabilize.score import WRONG, bits_of_error
from symact.stabilize.simulate import cost

# What a branch costs, in the units of `_price`; so much must be gained by it.
_BRANCH = 20.0
_OPERATION = 0.5
_MOST_REGIMES = 12
_BRANCH_SCALES = (1.0, 8.0, 64.0, 512.0, 4096.0, 1e5, 1e7)
_STEEPNESS = 7.0
# What a point above the target costs besides, as soon as it is above by so many bits.
_MISSED, _CLEARLY = 15.0, 0.15
# More than finite errors at all points together cost: it is never traded.
_NOT_FINITE = 1e7
# Changes of form this close to 0 are moved there.
_CLOSE = 1e-3
_REFINEMENTS = 24
# Errors below this many ULP are taken for rounding; the window, in points, over which they are judged.
_LARGEST_NOISE = 24.0
_REACH = 2


@dataclass(frozen=True)
class Candidate:
    """A form of the function, what it is called in reports, and what equality saturation made it of."""

    name: str
    graph: Node
    rules: frozenset[str] = field(default=frozenset())
    origin: Node | None = None


@dataclass(frozen=True)
class Regime:
    """An interval ``low <= x <= high`` (numbers of the format) and the form used there."""

    low: float
    high: float
    candidate: Candidate


def price(errors: Array, target: float, strictly: bool = False) -> Array:
    """What errors (in ULP) cost a choice of regimes: steeply above ``target``, gently below. ``strictly``, a
    few errors slightly above it cost more than a branch does."""
    bits = bits_of_error(errors)
    above = np.maximum(bits - np.log2(1.0 + target), 0.0)
    not_finite = np.where(errors > WRONG / 2, _NOT_FINITE, 0.0)
    missed = _MISSED * np.minimum(above / _CLEARLY, 1.0) if strictly else 0.0
    return np.asarray(0.02 * bits + missed + _STEEPNESS * np.minimum(above**2, 10.0 * above) + not_finite)


def envelope(errors: Array) -> Array:
    """For each point the worst error of its neighbourhood, as far as that is rounding and not a wrong form.

    Rounding errors are a matter of luck at a single point; a choice made on luck does not last.
    """
    noise = np.where(errors < _LARGEST_NOISE, errors, 0.0)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(noise, [(0, 0)] * (errors.ndim - 1) + [(_REACH, _REACH)]), 2 * _REACH + 1, axis=-1
    )
    return np.asarray(np.maximum(errors, windows.max(axis=-1)))


def choose(errors: Array, candidates: Sequence[Candidate], target: float, strictly: bool) -> list[int]:
    """For each point the index of its candidate: the cheapest path through ``errors``.

    Args:
        errors: ULP, shape (candidates, points), points sorted.
        candidates: in the order of the rows.
        target: the error in ULP that is aimed at.
        strictly: whether no point is to miss it for the sake of fewer regimes.

    A path of more regimes than anyone would read is given up for a cheaper one at a higher price of
    branches.
    """
    prices = price(errors, target, strictly)
    entry = np.array([_BRANCH + _OPERATION * cost(c.graph) for c in candidates])
    for scale in _BRANCH_SCALES:
        path = _cheapest_path(prices, scale * entry)
        if np.count_nonzero(np.diff(path)) < _MOST_REGIMES:
            break
    return path


def settled(path: Sequence[int], points: Array, errors: Array, target: float) -> list[int]:
    """``path`` with each change that lies close to 0 moved to 0, where the form that takes over there is
    accurate as well: where two forms are equally good, the place of a change is chance."""
    result = list(path)
    origin = int(np.searchsorted(points, 0.0))
    for i in np.flatnonzero(np.diff(path)).tolist():
        if abs(points[i]) > _CLOSE or abs(points[i + 1]) > _CLOSE:
            continue
        # Left of 0 the form of the points on the right takes over, and the other way round.
        between, form = (slice(i + 1, origin), path[i]) if i < origin else (slice(origin, i + 1), path[i + 1])
        if (errors[form, between] <= target).all():
            result[between] = [form] * len(result[between])
    return result


def _cheapest_path(prices: Array, entry: Array) -> list[int]:
    """The row for each column that makes the sum of prices, and of entries at changes, least."""
    total = entry + prices[:, 0]
    came_from = np.zeros(prices.shape, np.int64)
    for i in range(1, prices.shape[1]):
        best = int(np.argmin(total))
        switched = total[best] + entry
        came_from[:, i] = np.where(switched < total, best, np.arange(len(entry)))
        total = np.minimum(total, switched) + prices[:, i]
    path = [int(np.argmin(total))]
    for i in range(prices.shape[1] - 1, 0, -1):
        path.append(int(came_from[path[-1], i]))
    return path[::-1]


def bounds(
    path: Sequence[int],
    points: Array,
    candidates: Sequence[Candidate],
    fmt: Format,
    measure: Callable[[Node, Array], Array],
    target: float,
) -> tuple[Regime, ...]:
    """The regimes of ``path``, each boundary placed between two sample points by fresh measurement.

    Args:
        measure: errors in ULP of a graph at new points.
    """
    regimes: list[Regime] = []
    low = -fmt.max
    for i in range(len(points) - 1):
        if path[i] != path[i + 1]:
            left, right = candidates[path[i]], candidates[path[i + 1]]
            last, first = _boundary(points[i], points[i + 1], left, right, fmt, measure, target)
            regimes.append(Regime(low, last, left))
            low = first
    regimes.append(Regime(low, fmt.max, candidates[path[-1]]))
    return tuple(regimes)


def _boundary(
    low: float,
    high: float,
    left: Candidate,
    right: Candidate,
    fmt: Format,
    measure: Callable[[Node, Array], Array],
    target: float,
) -> tuple[float, float]:
    """The last number computed by ``left`` and the first by ``right``, within [low, high]."""
    first, last = fmt.ordinal([low, high]).tolist()
    ordinals = np.unique(np.linspace(first, last, min(_REFINEMENTS, last - first + 1)).astype(np.int64))
    points = _normal(fmt.number(ordinals), fmt)
    if len(points) < 2:
        return low, high
    by_left = np.concatenate([[0.0], np.cumsum(price(measure(left.graph, points), target))])
    by_right = np.concatenate([[0.0], np.cumsum(price(measure(right.graph, points), target)[::-1])])[::-1]
    totals = by_left[1:-1] + by_right[1:-1]  # left computes points[:i+1], right the others
    tied = np.flatnonzero(totals <= totals.min() + 1e-3)
    at = int(tied[len(tied) // 2])
    below, above = float(points[at]), float(points[at + 1])
    nice = _roundest(below, above)
    if below < nice < above and (nice == 0.0 or abs(nice) >= fmt.min_normal):
        return fmt.before(nice), nice
    return below, above


def _normal(points: Array, fmt: Format) -> Array:
    return np.asarray(points[(np.abs(points) >= fmt.min_normal) | (points == 0.0)])


def _roundest(low: float, high: float) -> float:
    """A number strictly between, of as few binary digits as there is."""
    if low < 0.0 < high:
        return 0.0
    middle = low + (high - low) / 2
    mantissa, exponent = np.frexp(middle)
    for digits in range(1, 53):
        with np.errstate(over="ignore"):  # next to the largest number
            value = float(np.ldexp(np.round(np.ldexp(mantissa, digits)), exponent - digits))
        if low < value < high:
            return value
    return middle


def assemble(regimes: Sequence[Regime], name: str, compared: Node | None = None) -> Node:
    """One graph of nested choices; parts that two neighbours share are computed once, outside.

    What is ``compared`` with the thresholds is the input, where nothing else is said.
    The innermost form, which NaN falls through to, is one that depends on the input, if any does.
    """
    x = compared or var(name)
    depends = [name in variables(regime.candidate.graph) for regime in regimes]
    last = max((i for i, d in enumerate(depends) if d), default=len(regimes) - 1)
    result = regimes[last].candidate.graph
    for regime, after in zip(reversed(regimes[:last]), reversed(regimes[1 : last + 1]), strict=True):
        below = _shorter(node("le", x, const(regime.high)), node("lt", x, const(after.low)))
        result = choice(below, regime.candidate.graph, result)
    for before, regime in zip(regimes[last:-1], regimes[last + 1 :], strict=True):
        above = _shorter(node("gt", x, const(before.high)), node("ge", x, const(regime.low)))
        result = choice(above, regime.candidate.graph, result)
    return result


def _shorter(one: Node, other: Node) -> Node:
    """Of two ways to write a boundary, the one whose number is shorter."""
    return min(one, other, key=lambda condition: len(repr(as_float(condition.args[1].value))))


def choice(condition: Node, yes: Node, no: Node) -> Node:
    """``where(condition, yes, no)``, moved inwards as long as the two differ in one argument only."""
    if yes is no:
        return yes
    if yes.op == no.op and yes.op != "where" and yes.args:
        differing = [i for i, (a, b) in enumerate(zip(yes.args, no.args, strict=True)) if a is not b]
        if len(differing) == 1:
            i = differing[0]
            inner = choice(condition, yes.args[i], no.args[i])
            return node(yes.op, *yes.args[:i], inner, *yes.args[i + 1 :])
    return node("where", condition, yes, no)
