"""Mixed: a formula over an axis for inputs in float32, in float64 where that is needed and only there.

Where float32 does not serve for all of a formula it mostly serves for the exponentials and logarithms
of its elements, which take several times as long in float64; what is summed, and what is done with the
sums, must keep its range or its digits. Which operations are in float32 is tried, one after another, at
vectors of every size, every kernel as inaccurate as it was measured (as by C. Rubio-González et al.,
"Precimonious: Tuning Assistant for Floating-Point Precision", SC 2013).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from symact.casts import CASTS, Narrow, is_inexact, wide_nodes, with_casts
from symact.formula import Formula
from symact.graph import TRUE, Node, const, node, rewritten, walk
from symact.numbers import as_float
from symact.ops import OPS, kernel_time, power_of_two, scaled_sum
from symact.reduced import reduced_nodes
from symact.stabilize.formats import FLOAT32, FLOAT64, Array
from symact.stabilize.simulate import kernel_error, leaf
from symact.width import errors, levels_at, rounded, samples, saturated_samples

Levels = Sequence[Sequence[Node]]

# In ULP of the largest element: what all that is in float32 may add up to, in the value and in gradients,
# whose terms cancel more often.
_BEARABLE_VALUE, _BEARABLE_GRADIENT = 4.0, 6.0
_SEEDS = (5, 6, 7, 8)
# Another round through all operations is worth its time where the last saved more than this leaves.
_WORTH = 0.99
# Nanoseconds of an element: for a cast, and for any operation in float64.
_CAST, _WIDE = 0.02, 0.04
# Sums of functions of elements take as long as those.
_TIMED_AS = {"shifted_sum": "exp", "centred_sum": "exp", "scaled_sum": "square"}
# What has another range in float64.
_IN_FLOAT64 = {"scale": partial(power_of_two, most=1022), "scaled_sum": partial(scaled_sum, most=1022)}


def mixed(
    formula: Formula, narrow: Levels, wide: Levels, prefer: str, *, saturated: bool = False
) -> list[list[Node]]:
    """The graphs of ``formula`` for float32, with casts to float64 and back.

    Args:
        formula: for the names of inputs and parameters, their domain and defaults.
        narrow: by level, the graphs of the value and of its VJPs that were made for float32.
        wide: the same for float64; what all others are measured by.
        prefer: "accurate" for all of it in float64.
        saturated: whether vectors of which one element leads are tried, too.

    Returns:
        Graphs for the same levels; of second derivatives all is in float64.
    """
    if prefer == "accurate":
        return _cast(wide, Narrow())
    judge = _Judge(formula, wide, saturated)
    # Forms that were made for float32 are shorter; float64 seldom needs a norm's scale.
    tried = [_unscaled(narrow[:2]), narrow[:2], _unscaled(wide[:2])]
    forms = next((levels for levels in tried if judge.accepts(_cast(levels, Narrow()))), wide[:2])
    chosen = _chosen(forms, judge)
    return [*_cast(forms, chosen), *_cast(wide[2:], Narrow())]


def _cast(levels: Levels, narrow: Narrow) -> list[list[Node]]:
    return [with_casts(level, narrow) for level in levels]


def _unscaled(levels: Levels) -> Levels:
    """``levels`` with sums of powers that are not scaled: float64 has the range for most."""

    def plain(current: Node) -> Node | None:
        one = const(1)
        if current.op == "scale_of" and current.args[0].op == "scaled_sum":
            return one
        if current.op == "sum_of" and current.args[0].op == "scaled_sum":
            vector, power, _ = current.args[0].args
            size = node("abs", vector)
            powers = node("square", vector) if power == const(2) else node("pow", size, power)
            return node("reduce_sum", powers)
        if current == node("le", one, one):  # whether the scale is small
            return TRUE
        if current.op == "where" and current.args[0] is TRUE:
            return current.args[1]
        if current.op in ("mul", "div") and current.args[1] is one:
            return current.args[0]
        return current.args[1] if current.op == "mul" and current.args[0] is one else None

    return [[rewritten(root, plain) for root in level] for level in levels]


class _Judge:
    """Measures graphs in mixed formats by those in float64."""

    def __init__(self, formula: Formula, wide: Levels, saturated: bool) -> None:
        drawn = [_varied(samples(formula, seed), formula, seed) for seed in _SEEDS]
        drawn += [saturated_samples(formula, seed) for seed in _SEEDS] if saturated else []
        self.values = {name: _stacked([values[name] for values in drawn]) for name in drawn[0]}
        with np.errstate(all="ignore"):
            (value,), gradients = levels_at(wide, self.values, FLOAT64)
        self.truths = [(value, _BEARABLE_VALUE), *((found, _BEARABLE_GRADIENT) for found in gradients)]

    def accepts(self, cast: Levels) -> bool:
        """Whether value and gradients, with casts, are as good as is borne, and defined where they should be
        infinite."""
        roots = [root for level in cast for root in level]
        none = np.zeros((1, 1))
        with np.errstate(all="ignore"):
            return all(
                errors(result, truth, none).max() <= bearable
                and not (np.isnan(result) & ~np.isnan(truth)).any()
                for result, (truth, bearable) in zip(self._evaluated(roots), self.truths, strict=True)
            )

    def _evaluated(self, roots: Sequence[Node]) -> list[Array]:
        """The results of graphs with casts."""
        wide = wide_nodes(roots)
        done: dict[Node, Any] = {}
        for current in walk(roots):
            if current.op == "const" or (not current.args and current.op != "var"):
                continue
            if current.op == "var":
                done[current] = leaf(current, self.values, FLOAT32)
                continue
            op = OPS[current.op]
            is_wide = current in wide or (op.boolean and any(arg in wide for arg in current.args))
            fmt = FLOAT64 if is_wide else FLOAT32
            arguments = [done[arg] if arg in done else leaf(arg, {}, fmt) for arg in current.args]
            result = (_IN_FLOAT64.get(op.name, op.numpy) if is_wide else op.numpy)(*arguments)
            if is_inexact(current) and not is_wide and not op.parts:
                error = kernel_error(op.name, result, arguments[0], fmt, np.shape(result))
                result = result + np.where(arguments[0] == 0, 0.0, error)  # exp(0) is 1
            done[current] = rounded(op, result, fmt)
        return [np.asarray(done[root] if root in done else leaf(root, {}, FLOAT32), float) for root in roots]


def _stacked(values: Sequence[Array]) -> Array:
    """Rows of several draws; what is the same for all rows as it is."""
    return values[0] if len(values[0]) == 1 or values[0].ndim < 2 else np.concatenate(values)


def _varied(values: dict[str, Array], formula: Formula, seed: int) -> dict[str, Array]:
    """``values`` with other digits in every row: where few numbers decide, errors are small by chance."""
    low, high = map(as_float, formula.domain)
    most = FLOAT32.max
    found = dict(values)
    for name in formula.inputs:
        factors = np.random.default_rng(seed).uniform(0.75, 1.5, (len(values[name]), 1))
        found[name] = FLOAT32.round(np.clip(values[name] * factors, max(low, -most), min(high, most)))
    return found


def _chosen(levels: Levels, judge: _Judge) -> Narrow:
    """What is in float32, of operations of elements: tried from the one that gains most."""
    order = list(walk(root for level in levels for root in level))
    reduced = reduced_nodes(order)
    tried = [n for n in order if is_inexact(n) and (n not in reduced or n.op in _TIMED_AS)]
    tried.sort(key=lambda n: _nanoseconds(n, False) - _nanoseconds(n, True))
    chosen = Narrow()
    least, before = _time(_cast(levels, chosen)), math.inf
    while least < _WORTH * before:  # what was refused may do when its arguments are in float32
        before = least
        for more in (m for current in tried for m in _with(chosen, current)):
            cast = _cast(levels, more)
            time = _time(cast)
            if time < least and judge.accepts(cast):
                chosen, least = more, time
    return chosen


def _with(chosen: Narrow, current: Node) -> Iterator[Narrow]:
    """``chosen`` with one operation more."""
    if current not in chosen.operations:
        operations, exponentials = chosen.operations | {current}, chosen.exponentials
        yield Narrow(operations, exponentials - {current})
        if current.op == "exp" and current not in exponentials:
            yield Narrow(chosen.operations, exponentials | {current})


def _time(cast: Levels) -> float:
    """Nanoseconds that an element takes, in all levels, with casts."""
    total = 0.0
    for roots in cast:
        wide = wide_nodes(roots)
        reduced = reduced_nodes(roots)
        timed = (n for n in walk(roots) if n not in reduced or n.op in _TIMED_AS)
        total += sum(_nanoseconds(n, n in wide) for n in timed)
    return total


def _nanoseconds(current: Node, is_wide: bool) -> float:
    if current.op in CASTS:
        return _CAST
    if current.op not in OPS:
        return 0.0
    timed = _TIMED_AS.get(current.op, current.op)
    return max(kernel_time(timed, "float64"), _WIDE) if is_wide else kernel_time(timed, "float32")
