"""Comparison of vector–Jacobian products, as frozen data.

``VjpComparison.as_dict()`` and ``symact compare --json`` of a formula over an axis, or of several inputs,
have one schema, number 2:

    schema        2
    formula, name, parameters (name → number), seed
    inputs        names of the inputs
    unit          what errors are measured in, in words
    contenders    names of all columns; judged: those that --fail-above holds to account
    formats       "float32" … → the comparison in that format:
        points      how many points were tried: vectors, or tuples of numbers
        results     how many vector–Jacobian products by each variable
        problems    contender → column → why there are no figures
        columns     column → contender → figures over all points:
            worst_ulp   the largest error among finite results, in ``unit``; "nan" if there are none
            worst_at    null if there are none, or where that is: {kind, inputs: name → list of elements,
                        cotangent: list}
            worst_of_jacobian
                        the largest error in ULP of what the whole Jacobian's sizes add up to for one element
            mean_bits   mean of log2(1 + error in ULP) of finite results
            nan, inf    how many results have a NaN or an infinity where the truth is finite
            wrong_zero  how many results are 0 in every element where the truth is a normal number
            count       how many results were judged
        kinds       list of {kind, points, columns}: the same over the points of one kind, such as "huge"

Columns are "value" and, for every input and trainable parameter v, "d/dv". A cotangent of a value is
empty. Numbers that are not finite are the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from symact.figures import checked_limit, require_none, shortfalls
from symact.frozen import FrozenMapping, Result, plain_data
from symact.vjps.scoring import VjpFigures
from symact.vjps.truth import VALUE

SCHEMA = 2

Columns = Mapping[str, Mapping[str, VjpFigures]]


@dataclass(frozen=True)
class KindRow(Result):
    """Figures of every column over the points of one kind."""

    kind: str
    points: int
    columns: Columns


@dataclass(frozen=True)
class FormatVjps(Result):
    """All figures in one format; the module's docstring says what each field holds."""

    points: int
    results: int
    problems: Mapping[str, Mapping[str, str]]
    columns: Columns
    kinds: tuple[KindRow, ...]


@dataclass(frozen=True)
class VjpComparison(Result):
    """Result of ``compare`` for a formula over an axis, or of several inputs.

    ``columns``, ``kinds`` and ``problems`` are those of the first format compared in; ``formats`` has
    them all.
    """

    formula: str
    name: str
    parameters: Mapping[str, float]
    seed: int
    inputs: tuple[str, ...]
    unit: str
    contenders: tuple[str, ...]
    judged: tuple[str, ...]
    formats: Mapping[str, FormatVjps]

    @property
    def dtype(self) -> str:
        """The first format compared in."""
        return next(iter(self.formats))

    @property
    def problems(self) -> Mapping[str, Mapping[str, str]]:
        return self.formats[self.dtype].problems

    @property
    def columns(self) -> Columns:
        return self.formats[self.dtype].columns

    @property
    def kinds(self) -> tuple[KindRow, ...]:
        return self.formats[self.dtype].kinds

    @property
    def values(self) -> Mapping[str, VjpFigures]:
        return self.columns[VALUE]

    @property
    def gradients(self) -> Columns:
        """Figures of the products, by column, each by contender."""
        return FrozenMapping({title: by_name for title, by_name in self.columns.items() if title != VALUE})

    def complaints(self, max_ulp: float) -> list[str]:
        """Where a judged contender's value or product is worse than ``max_ulp``, not finite or missing.

        Raises:
            OptionError: ``max_ulp`` is negative or NaN.
        """
        return list(self._complaints(checked_limit(max_ulp)))

    def _complaints(self, max_ulp: float) -> Iterator[str]:
        for dtype, compared in self.formats.items():
            for name in self.judged:
                for column, by_name in compared.columns.items():
                    what = f"{name}, {column} in {dtype}"
                    if column in compared.problems.get(name, {}):
                        yield f"{what}: {compared.problems[name][column]}"
                    elif name in by_name:
                        figures = by_name[name]
                        where = "" if figures.worst_at is None else str(figures.worst_at)
                        yield from shortfalls(what, figures, max_ulp, where, " where the truth is finite")

    def assert_accurate(self, max_ulp: float = 4) -> None:
        """Raise unless symact's and every ``against`` contender's values and products are accurate.

        Args:
            max_ulp: the largest error that passes, in ``unit``.

        Raises:
            OptionError: ``max_ulp`` is negative or NaN.
            AccuracyError: an AssertionError that says what is worse, by how much and where.
        """
        require_none(self.complaints(max_ulp), max_ulp)

    def as_dict(self) -> dict[str, Any]:
        """The comparison in plain dicts, lists, strings and numbers; NaN and ±inf as strings."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return dict(plain_data({"schema": SCHEMA, **named}))

    def __str__(self) -> str:
        from symact.vjps.text import vjp_text

        return vjp_text(self)

    def _repr_html_(self) -> str:
        from symact.page import comparison_fragment

        return comparison_fragment(self)
