"""Compare: the emitted gradient, TensorFlow's autodiff of the plain formula, anyone's, and the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from symact.comparison import (
    COLUMNS,
    Comparison,
    Curves,
    FormatComparison,
    PointRow,
    RangeRow,
    SpecialRow,
    parameter_title,
)
from symact.contenders import ComparisonImpossible, Contender, plain
from symact.coverage import Mask, chosen, covered, drawn, edges
from symact.dense import suspects
from symact.errors import OptionError
from symact.figures import Figures, tally
from symact.judge import Judge
from symact.rivals import Against, rivals
from symact.stabilize.formats import ALL_FORMATS, Array, Format
from symact.vjps.compare import compare_vjps
from symact.vjps.comparison import VjpComparison

if TYPE_CHECKING:
    from symact.activation import Activation

_UNCONNECTED = "TensorFlow sees no path from the output back to the input, so there is no gradient"


def compare(
    activation: Activation,
    *,
    against: Against | Iterable[Against] | Mapping[str, Against] = (),
    dtype: str | Sequence[str] = "all",
    samples: int = 12_000,
    seed: int = 0,
) -> Comparison | VjpComparison:
    """Compare the gradient that ``activation`` emits with autodiff of the formula as written.

    Args:
        activation: a compiled activation; its parameters are taken at their defaults.
        against: callables that implement the same formula, or their names, such as
            "keras.activations.gelu" or "my_module:my_function"; each is one more contender. A mapping has
            them by the names that they are to be called.
        dtype: "float32", "float64", "float16", "bfloat16", several of them, or "all".
        samples: number of inputs over all ranges for float32 and float64, half uniform over ordinals,
            half over values, with kinks and roots besides; of the other two every number is tried.
        seed: of the sample; the same figures come out for the same seed.

    Raises:
        OptionError: ``dtype`` or ``against`` is something else.
    """
    formats = _formats(dtype)
    contenders = [
        Contender("symact", activation, judged=True),
        Contender("autodiff", plain(activation.formula), judged=False),
        *rivals(against),
    ]
    if not activation.formula.is_univariate:
        return compare_vjps(activation.formula, contenders, formats, samples, seed)
    trainable = activation.formula.trainable
    judges = [Judge(activation.formula, fmt, len(COLUMNS), trainable) for fmt in formats]
    runs = [_in_format(judge, contenders, trainable, samples, seed) for judge in judges]
    return Comparison(
        formula=activation.formula.text,
        name=activation.name,
        parameters=activation.formula.defaults,
        seed=seed,
        contenders=tuple(contender.name for contender in contenders),
        judged=tuple(contender.name for contender in contenders if contender.judged),
        kinks=tuple(judges[0].kinks),
        formats={judge.fmt.name: compared for judge, (compared, _) in zip(judges, runs, strict=True)},
        curves=_curves(judges[0], contenders, trainable, besides=runs[0][1]),
    )


def _formats(dtype: str | Sequence[str]) -> list[Format]:
    names = list(ALL_FORMATS) if dtype == "all" else [dtype] if isinstance(dtype, str) else list(dtype)
    unknown = [name for name in names if name not in ALL_FORMATS]
    if unknown or not names:
        known = ", ".join(ALL_FORMATS)
        raise OptionError(f"dtype must be one or several of {known}, or 'all', not {dtype!r}")
    return [ALL_FORMATS[name] for name in dict.fromkeys(names)]


@dataclass(frozen=True)
class _Column:
    """One column at some inputs: the truth, and results and errors of those who have them."""

    truth: Array
    results: Mapping[str, Array]
    errors: Mapping[str, Array]


Problems = dict[str, dict[str, str]]


def _in_format(
    judge: Judge, contenders: list[Contender], trainable: tuple[str, ...], samples: int, seed: int
) -> tuple[FormatComparison, Array]:
    """The figures, and inputs where some contender does badly."""
    ends = edges(judge)
    points, coverage = covered(judge, ends, samples, seed)
    found = suspects(judge, contenders, ends, seed) if coverage == "sample" else None
    if found is not None:
        points = np.union1d(points, found.worst)
    problems: Problems = {}
    columns = _measured(judge, contenders, points, problems)
    others = _by_parameters(judge, contenders, trainable, points, problems)

    def parameters(within: Mask) -> dict[str, dict[str, Figures]]:
        return {title: _figures(judge, points, column, within) for title, column in others.items()}

    ranges = []
    for low, high in pairwise(ends):
        within = (points >= low) & (points <= high)
        value, slope, second = (_figures(judge, points, column, within) for column in columns)
        ranges.append(RangeRow(low, high, value, slope, second, parameters(within)))
    everywhere = np.ones(points.shape, bool)
    compared = FormatComparison(
        inputs=len(points),
        coverage=coverage,
        screened=None if found is None else found.screened,
        problems=problems,
        ranges=tuple(ranges),
        points=_rows(judge, contenders),
        specials=_specials(judge, contenders),
        parameter_gradients=parameters(everywhere),
        **dict(
            zip(
                ("values", "gradients", "second_derivatives"),
                (_figures(judge, points, column, everywhere) for column in columns),
                strict=True,
            )
        ),
    )
    return compared, np.union1d(_worst_places(compared), [] if found is None else found.peaks)


def _worst_places(compared: FormatComparison) -> Array:
    """Where each contender has its largest error, in every range and column."""
    found = [
        figures.worst_at
        for row in compared.ranges
        for column in (row.values, row.gradients, *row.parameter_gradients.values())
        for figures in column.values()
    ]
    return np.array([x for x in found if x == x])


def _measured(
    judge: Judge, contenders: list[Contender], points: Array, problems: Problems
) -> tuple[_Column, ...]:
    """Every column at sorted ``points``; who has no numbers there is entered in ``problems``."""
    ran = {c.name: _run(c, judge, points, problems) for c in contenders}
    columns = []
    for order, title in enumerate(COLUMNS):
        truth = judge.truth(order, points)
        results: dict[str, Array] = {}
        for name, found in ran.items():
            if title in problems.get(name, {}):
                continue
            result = found[order]
            if result is None and not np.any(np.nan_to_num(truth[0])):
                result = np.zeros(points.shape)
            if result is None:
                problems.setdefault(name, {})[title] = _UNCONNECTED
            else:
                results[name] = result
        columns.append(_column(judge, order, points, truth, results))
    return tuple(columns)


def _column(
    judge: Judge, order: int, points: Array, truth: tuple[Array, Array, bool], results: dict[str, Array]
) -> _Column:
    errors = {name: judge.errors(order, points, truth, result)[0] for name, result in results.items()}
    return _Column(truth[0], results, errors)


def _by_parameters(
    judge: Judge, contenders: list[Contender], trainable: tuple[str, ...], points: Array, problems: Problems
) -> dict[str, _Column]:
    """The derivatives by trainable parameters: what each input adds to the gradient of a sum."""
    ran: dict[str, dict[str, Array | None]] = {}
    given = {name: judge.parameters[name] for name in trainable}
    for contender in contenders if trainable else []:
        try:
            ran[contender.name] = contender.by_parameters(points, judge.fmt, given)
        except ComparisonImpossible as error:
            titles = {parameter_title(name): str(error) for name in trainable}
            problems.setdefault(contender.name, {}).update(titles)
    columns = {}
    for order, parameter in enumerate(trainable, len(COLUMNS)):
        title = parameter_title(parameter)
        results: dict[str, Array] = {}
        for name, found in ran.items():
            result = found.get(parameter)
            if result is not None:
                results[name] = result
            elif parameter in found:
                problems.setdefault(name, {})[title] = _UNCONNECTED.replace("input", "parameter")
        columns[title] = _column(judge, order, points, judge.truth(order, points), results)
    return columns


def _run(contender: Contender, judge: Judge, points: Array, problems: Problems) -> tuple[Array | None, ...]:
    """As many columns as the contender has, the rest None with a reason in ``problems``."""
    for wanted in range(len(COLUMNS), 0, -1):
        try:
            found = contender.columns(points, judge.fmt, wanted)
        except ComparisonImpossible as error:
            problems.setdefault(contender.name, {})[COLUMNS[wanted - 1]] = str(error)
        else:
            return *found, *([None] * (len(COLUMNS) - wanted))
    return (None,) * len(COLUMNS)


def _figures(judge: Judge, points: Array, column: _Column, within: Mask) -> dict[str, Figures]:
    return {
        name: tally(
            points[within],
            column.truth[within],
            result[within],
            column.errors[name][within],
            judge.fmt,
        ).figures()
        for name, result in column.results.items()
    }


def _rows(judge: Judge, contenders: list[Contender]) -> tuple[PointRow, ...]:
    """The derivative at inputs that everybody knows."""
    points = chosen(judge)
    _, column, _ = _measured(judge, contenders, points, {})
    return tuple(
        PointRow(
            float(x),
            _number(column.truth[i]),
            {name: _number(result[i]) for name, result in column.results.items()},
            {name: float(errors[i]) for name, errors in column.errors.items()},
        )
        for i, x in enumerate(points)
    )


def _specials(judge: Judge, contenders: list[Contender]) -> tuple[SpecialRow, ...]:
    """What everybody makes of inputs that are not finite."""
    points = np.array([end for end in (*judge.domain, np.nan) if not np.isfinite(end)])
    columns = zip(COLUMNS, _measured(judge, contenders, points, {}), strict=True)
    return tuple(
        SpecialRow(
            _number(x),
            title,
            _number(column.truth[i]),
            {name: _number(result[i]) for name, result in column.results.items()},
        )
        for title, column in columns
        for i, x in enumerate(points)
    )


def _number(value: float) -> float:
    """``value``; always the same NaN, so that equal comparisons compare equal."""
    return float(value) if value == value else math.nan


def _curves(judge: Judge, contenders: list[Contender], trainable: tuple[str, ...], besides: Array) -> Curves:
    points = drawn(judge, besides)
    columns = dict(zip(COLUMNS, _measured(judge, contenders, points, {}), strict=True))
    columns |= _by_parameters(judge, contenders, trainable, points, {})
    errors = {
        title: {
            name: np.where(np.isfinite(column.results[name]), values, np.nan)
            for name, values in column.errors.items()
        }
        for title, column in columns.items()
    }
    truths = {title: column.truth for title, column in columns.items()}
    return Curves(judge.fmt.name, points, truths, errors)
