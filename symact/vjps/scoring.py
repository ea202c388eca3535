"""Scoring: how far vector–Jacobian products are from the true ones, and what is counted of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from symact.frozen import Result
from symact.stabilize.formats import Array, Format
from symact.stabilize.score import WRONG, bits_of_error
from symact.vjps.truth import FLUSHED_BELOW, Row

Mask = npt.NDArray[np.bool_]

UNIT = (
    "ULP of the largest element of the true result, or where a product's terms cancel, of the largest sum of "
    "their sizes; where all of it is 0, of what the whole Jacobian's sizes add up to for one element"
)
# Elements of a vector that a line of text shows; data has them all.
_MOST_SHOWN = 8


@dataclass(frozen=True)
class Place(Result):
    """Where an error happens: the kind of the point, the inputs' elements, and the cotangent."""

    kind: str
    inputs: Mapping[str, tuple[float, ...]]
    cotangent: tuple[float, ...]

    def __str__(self) -> str:
        point = ", ".join(f"{name} = {_listed(values)}" for name, values in self.inputs.items())
        if len(self.cotangent) <= 1:
            return point
        return f"{point}, cotangent {_listed(self.cotangent)}"


def _listed(values: Sequence[float]) -> str:
    if len(values) == 1:
        return repr(values[0])
    shown = [f"{value:.9g}" for value in values[:_MOST_SHOWN]]
    more = [f"… {len(values)} in all"] if len(values) > _MOST_SHOWN else []
    return f"[{', '.join(shown + more)}]"


@dataclass(frozen=True)
class VjpFigures:
    """How one contender did on one set of results; one result is one value or one product, with all
    its elements.

    Attributes:
        worst_ulp: the largest error among finite results, in ``UNIT``; NaN if there are none.
        worst_at: where that happens; None if there are none.
        worst_of_jacobian: the largest error in ULP of what the whole Jacobian's sizes add up to for one
            element, times the largest cotangent: small also where only one result's gradient, which is
            tiny beside others', has lost its digits.
        mean_bits: mean of log2(1 + error in ULP), results that are not finite left out.
        nan, inf: how many results have a NaN or an infinity where the truth is finite.
        wrong_zero: how many results are 0 in every element where the truth is a normal number.
        count: how many results were judged: those that have a true value in the format.
    """

    worst_ulp: float
    worst_at: Place | None
    worst_of_jacobian: float
    mean_bits: float
    nan: int
    inf: int
    wrong_zero: int
    count: int


@dataclass(frozen=True)
class Scored:
    """The results of one contender in one column, row by row.

    Attributes:
        errors: in ``UNIT``.
        of_jacobian: the same, in ULP of what the whole Jacobian's sizes add up to.
        judged: where there is a true value.
        nan, inf, zero: what is counted in ``VjpFigures``.
    """

    errors: Array
    of_jacobian: Array
    judged: Mask
    nan: Mask
    inf: Mask
    zero: Mask

    def figures(self, rows: Mask, places: Sequence[Place]) -> VjpFigures:
        """Counts over those of the ``rows`` that are judged."""
        finite = rows & self.judged & ~self.nan & ~self.inf
        known = bool(finite.any())
        worst = int(np.argmax(np.where(finite, self.errors, -1.0))) if known else -1
        return VjpFigures(
            worst_ulp=float(self.errors[worst]) if known else math.nan,
            worst_at=places[worst] if known else None,
            worst_of_jacobian=float(self.of_jacobian[finite].max()) if known else math.nan,
            mean_bits=float(bits_of_error(self.errors[finite]).mean()) if known else math.nan,
            nan=int(np.count_nonzero(rows & self.judged & self.nan)),
            inf=int(np.count_nonzero(rows & self.judged & self.inf)),
            wrong_zero=int(np.count_nonzero(rows & self.judged & self.zero)),
            count=int(np.count_nonzero(rows & self.judged)),
        )


def joined(parts: Sequence[Scored]) -> Scored:
    """All rows of ``parts``, in their order."""
    return Scored(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("errors", "of_jacobian", "judged", "nan", "inf", "zero")
        )
    )


def score(truth: Sequence[Row], results: Array, fmt: Format) -> Scored:
    """Score ``results``, an array of (rows, elements), against the true rows."""
    low, high, rest = (np.array([getattr(row, n) for row in truth]) for n in ("low", "high", "rest"))
    scale = np.array([row.scale for row in truth])
    largest = np.array([row.largest for row in truth])
    bounded = np.isfinite(low) & np.isfinite(high)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(low), np.abs(high)).max(axis=1, where=bounded, initial=0.0)
        judged = ~np.isnan(low).any(axis=1) & (np.maximum(size, scale) <= fmt.max)
        away = np.maximum(np.maximum((low - results) + rest, (results - high) - rest), 0.0)
        if not fmt.gradual:
            # What TensorFlow takes for 0, or what a factor of it was taken for.
            floor = FLUSHED_BELOW * fmt.min_normal
            away[(scale < floor)[:, None] & (np.abs(results) <= floor)] = 0.0
        away = np.where(bounded, away, 0.0).max(axis=1)
        errors, of_jacobian = (np.minimum(away / fmt.ulp(s), WRONG / 2) for s in (scale, largest))
    nan = np.asarray(np.isnan(results).any(axis=1))
    inf = ~nan & (np.isinf(results) & bounded).any(axis=1)
    normal = np.asarray(((low > 0) | (high < 0)).any(axis=1) & (size >= fmt.min_normal) & bounded.all(axis=1))
    zero = normal & ~results.any(axis=1) & (errors > 0)
    return Scored(errors, of_jacobian, judged, nan, inf, zero)
