"""Dense: a look at millions of float32 and float64 inputs, for places where a sample would miss an error.

Contenders are run on a grid of ordinals and held against the screen's enclosure of the truth, which costs
a fraction of a microsecond an input. What it yields is where to look: the worst places of each contender in
each range join the sample, and are judged there as every other input is. So an error in an interval wider
than the grid's step is found, and a place that only seemed bad does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from symact.comparison import COLUMNS, Screened
from symact.contenders import ComparisonImpossible, Contender
from symact.judge import Judge
from symact.stabilize.formats import FLOAT32, Array, Format

# Sizes of the inputs that activations mostly have: three quarters of the grid lie there. And of all, in
# float64 too: beyond float32's sizes formulas are what they are at its ends, and Arb takes much longer.
_OFTEN, _ALL = (1e-3, 128.0), (FLOAT32.min_normal, FLOAT32.max)
# How many inputs of those sizes. In float64 all that is done with them takes longer.
_INPUTS = {"float32": (3_000_000, 1_000_000), "float64": (1_500_000, 500_000)}
# Inputs of a call of a contender; and of a step of judging, which is to stay in the processor's cache.
_BATCH = 1 << 17
_BLOCK = 1 << 14
# What the screen may cost in each range; its polynomials are longer than a sweep's, being of fewer inputs.
_LIMITS = {"most_single": 500, "most_intervals": 1_500, "length": 13}
_COLUMNS = COLUMNS[:2]

Numbers = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Suspects:
    """Where a screening says that one should look.

    Attributes:
        screened: what was tried.
        worst: in each range the input of each contender's largest error in each column, and one, if
            there is any, where its result is not finite.
        peaks: the same in every block of the grid.
    """

    screened: Screened
    worst: Array
    peaks: Array


def suspects(judge: Judge, contenders: Sequence[Contender], ends: Sequence[float], seed: int) -> Suspects:
    """The worst places of values and derivatives of ``contenders`` between ``ends``.

    Who fails is left out; that is said where the sample is run.
    """
    points, often, elsewhere = _grid(judge, seed)
    results = {contender.name: _results(contender, points, judge.fmt) for contender in contenders}
    worst: list[float] = []
    peaks: list[float] = []
    undecided = 0
    screens = [judge.screen(order, **_LIMITS) for order in range(len(_COLUMNS))]
    for low, high in pairwise(ends):
        here = slice(*np.searchsorted(points, [low, high]).tolist())
        for order, title in enumerate(_COLUMNS):
            columns = {name: found[title][here] for name, found in results.items() if title in found}
            truth, known = screens[order].at(points[here])
            undecided += int(np.count_nonzero(~known))
            if "symact" in columns:
                # Where the truth is beyond the screen, whoever differs from the emitted form is looked at.
                truth[~known] = columns["symact"][~known]
            for column in columns.values():
                found = [*_blocks(judge, order, points[here], truth, column)]
                peaks += [x for _, x in found]
                worst += _largest(found)
    screened = Screened(len(points), _COLUMNS, undecided, judge.screened_to(), _OFTEN, often, elsewhere)
    return Suspects(screened, np.unique(worst), np.unique(peaks))


def _grid(judge: Judge, seed: int) -> tuple[Array, float, float]:
    """The inputs, and how wide, relative to x, an interval is that has one: of frequent sizes, and else."""
    fmt, random = judge.fmt, np.random.default_rng(seed)
    points, steps = [np.zeros(0)], []
    for sizes, count in zip((_OFTEN, _ALL), _INPUTS[fmt.name], strict=True):
        stretches = _stretches(*sizes, *judge.bounds())
        bounds = [fmt.ordinal(list(stretch)).tolist() for stretch in stretches]
        # Odd, so that the last bits of the inputs are not all the same.
        step = max(1, sum(last - first for first, last in bounds) // count) | 1
        steps.append(step * 2.0 * fmt.epsilon)
        points += [fmt.number(np.arange(first + random.integers(step), last, step)) for first, last in bounds]
    # Runs that are sorted already: as np.unique does it takes a third of a second.
    grid = np.sort(np.concatenate(points), kind="stable")
    grid = grid[np.diff(grid, prepend=-np.inf) > 0]
    inside = (grid > judge.domain[0]) & (grid < judge.domain[1]) & (np.abs(grid) >= fmt.min_normal)
    return grid[inside], steps[0], steps[1]


def _stretches(smallest: float, largest: float, low: float, high: float) -> list[tuple[float, float]]:
    """The numbers of either sign and those sizes that lie between ``low`` and ``high``."""
    both = [(max(low, -largest), min(high, -smallest)), (max(low, smallest), min(high, largest))]
    return [(first, last) for first, last in both if first < last]


def _results(contender: Contender, points: Array, fmt: Format) -> Mapping[str, Numbers]:
    """Value and derivative, as far as the contender has them; in the format itself, to save memory."""
    for wanted in range(len(_COLUMNS), 0, -1):
        try:
            found = contender.columns(points, fmt, wanted, batch=_BATCH)
        except ComparisonImpossible:
            continue
        return {
            title: np.asarray(part, fmt.dtype)
            for title, part in zip(_COLUMNS, found, strict=False)
            if part is not None
        }
    return {}


def _blocks(
    judge: Judge, order: int, points: Array, truth: Array, results: Numbers
) -> Iterator[tuple[float, float]]:
    """The largest error of each block and its input; infinite for an input without a finite result."""
    for first in range(0, len(points), _BLOCK):
        here = slice(first, first + _BLOCK)
        x, exact, mine = points[here], truth[here], results[here].astype(np.float64)
        errors, _ = judge.errors(order, x, (exact, np.zeros(x.shape), False), mine, most_ties=0)
        finite = np.isfinite(mine)
        if finite.any():
            at = int(np.argmax(np.where(finite, errors, -1.0)))
            yield float(errors[at]), float(x[at])
        lost = np.flatnonzero(~finite & (errors > 0))
        if len(lost):
            yield math.inf, float(x[lost[0]])


def _largest(found: Sequence[tuple[float, float]]) -> list[float]:
    """The inputs of the largest error, and of the first result that is not finite."""
    known = [one for one in found if one[0] < math.inf]
    lost = [one for one in found if one[0] == math.inf]
    return [x for _, x in ([max(known)] if known else []) + lost[:1]]
