"""Figures: what is counted of one contender's results in one column, and how counts add up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from symact.errors import AccuracyError, OptionError
from symact.stabilize.formats import Array, Format
from symact.stabilize.score import WRONG, bits_of_error

# Characters of complaints in one message, and of each.
_LONGEST_LINE, _LONGEST_COMPLAINT = 240, 160


@dataclass(frozen=True)
class Figures:
    """How one contender did on one set of inputs; non-finite numbers aside, errors are in ULP.

    Attributes:
        worst_ulp: its largest error among finite results; NaN if it has none.
        worst_at: the input where that happens.
        mean_bits: mean of log2(1 + error in ULP), non-finite results left out.
        correctly_rounded: share of results within half a ULP.
        nan, inf: how many results are NaN or infinite where the truth is a finite number.
        wrong_zero: how many results are zero where the truth is a normal number; in formats that TensorFlow
            flushes to zero, one of at least four times the smallest, for its factors are flushed earlier.
        wrong_sign: how many finite results have the opposite sign of a truth that is a normal number.
        count: how many inputs were judged: those where there is a true value.
        undecided: how many of many inputs were not settled: whether they are correctly rounded, or, where
            the screen could not follow the function, their error; the latter are not in ``count``.
    """

    worst_ulp: float
    worst_at: float
    mean_bits: float
    correctly_rounded: float
    nan: int
    inf: int
    wrong_zero: int
    wrong_sign: int
    count: int
    undecided: int = 0


@dataclass(frozen=True)
class Tally:
    """Counts over some inputs, which add up to those over all of them; see ``Figures``."""

    worst: float = -1.0
    at: float = math.nan
    bits: float = 0.0
    finite: int = 0
    rounded: int = 0
    nan: int = 0
    inf: int = 0
    wrong_zero: int = 0
    wrong_sign: int = 0
    count: int = 0
    undecided: int = 0

    def __add__(self, other: Tally) -> Tally:
        # At a tie the first one's input, so that the order of the parts is all that matters.
        larger = other if other.worst > self.worst else self
        counts = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        return Tally(worst=larger.worst, at=larger.at, **counts)

    def figures(self) -> Figures:
        """The shares and means that the counts amount to."""
        return Figures(
            worst_ulp=self.worst if self.finite else math.nan,
            worst_at=self.at if self.finite else math.nan,
            mean_bits=self.bits / self.finite if self.finite else math.nan,
            correctly_rounded=self.rounded / self.count if self.count else 1.0,
            nan=self.nan,
            inf=self.inf,
            wrong_zero=self.wrong_zero,
            wrong_sign=self.wrong_sign,
            count=self.count,
            undecided=self.undecided,
        )

    def as_dict(self) -> dict[str, Any]:
        """The counts by name."""
        return asdict(self)


_SUMMED = [name for name in Tally.__dataclass_fields__ if name not in ("worst", "at")]


def tally(points: Array, truth: Array, results: Array, errors: Array, fmt: Format) -> Tally:
    """Count ``results`` at ``points``, whose ``errors`` in ULP of ``fmt`` are known already.

    All arrays are float64 of one shape; ``truth`` is NaN where nothing is to be right about.
    """
    judged = ~np.isnan(truth)
    if not judged.all():
        points, truth, results, errors = (a[judged] for a in (points, truth, results, errors))
    finite = np.isfinite(results)
    whole = bool(finite.all())
    ordered = errors if whole else np.where(finite, errors, -1.0)
    worst = int(np.argmax(ordered)) if len(errors) else -1
    normal = (np.abs(truth) >= fmt.min_normal) & (errors > 0)
    bits = bits_of_error(errors if whole else errors[finite])
    return Tally(
        worst=float(ordered[worst]) if len(errors) else -1.0,
        at=float(points[worst]) if len(errors) else math.nan,
        bits=float(bits.sum()),
        finite=len(errors) if whole else int(np.count_nonzero(finite)),
        rounded=int(np.count_nonzero(errors <= 0.5)),
        nan=0 if whole else int(np.count_nonzero(np.isnan(results) & (errors > 0))),
        inf=0 if whole else int(np.count_nonzero(np.isinf(results) & (errors > 0))),
        wrong_zero=int(np.count_nonzero((results == 0) & normal)),
        wrong_sign=int(np.count_nonzero((results * np.sign(truth) < 0) & normal)),
        count=len(errors),
    )


def total(parts: Iterable[Tally]) -> Tally:
    """The counts of all ``parts`` together."""
    result = Tally()
    for part in parts:
        result = result + part
    return result


class Judged(Protocol):
    """What is judged of figures: those of one number an input, and those of vectors alike."""

    @property
    def worst_ulp(self) -> float: ...
    @property
    def nan(self) -> int: ...
    @property
    def inf(self) -> int: ...


def shortfalls(what: str, figures: Judged, max_ulp: float, where: str, truly: str = "") -> Iterator[str]:
    """What there is to complain of in one contender's figures of one column.

    Args:
        what: names the contender and the column.
        figures: of that column.
        max_ulp: the largest error that passes.
        where: the place of the worst error.
        truly: said of the truth where results are not finite.
    """
    if figures.nan or figures.inf:
        yield f"{what}: {figures.nan} NaN and {figures.inf} inf{truly}"
    if figures.worst_ulp >= WRONG / 2:
        yield f"{what}: altogether wrong at {where}"
    elif figures.worst_ulp > max_ulp:
        yield f"{what}: {figures.worst_ulp:.4g} ULP at {where}"


def checked_limit(max_ulp: float) -> float:
    """``max_ulp``, the largest error that passes.

    Raises:
        OptionError: it is negative or NaN, to which no error could be held.
    """
    if not max_ulp >= 0:
        raise OptionError(f"the largest error that passes must be a number of ULP from 0, not {max_ulp!r}")
    return max_ulp


def require_none(complaints: Sequence[str], max_ulp: float) -> None:
    """Raise an AccuracyError that names, in one line, what the ``complaints`` are about, if there are any."""
    if not complaints:
        return
    told = Counter[str]()
    places = []
    for complaint in complaints:
        contender = complaint.partition(", ")[0]
        told[contender] += 1
        places.append(told[contender])
    # Everyone's first complaint first: a line has room for few, and is to name all culprits.
    ordered = [c for _, c in sorted(zip(places, complaints, strict=True), key=lambda pair: pair[0])]
    cut = [c if len(c) <= _LONGEST_COMPLAINT else c[: _LONGEST_COMPLAINT - 1] + "…" for c in ordered]
    shown = cut[:1]
    while len(shown) < len(cut) and sum(map(len, shown)) + len(cut[len(shown)]) <= _LONGEST_LINE:
        shown.append(cut[len(shown)])
    rest = len(ordered) - len(shown)
    more = [f"and {rest} more"] if rest else []
    raise AccuracyError(f"not accurate to {max_ulp:g} ULP: " + "; ".join([*shown, *more]))
