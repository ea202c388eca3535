"""Points: exact values and vector–Jacobian products for the test file that goes with an emitted module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symact.activation import load
from symact.contenders import Contender
from symact.emit.vjp_checks import Point, vjp_checks
from symact.stabilize.formats import FORMATS, Array, Format
from symact.testing import is_in_the_middle, limit
from symact.vjps.cases import Cases, cases
from symact.vjps.runs import run
from symact.vjps.scoring import Scored, score
from symact.vjps.truth import VALUE, Row, Rows, VjpTruth

if TYPE_CHECKING:
    from symact.compiler import Compilation

_SAMPLES, _MOST_POINTS, _SEED = 6000, 36, 0
# A point at which the error is larger tests nothing: the formula is known to lose its digits there.
_LOST = 64.0


def source_of_test(compilation: Compilation, module: str) -> str:
    """The test file for the module written to the file called ``module``; it has been run on these points."""
    contender = Contender("symact", load(compilation), judged=True)
    points, limits = {}, {}
    for dtype, fmt in FORMATS.items():
        points[dtype], limits[dtype] = _points(compilation, contender, fmt)
    return vjp_checks(compilation.formula, module, points, limits)


def _points(
    compilation: Compilation, contender: Contender, fmt: Format
) -> tuple[list[Point], tuple[float, float]]:
    formula = compilation.formula
    truth, group = VjpTruth(formula, fmt), _chosen(cases(formula, fmt, _SAMPLES, _SEED)[0])
    exact = [truth.at(group.point(i), group.cotangents) for i in range(len(group))]
    results = run(contender, formula, group, fmt)
    variables = [VALUE, *formula.variables]
    scored = {v: _scored([rows[v][0] for rows in exact], results[v], fmt) for v in variables}
    good = [
        i for i, rows in enumerate(exact) if all(_is_told(rows[v][0], scored[v], i, fmt) for v in variables)
    ]
    errors = {v: max((float(scored[v].errors[i]) for i in good), default=0.0) for v in variables}
    value, gradients = errors[VALUE], max(errors[v] for v in formula.variables)
    return [_point(group, exact[i], i) for i in good], (limit(value), limit(gradients))


def _chosen(group: Cases) -> Cases:
    """Some of the points, with the last of the cotangents, which has all kinds of elements."""
    random = np.random.default_rng(_SEED)
    picked = np.sort(random.permutation(len(group))[:_MOST_POINTS])
    inputs = {name: values[picked] for name, values in group.inputs.items()}
    return Cases(inputs, tuple(group.kinds[i] for i in picked), group.cotangents[-1:])


def _scored(rows: list[Row], results: Array | None, fmt: Format) -> Scored:
    assert results is not None  # symact's own has every gradient
    return score(rows, results.reshape(len(rows), -1), fmt)


def _is_told(row: Row, scored: Scored, at: int, fmt: Format) -> bool:
    """Whether there is one true result, away from the ends of the range, which the module comes near."""
    size = np.abs(row.low + row.rest).max(initial=0.0)
    is_one = np.array_equal(row.low, row.high) and scored.judged[at]
    wrong = scored.nan[at] or scored.inf[at] or scored.errors[at] > _LOST
    return bool(is_one and is_in_the_middle(size, row.scale, fmt) and not wrong)


def _point(group: Cases, rows: Rows, at: int) -> Point:
    results = {variable: (row.low + row.rest).tolist() for variable, (row, *_) in rows.items()}
    return Point(
        inputs={name: values.tolist() for name, values in group.point(at).items()},
        upstream=group.cotangents[0].tolist(),
        results=results,
        scales=[row.scale for row, *_ in rows.values()],
    )
