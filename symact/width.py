"""Width: whether float32 serves a formula over an axis, or its float32 is to be computed in float64.

Both are evaluated at vectors of every size that float32 holds. float64 has the range for products of
several of float32's largest and smallest numbers, and the digits where what they are added to cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symact.formula import Formula
from symact.graph import Node, walk
from symact.numbers import as_float
from symact.ops import OPS, Op
from symact.program import COUNT, POSITION
from symact.stabilize.formats import FLOAT32, FLOAT64, Array, Format
from symact.stabilize.simulate import leaf

# In ULP of the largest element: float32 that is off by more is computed in float64. Where a softmax is
# saturated the terms of its gradient cancel, and what is left is small for everybody.
_BEARABLE_VALUE, _BEARABLE_GRADIENT = 8.0, 1024.0
# Results below this may be 0.
_VANISHING = 4 * FLOAT32.min_normal
_LENGTH = 7
_ROUNDS = 16
_RANDOM_SEED = 5
# How far the largest element of a vector is above the others: for exponentials, and for powers.
_GAPS = (12.0, 20.0, 40.0, 80.0, 1e10, 1e20)
_ROWS_A_GAP = 16


def float32_serves(
    formula: Formula,
    narrow: Sequence[Sequence[Node]],
    wide: Sequence[Sequence[Node]],
    *,
    saturated: bool = False,
) -> bool:
    """Whether the graphs ``narrow``, evaluated in float32, come close to ``wide``, evaluated in float64.

    Args:
        formula: for the names of inputs and parameters, their domain and defaults.
        narrow: the graphs of the value and of its VJP in float32; the value's is the only one of its level.
        wide: the same in float64.
        saturated: whether it must at vectors of which one element leads, too.
    """
    drawn = [samples(formula), saturated_samples(formula)] if saturated else [samples(formula)]
    return all(_serves(formula, narrow, wide, values) for values in drawn)


def _serves(
    formula: Formula,
    narrow: Sequence[Sequence[Node]],
    wide: Sequence[Sequence[Node]],
    values: Mapping[str, Array],
) -> bool:
    with np.errstate(all="ignore"):
        (truth,), exact = levels_at(wide, values, FLOAT64)
        (result,), computed = levels_at(narrow, values, FLOAT32)
        if errors(result, truth, np.zeros((1, 1))).max() > _BEARABLE_VALUE:
            return False
        # What a change of the variable by all of itself may change: terms of that size may cancel.
        whole = _largest(truth) * _largest(values["upstream"])
        return not any(
            errors(found, gradient, whole / np.abs(values[name])).max() > _BEARABLE_GRADIENT
            for name, found, gradient in zip(formula.variables, computed, exact, strict=True)
        )


def samples(formula: Formula, seed: int = _RANDOM_SEED) -> dict[str, Array]:
    """By name, a vector a row, or a number a row: of inputs, parameters and the upstream."""
    random = np.random.default_rng(seed)
    shapes = _vectors(random)
    # In the first round all inputs at one size, later each at another.
    places = range(len(formula.inputs))
    rows = [
        [(at + turn * i) % len(shapes) for i in places]
        for turn in range(_ROUNDS)
        for at in range(len(shapes))
    ]
    low, high = map(as_float, formula.domain)
    values = {}
    for i, name in enumerate(formula.inputs):
        vectors = np.array([random.permutation(shapes[row[i]]) for row in rows])
        values[name] = FLOAT32.round(np.clip(np.abs(vectors) if low >= 0 else vectors, low, high))
    for parameter in formula.parameters:
        factors = np.resize([1.0, 0.6, 1.7, -1.0, 30.0, -30.0], len(rows))[:, None]
        spread = random.uniform(0.8, 1.2, (len(rows), _LENGTH)) if parameter.name in formula.indexed else 1.0
        values[parameter.name] = FLOAT32.round(parameter.default * factors * spread)
    count = _LENGTH if formula.keeps_axis else 1
    values["upstream"] = FLOAT32.round(random.normal(size=(len(rows), count)))
    return values | along(_LENGTH)


def saturated_samples(formula: Formula, seed: int = _RANDOM_SEED) -> dict[str, Array]:
    """By name, a vector a row: one element leads, which for other inputs is a label, or one of several."""
    random = np.random.default_rng(seed)
    low, high = map(as_float, formula.domain)
    rows = len(_GAPS) * _ROWS_A_GAP
    leads = np.arange(_LENGTH) == np.arange(rows)[:, None] % _LENGTH
    gaps = np.repeat(_GAPS, _ROWS_A_GAP)[:, None]
    values = {}
    for at, name in enumerate(formula.inputs):
        vectors = random.normal(size=(rows, _LENGTH))
        if at == 0:
            vectors = vectors + gaps * leads
        else:
            vectors[1::2] = leads[1::2]
        values[name] = FLOAT32.round(np.clip(np.abs(vectors) if low >= 0 else vectors, low, high))
    for parameter in formula.parameters:
        size = (rows, _LENGTH) if parameter.name in formula.indexed else (rows, 1)
        values[parameter.name] = FLOAT32.round(np.full(size, parameter.default))
    count = _LENGTH if formula.keeps_axis else 1
    values["upstream"] = FLOAT32.round(random.normal(size=(rows, count)))
    return values | along(_LENGTH)


def along(length: int) -> dict[str, Array]:
    """By name, what every axis of ``length`` has: its length, and the places along it."""
    return {COUNT.name: np.array([[float(length)]]), POSITION.name: np.arange(length, dtype=float)[None, :]}


def _vectors(random: Any) -> list[Array]:
    """Vectors of all sizes, of mixed sizes, of close elements, of equal ones, on one side."""
    ordinary = random.normal(size=_LENGTH)
    found = [ordinary * 10.0**power for power in (-33, -20, -10, -3, 0, 1, 2, 3, 10, 20, 30, 38)]
    found += [1e4 + ordinary, 1e3 + 1e-3 * ordinary, np.full(_LENGTH, 0.7), np.full(_LENGTH, 3e38)]
    found.append(np.resize([3e38, -3e38], _LENGTH))
    found += [-50 + ordinary, -90 + ordinary, 50 + ordinary]
    found += [ordinary * 10.0 ** random.permutation(np.resize(powers, _LENGTH)) for powers in _MIXED]
    return [np.clip(vector, -FLOAT32.max, FLOAT32.max) for vector in found]


# Powers of ten of the elements of one vector.
_MIXED = ([20, 0, -1], [38, 0, 1, 38], [-20, 0, -30], [0, 2])


def levels_at(
    levels: Sequence[Sequence[Node]], values: Mapping[str, Array], fmt: Format
) -> list[list[Array]]:
    """The results of the value and of its VJP."""
    memo: dict[Node, Any] = {}
    return [[evaluated(root, values, fmt, memo) for root in roots] for roots in levels[:2]]


def evaluated(root: Node, values: Mapping[str, Array], fmt: Format, memo: dict[Node, Any]) -> Array:
    """The result of ``root``, each operation rounded to ``fmt``.

    ``values`` hold a vector a row, or a number a row; ``memo`` keeps the results of nodes at them.
    """
    for current in walk([root]):
        if current in memo:
            continue
        if not current.args:
            memo[current] = leaf(current, values, fmt)
            continue
        op = OPS[current.op]
        memo[current] = rounded(op, op.numpy(*(memo[arg] for arg in current.args)), fmt)
    return np.asarray(memo[root], float)


def rounded(op: Op, result: Any, fmt: Format) -> Any:
    """What ``fmt`` holds of an operation's result, of each where it has several."""
    if op.parts:
        return tuple(map(fmt.round, result))
    return result if op.boolean else fmt.round(result)


def _largest(values: Array) -> Array:
    """The size of the largest finite element of every row."""
    finite = np.where(np.isfinite(values), np.abs(values), 0.0)
    return np.asarray(finite.max(axis=-1, keepdims=True))


def errors(result: Array, truth: Array, scale: Array) -> Array:
    """Errors in ULP of float32 at the row's largest element, or at ``scale`` where that is larger."""
    within = np.isfinite(truth) & (np.abs(truth) < FLOAT32.max)
    size = np.maximum(_largest(np.where(within, truth, 0.0)), np.nan_to_num(scale))
    off = np.where(np.isfinite(result), np.abs(result - truth), np.inf)
    error = np.maximum(off - _VANISHING, 0.0) / FLOAT32.ulp(np.minimum(size, FLOAT32.max))
    # Where float64 itself is undefined, nothing is known.
    known = within & ~np.isnan(truth).any(axis=-1, keepdims=True)
    return np.where(known, error, 0.0)
