"""Cases: the points and cotangents at which vector–Jacobian products are compared, all seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import sympy as sp

from symact.expressions import dag
from symact.formula import Formula
from symact.numbers import as_float
from symact.stabilize.formats import Array, Format

LENGTH, LONG = 8, 64
_VECTORS_EACH = 2000
_PAIRS_SHARE = 4
_RANDOM_COTANGENTS = 2
_LONG_ONES = 2
# Both sides of 0, of where exponentials leave the range, and of everything that is usual.
_CRITICAL = (0.0, 1e-8, 0.5, 1.0, 2.0, 8.0, 20.0, 50.0, 88.5, 100.0, 1e4)
_EDGES = (-100.0, -20.0, -1.0, 0.0, 1.0, 20.0, 100.0)
_MOST_PRODUCT = 1200

Draw = Callable[[np.random.Generator, int, Format], Array]


@dataclass(frozen=True)
class Cases:
    """Points with axes of one length, and the cotangents that each is tried with.

    Attributes:
        inputs: for every variable, an array of (points, elements), numbers of the format.
        kinds: for each point, the rows of the table that it belongs to.
        cotangents: an array of (cotangents, elements of the result).
        whole: whether the axis is all that a point has; else it is one number of each input.
    """

    inputs: dict[str, Array]
    kinds: tuple[tuple[str, ...], ...]
    cotangents: Array

    def __len__(self) -> int:
        return len(self.kinds)

    def point(self, i: int) -> dict[str, Array]:
        return {name: values[i] for name, values in self.inputs.items()}


def _normal(scale: Callable[[Format], float]) -> Draw:
    return lambda random, n, fmt: random.normal(size=n) * scale(fmt)


def _one_hot_large(random: np.random.Generator, n: int, fmt: Format) -> Array:
    values = random.normal(size=n)
    values[random.integers(n)] = random.choice([-1, 1]) * 10 ** random.uniform(1, 4)
    return values


def _wide_exponents(random: np.random.Generator, n: int, fmt: Format) -> Array:
    exponents = random.uniform(np.log2(fmt.min_normal) * 0.45, np.log2(fmt.max) * 0.45, n)
    return np.asarray(random.choice([-1, 1], n) * 2.0**exponents)


def _equal(random: np.random.Generator, n: int, fmt: Format) -> Array:
    return np.full(n, random.normal() * 10 ** random.uniform(-2, 3))


# Squares of the huge ones overflow, and of the tiny ones vanish; no sum of a few does.
VECTORS: dict[str, Draw] = {
    "ordinary": lambda random, n, fmt: random.normal(size=n) * 10 ** random.uniform(-1, 1),
    "tiny": _normal(lambda fmt: fmt.min_normal**0.75),
    "huge": _normal(lambda fmt: fmt.max**0.75),
    "equal": _equal,
    "close": lambda random, n, fmt: random.normal() * 1000 + random.normal(size=n),
    "zero": lambda random, n, fmt: np.zeros(n),
    "one-hot-large": _one_hot_large,
    "wide-exponent": _wide_exponents,
}
LONG_KIND = f"long ({LONG} elements)"


def cases(formula: Formula, fmt: Format, samples: int, seed: int) -> list[Cases]:
    """All cases of a formula in one format; the same ones for the same seed."""
    random = np.random.default_rng(seed)
    if not formula.is_vector:
        return [_of_several_inputs(formula, fmt, max(60, samples // _PAIRS_SHARE), random)]
    each = max(2, samples // _VECTORS_EACH)
    kinds = [kind for kind in VECTORS for _ in range(1 if kind == "zero" else each)]
    found = [_over_axis(formula, fmt, LENGTH, [(k, VECTORS[k]) for k in kinds], random)]
    found.append(_over_axis(formula, fmt, LONG, [(LONG_KIND, VECTORS["ordinary"])] * _LONG_ONES, random))
    return found


def _over_axis(
    formula: Formula, fmt: Format, length: int, kinds: list[tuple[str, Draw]], random: np.random.Generator
) -> Cases:
    size = length if formula.keeps_axis else 1
    units = np.eye(size)
    if size > LENGTH:  # of a long one, a few
        units = units[:: size // LENGTH]
    ones = [np.ones((1, size))] if size > 1 else []
    mixed = fmt.round(random.normal(size=(_RANDOM_COTANGENTS, size)))
    inputs: dict[str, Array] = {}
    for name in formula.inputs:
        drawn = [draw(random, length, fmt) for _, draw in kinds]
        inputs[name] = _inside(fmt.round(np.array(drawn)), formula, fmt, random)
    for name in formula.trainable:
        inputs[name] = _parameter(formula, fmt, name, (len(kinds), length if name in formula.indexed else 1))
    low, high = (as_float(end) for end in formula.domain)
    if not low < 0.0 < high:
        kinds = [(k if k != "zero" else "ordinary", draw) for k, draw in kinds]
    return Cases(inputs, tuple((kind,) for kind, _ in kinds), np.concatenate([units, *ones, mixed]))


def _parameter(formula: Formula, fmt: Format, name: str, shape: tuple[int, int]) -> Array:
    return np.full(shape, fmt.round(np.float64(formula.defaults[name])))


def _inside(values: Array, formula: Formula, fmt: Format, random: np.random.Generator) -> Array:
    """``values``, with those outside the domain mirrored into it, or else drawn from it."""
    low, high = (as_float(end) for end in formula.domain)
    mirrored = np.where((values > low) & (values < high), values, -values)
    first, last = fmt.ordinal([max(low, -fmt.max), min(high, fmt.max)]).tolist()
    if last - first < 2:
        return mirrored
    drawn = fmt.number(random.integers(first + 1, last, values.shape))
    return np.where((mirrored > low) & (mirrored < high), mirrored, drawn)


def _of_several_inputs(formula: Formula, fmt: Format, count: int, random: np.random.Generator) -> Cases:
    names = formula.inputs
    low, high = (as_float(end) for end in formula.domain)
    bounds = max(low, -fmt.max), min(high, fmt.max)
    critical = _critical(formula, fmt)
    every = (
        np.array(list(product(critical, repeat=len(names))))
        if len(critical) ** len(names) <= 20_000
        else None
    )
    if every is None:
        every = random.choice(critical, (_MOST_PRODUCT, len(names)))
    elif len(every) > _MOST_PRODUCT:
        every = random.permutation(every)[:_MOST_PRODUCT]
    first, last = fmt.ordinal(list(bounds)).tolist()
    ordinals = fmt.number(random.integers(first, last, (count, len(names)), endpoint=True))
    usual = fmt.round(random.normal(size=(count, len(names))) * 10 ** random.uniform(-1, 1.5, (count, 1)))
    # A product of what each input may be: every kind of number meets every other.
    source = random.integers(0, 3, (count, len(names)))
    mixed = np.choose(source, [ordinals, usual, random.choice(critical, (count, len(names)))])
    points = np.unique(np.concatenate([every, mixed]) + 0.0, axis=0)
    inside = ((points > low) & (points < high)).all(axis=1)
    normal = ((np.abs(points) >= fmt.min_normal) | (points == 0.0) | fmt.gradual).all(axis=1)
    points = points[inside & normal]
    inputs = {name: points[:, [i]] for i, name in enumerate(names)}
    for name in formula.trainable:
        inputs[name] = _parameter(formula, fmt, name, (len(points), 1))
    return Cases(inputs, tuple(_intervals(names, point) for point in points.tolist()), np.ones((1, 1)))


def _critical(formula: Formula, fmt: Format) -> Array:
    """Numbers that each input is tried at: usual ones, the formula's own, with their neighbours, the ends."""
    own = {abs(as_float(part)) for part in dag(formula.expression) if isinstance(part, sp.Number)}
    own |= {abs(value) for value in formula.defaults.values()}
    numbers = {*_CRITICAL, *(number for number in own if 1e-6 < number < 1e6)}
    large = [fmt.max**0.5, fmt.max, fmt.min_normal**0.5, fmt.min_normal]
    signed = np.array([s * n for n in [*numbers, *large] for s in (-1.0, 1.0)])
    rounded = fmt.round(signed)
    return np.unique(rounded[np.isfinite(rounded)] + 0.0)


def _intervals(names: Iterable[str], point: list[float]) -> tuple[str, ...]:
    """The interval that each input lies in, as ``a in [0, 1]``."""
    return tuple(f"{name} {_interval(value)}" for name, value in zip(names, point, strict=True))


def _interval(value: float) -> str:
    if value < _EDGES[0]:
        return f"< {_EDGES[0]:g}"
    for low, high in pairwise(_EDGES):
        if value < high:
            return f"{low:g} … {high:g}"
    return f"≥ {_EDGES[-1]:g}"


def kinds_in_order(formula: Formula) -> Iterator[str]:
    """The names of all kinds of points, as a table lists them."""
    if formula.is_vector:
        yield from (*VECTORS, LONG_KIND)
        return
    middles = [_EDGES[0] - 1, *((a + b) / 2 for a, b in pairwise(_EDGES)), _EDGES[-1]]
    for name in formula.inputs:
        yield from (f"{name} {_interval(middle)}" for middle in middles)
