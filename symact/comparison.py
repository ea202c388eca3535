"""Comparison: the figures that ``compare`` finds, as frozen data.

``Comparison.as_dict()`` and ``symact compare --json`` have one schema, number 1:

    schema        1
    formula, name, parameters (name → number), seed
    contenders    names of all columns; judged: those that --fail-above holds to account
    kinks         inputs where either side's derivative, and all between them, count as right
    formats       "float32" … → the comparison in that format:
        inputs      how many inputs were tried
        coverage    "all": every number of the format; "sample": seeded, with the critical points, and the
                    worst places that a screening found
        screened    null, or, of float32 and float64, what the worst places were looked for among: inputs
                    (how many), columns, undecided (how many values there could not be enclosed, and were
                    held against symact's own), smallest_ulp (errors below it are not seen), often: [low,
                    high], narrowest_often, narrowest: an error in an interval narrower than
                    narrowest_often*|x| may be missed where low <= |x| <= high, and elsewhere, among sizes
                    that float32 has, one in an interval narrower than narrowest*|x|
        problems    contender → column → why there are no figures
        values, gradients, second_derivatives
                    contender → figures over all inputs: worst_ulp, worst_at, mean_bits,
                    correctly_rounded (share), nan, inf, wrong_zero, wrong_sign, count, undecided
        ranges      list of {low, high, values, gradients, second_derivatives, parameter_gradients},
                    figures as above
        points      list of {x, truth, gradients, ulps}: chosen inputs, the true derivative, each
                    contender's derivative and its error in ULP
        parameter_gradients
                    "d/dbeta" … for each trainable parameter → contender → figures of the derivative by it
                    at every input, at its initial value; without functions that do not take it
        specials    list of {x, column, truth, results} for x of -inf, inf and nan; truth is the limit,
                    or "nan" where there is none; these count in no figure

    exhaustive    with --exhaustive only: chunks (done) of (all), values, gradients: contender → figures
                  over every float32 input; nan_lost: contender → NaN inputs that did not give NaN; seconds

Columns in ``problems`` are "value", "derivative", "second derivative" and "d/dbeta". Formulas over an axis
and of several inputs have another schema: see ``symact.vjps.comparison``. Every number that is not finite
is written as the string "nan", "inf" or "-inf", so that the text is strict JSON. ULP are units in the last
place of the format; an error of 2**79 is the largest there is: of a number where
the truth is 0, or infinite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from symact.figures import Figures, checked_limit, require_none, shortfalls
from symact.frozen import Result, plain_data
from symact.stabilize.formats import Array

SCHEMA = 1
COLUMNS = ("value", "derivative", "second derivative")


def parameter_title(name: str) -> str:
    """The column of the derivative by a parameter."""
    return f"d/d{name}"


@dataclass(frozen=True)
class PointRow(Result):
    """One chosen input: the true gradient, and each contender's with its error in ULP."""

    x: float
    truth: float
    gradients: Mapping[str, float]
    ulps: Mapping[str, float]


@dataclass(frozen=True)
class SpecialRow(Result):
    """An input that is not finite: the limit there and each contender's result, in one column."""

    x: float
    column: str
    truth: float
    results: Mapping[str, float]


@dataclass(frozen=True)
class RangeRow(Result):
    """One interval ``low <= x <= high``: figures of each column by contender."""

    low: float
    high: float
    values: Mapping[str, Figures]
    gradients: Mapping[str, Figures]
    second_derivatives: Mapping[str, Figures]
    parameter_gradients: Mapping[str, Mapping[str, Figures]]


@dataclass(frozen=True)
class Screened:
    """What the worst places were looked for among; the module's docstring says what each field holds."""

    inputs: int
    columns: tuple[str, ...]
    undecided: int
    smallest_ulp: float
    often: tuple[float, float]
    narrowest_often: float
    narrowest: float


@dataclass(frozen=True)
class FormatComparison(Result):
    """All figures in one format; the module's docstring says what each field holds."""

    inputs: int
    coverage: str
    screened: Screened | None
    problems: Mapping[str, Mapping[str, str]]
    values: Mapping[str, Figures]
    gradients: Mapping[str, Figures]
    second_derivatives: Mapping[str, Figures]
    ranges: tuple[RangeRow, ...]
    points: tuple[PointRow, ...]
    specials: tuple[SpecialRow, ...]
    parameter_gradients: Mapping[str, Mapping[str, Figures]]

    @property
    def titles(self) -> tuple[str, ...]:
        """What all columns are called."""
        return (*COLUMNS, *self.parameter_gradients)

    def column(self, name: str) -> Mapping[str, Figures]:
        """Figures over all inputs of the column called ``name``, by contender."""
        if name in self.parameter_gradients:
            return self.parameter_gradients[name]
        return dict(zip(COLUMNS, (self.values, self.gradients, self.second_derivatives), strict=True))[name]


@dataclass(frozen=True)
class Curves(Result):
    """What is drawn: a grid of inputs, the truth there, and errors by column and contender."""

    dtype: str
    x: Array
    truths: Mapping[str, Array]
    errors: Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True)
class Comparison(Result):
    """Result of ``compare``.

    ``values``, ``gradients``, ``second_derivatives``, ``ranges``, ``points`` and ``problems`` are those of
    the first format compared in; ``formats`` has them all.
    """

    formula: str
    name: str
    parameters: Mapping[str, float]
    seed: int
    contenders: tuple[str, ...]
    judged: tuple[str, ...]
    kinks: tuple[float, ...]
    formats: Mapping[str, FormatComparison]
    curves: Curves = field(compare=False, repr=False)

    @property
    def dtype(self) -> str:
        """The first format compared in."""
        return next(iter(self.formats))

    @property
    def problems(self) -> Mapping[str, Mapping[str, str]]:
        return self.formats[self.dtype].problems

    @property
    def values(self) -> Mapping[str, Figures]:
        return self.formats[self.dtype].values

    @property
    def gradients(self) -> Mapping[str, Figures]:
        return self.formats[self.dtype].gradients

    @property
    def second_derivatives(self) -> Mapping[str, Figures]:
        return self.formats[self.dtype].second_derivatives

    @property
    def parameter_gradients(self) -> Mapping[str, Mapping[str, Figures]]:
        return self.formats[self.dtype].parameter_gradients

    @property
    def ranges(self) -> tuple[RangeRow, ...]:
        return self.formats[self.dtype].ranges

    @property
    def points(self) -> tuple[PointRow, ...]:
        return self.formats[self.dtype].points

    def complaints(self, max_ulp: float) -> list[str]:
        """Where a judged contender's value or derivative is worse than ``max_ulp``, not finite or missing.

        Raises:
            OptionError: ``max_ulp`` is negative or NaN.
        """
        return list(self._complaints(checked_limit(max_ulp)))

    def _complaints(self, max_ulp: float) -> Iterator[str]:
        for dtype, compared in self.formats.items():
            for name in self.judged:
                # Second derivatives serve penalties, where a digit more or less is nothing.
                for column in (*COLUMNS[:2], *compared.parameter_gradients):
                    what = f"{name}, {column} in {dtype}"
                    if column in compared.problems.get(name, {}):
                        yield f"{what}: {compared.problems[name][column]}"
                        continue
                    figures = compared.column(column).get(name)
                    if figures is None:  # a function that does not take the parameter
                        continue
                    where = f"x = {figures.worst_at!r}"
                    yield from shortfalls(what, figures, max_ulp, where, " where the truth is a number")

    def assert_accurate(self, max_ulp: float = 4) -> None:
        """Raise unless symact's and every ``against`` contender's value and derivative are accurate.

        Args:
            max_ulp: the largest error that passes, in units in the last place.

        Raises:
            OptionError: ``max_ulp`` is negative or NaN.
            AccuracyError: an AssertionError that says what is worse, by how much and at which input.
        """
        require_none(self.complaints(max_ulp), max_ulp)

    def as_dict(self) -> dict[str, Any]:
        """The comparison in plain dicts, lists, strings and numbers; NaN and ±inf as strings."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "curves"}
        return dict(plain_data({"schema": SCHEMA, **named}))

    def __str__(self) -> str:
        from symact.report import comparison_text

        return comparison_text(self)

    def _repr_html_(self) -> str:
        from symact.page import comparison_fragment

        return comparison_fragment(self)
