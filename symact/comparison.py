"""Comparison: the figures that ``compare`` finds, as frozen data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figures:
    """How one contender did on one range.

    Attributes:
        worst_ulp: its largest error in ULP among finite results.
        worst_at: the input where that happens.
        mean_bits: mean of log2(1 + error in ULP), non-finite results left out.
        correctly_rounded: share of results within half a ULP.
        nan, inf: how many results are NaN or infinite where the truth is a finite number.
        count: how many inputs were tried.
    """

    worst_ulp: float
    worst_at: float
    mean_bits: float
    correctly_rounded: float
    nan: int
    inf: int
    count: int


@dataclass(frozen=True)
class PointRow:
    """One chosen input: the true gradient, and each contender's with its error in ULP."""

    x: float
    truth: float
    gradients: Mapping[str, float]
    ulps: Mapping[str, float]


@dataclass(frozen=True)
class RangeRow:
    """One interval ``low <= x <= high``: figures of values and gradients by contender."""

    low: float
    high: float
    values: Mapping[str, Figures]
    gradients: Mapping[str, Figures]


@dataclass(frozen=True)
class Comparison:
    """Result of ``compare``.

    Attributes:
        formula: the formula's text.
        dtype: the format compared in.
        contenders: names of those that could be compared.
        problems: why others could not, by name.
        kinks: inputs where either side's derivative counts as right, and all between them.
        points: the chosen inputs.
        ranges: the intervals, in order.
        values, gradients: each contender's figures over all of them.
    """

    formula: str
    dtype: str
    contenders: tuple[str, ...]
    problems: Mapping[str, str]
    kinks: tuple[float, ...]
    points: tuple[PointRow, ...]
    ranges: tuple[RangeRow, ...]
    values: Mapping[str, Figures]
    gradients: Mapping[str, Figures]

    def as_dict(self) -> dict[str, Any]:
        """The comparison in plain dicts, lists, strings and numbers; NaN and ±inf as strings."""
        plain = _plain(asdict(self))
        assert isinstance(plain, dict)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
