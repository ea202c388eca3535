"""Sampling: the points at which candidates are measured.

Uniform over the format's ordinals, so that every magnitude is seen; uniform over the values that
networks live on; and close around the points where something happens: kinks, roots, thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import sympy as sp

from symact.errors import OptionError
from symact.graph import Node
from symact.stabilize.formats import Array, Format
from symact.stabilize.simulate import simulate
from symact.stabilize.truth import Truth

# Where activations are evaluated in practice: half-widths of the densely sampled intervals.
_DENSE = (2.0, 10.0, 100.0)
_MOST_ROOTS = 8
_MOST_EDGES, _EDGE_HALVINGS = 16, 24
# Multiples of an edge of the range at which it is looked at: what overflows in a part of a formula
# may be finite in the whole for as long as the argument has doubled.
_ABOUT_AN_EDGE = np.array(
    [0.5, 0.7, 0.85, 0.94, 0.98, 0.995, 1.0, 1.005, 1.015, 1.03, 1.06, 1.12, 1.25, 1.5, 1.9]
)


def in_domain(points: Array, domain: tuple[float, float]) -> Array:
    """Those of ``points`` that lie in the open interval ``domain``."""
    low, high = domain
    return points[(points > low) & (points < high)]


def sample(
    fmt: Format, domain: tuple[float, float], count: int, seed: int, around: Iterable[float] = ()
) -> Array:
    """Sorted distinct normal numbers of ``fmt`` (and 0) inside ``domain``, about ``count`` of them.

    Half are spread over the ordinals, half over dense intervals about 0; besides, the neighbourhoods
    of ``around`` and of finite ends of the domain, from the next number outwards. Deterministic for a
    given ``seed``.

    Raises:
        OptionError: there are none.
    """
    random = np.random.default_rng(seed)
    low, high = max(domain[0], -fmt.max), min(domain[1], fmt.max)
    first, last = fmt.ordinal([low, high]).tolist()
    strata = np.linspace(first, last, count // 2 + 1)
    spread = strata[:-1] + random.uniform(0, 1, count // 2) * np.diff(strata)
    parts = [fmt.number(np.clip(spread, first, last).astype(np.int64))]
    for width in _DENSE:
        if max(low, -width) < min(high, width):
            within = random.uniform(max(low, -width), min(high, width), count // (2 * len(_DENSE)))
            parts.append(fmt.round(within))
    ends = [end for end in domain if abs(end) < fmt.max]
    parts.extend(neighbourhood(fmt, point) for point in [*around, *ends])
    edges = np.array([fmt.max, 0.9 * fmt.max, 0.6 * fmt.max, 0.3 * fmt.max, fmt.min_normal])
    parts.append(fmt.round(np.concatenate([-edges, [0.0], edges])))
    points = np.concatenate(parts)
    points = points[(np.abs(points) >= fmt.min_normal) | (points == 0.0)]
    inside = np.unique(in_domain(points, domain))
    if not len(inside):
        raise OptionError(
            f"the domain ({domain[0]:g}, {domain[1]:g}) holds no normal number of {fmt.name}; widen it"
        )
    return inside


def neighbourhood(fmt: Format, point: float) -> Array:
    """``point`` and numbers of ``fmt`` on both sides, at distances of 1, 2, 8, 32, … ordinals."""
    steps = 1 << np.arange(1, fmt.digits - 2, 2)
    center = int(fmt.ordinal(fmt.round(np.float64(point))))
    return fmt.number(np.concatenate([[center, center - 1, center + 1], center - steps, center + steps]))


def edges(root: Node, name: str, points: Array, fmt: Format, values: Mapping[str, float]) -> Array:
    """Points about each place where an intermediate result of ``root`` leaves the normal range.

    There a form that is accurate on both sides may not be; and between two sample points such a
    place is easily missed. The intermediates' own noise does not move it by more than the distances
    taken.
    """
    memo: dict[Node, Array] = {}
    simulate(root, {name: points, **values}, fmt, memo)
    found: dict[tuple[float, float], Node] = {}
    for current, result in memo.items():
        if result.shape == points.shape and result.dtype != bool:
            outside = _outside(current, memo, points, fmt)
            for i in np.flatnonzero(np.diff(outside.astype(np.int8))).tolist():
                found.setdefault((points[i], points[i + 1]), current)
    nearest = sorted(found, key=lambda ends: abs(np.log2(abs(ends[0]) + 1e-300)))[:_MOST_EDGES]
    if not nearest:
        return np.zeros(0)
    nodes = [found[ends] for ends in nearest]
    low, high = fmt.ordinal(nearest).T
    at_low = _outside_of(nodes, fmt.number(low), root, name, fmt, values)
    # Between far apart points the edge is found, so that what happens close to it is seen.
    for _ in range(_EDGE_HALVINGS):
        middle = low // 2 + high // 2
        same = at_low == _outside_of(nodes, fmt.number(middle), root, name, fmt, values)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    with np.errstate(over="ignore"):
        around = (fmt.number(low)[:, None] * _ABOUT_AN_EDGE).ravel()
    return fmt.round(around[np.abs(around) <= fmt.max])


def _outside(current: Node, memo: Mapping[Node, Array], points: Array, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where an intermediate result is not finite, or has become zero though its arguments are not."""
    result = memo[current]
    with np.errstate(invalid="ignore"):
        outside = np.asarray(~(np.abs(result) <= fmt.max))
    if current.op not in ("add", "sub"):  # which are 0 where they cancel, here and there
        flushed = (result == 0.0) & (points != 0.0)
        for arg in current.args:
            flushed &= memo[arg] != 0.0
        outside |= flushed
    return outside


def _outside_of(
    nodes: Sequence[Node], points: Array, root: Node, name: str, fmt: Format, values: Mapping[str, float]
) -> npt.NDArray[np.bool_]:
    """Of each node, whether it is outside at its own point."""
    memo: dict[Node, Array] = {}
    simulate(root, {name: points, **values}, fmt, memo)
    return np.array([_outside(current, memo, points, fmt)[i] for i, current in enumerate(nodes)])


def roots(truth: Truth, points: Array, values: Array, fmt: Format, /, **params: float) -> list[float]:
    """Numbers of ``fmt`` next to the sign changes of ``values`` at sorted ``points``, nearest 0 first.

    Found by bisection over ordinals; at most a handful, since functions such as sin have very many.
    """
    signs = np.sign(values)
    changes = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    changes = changes[np.argsort(np.abs(points[changes]), kind="stable")][:_MOST_ROOTS]
    return [_bisect(truth, points[i], points[i + 1], signs[i], fmt, params) for i in changes.tolist()]


def _bisect(
    truth: Truth, low: float, high: float, sign: float, fmt: Format, params: dict[str, float]
) -> float:
    below, above = int(fmt.ordinal(low)), int(fmt.ordinal(high))
    while above - below > 1:
        middle = (below + above) // 2
        value, _ = truth.at(fmt.number(middle), **params)
        if value == 0.0:
            return float(fmt.number(middle))
        if np.sign(value) == sign:
            below = middle
        else:
            above = middle
    return float(fmt.number(below))


def switch_zeros(
    switch: sp.Expr, name: str, points: Array, fmt: Format, parameters: dict[str, float]
) -> list[float]:
    """Numbers of ``fmt`` at or next to the zeros of what a branch is chosen by."""
    truth = Truth(switch, name)
    values, _ = truth.at(points, **parameters)
    exact: list[float] = points[values == 0.0][:4].tolist()
    return exact + roots(truth, points, values, fmt, **parameters)
