"""Every input of float16 and bfloat16: twelve textbook activations and their gradients, as emitted.

Prints the worst error in ULP, the share of results that are correctly rounded, and how many are wrong
altogether (a NaN or an infinity where the truth is a number, or a number where it is not).

bfloat16 has float32's range, and TensorFlow flushes float32's subnormal numbers to zero: there inputs
and truths below the normal range are left out. float16's subnormal numbers count.

Run: python tests/benchmarks/half_precision.py   (a few minutes; `--help` for options)
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass

import ml_dtypes
import numpy as np
from textbook import FORMULAS, Case, cases, progress, rounded_once

from symact.stabilize.formats import Array, Format

HALVES = (
    Format("float16", np.float16, np.int16, 11, -14, 65504.0),
    Format("bfloat16", ml_dtypes.bfloat16, np.int16, 8, -126, float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)),
)
MOST_ULP, FEWEST_ROUNDED = 1.0, 99.5


@dataclass(frozen=True)
class Row:
    """One function in one format: the worst error, where, and percent correctly rounded."""

    function: str
    format: str
    ulp: float
    where: float
    rounded: float
    wrong: int
    wrong_at: float | None
    inputs: int


def inputs(fmt: Format) -> Array:
    """All 65,536 numbers of ``fmt``, infinities and NaN included; without bfloat16's subnormal ones."""
    numbers = np.arange(2**16, dtype=np.uint16).view(fmt.dtype).astype(np.float64)
    subnormal = (numbers != 0) & (np.abs(numbers) < fmt.min_normal)
    return numbers[~subnormal] if fmt.name == "bfloat16" else numbers


def measure(case: Case, fmt: Format) -> Row:
    x = inputs(fmt)
    distinct, places = np.unique(x, return_inverse=True)
    high, low = (part[places] for part in case.truth.at(distinct))
    results = case.results(x, fmt.name)
    nearest = rounded_once(high, low, fmt)
    if fmt.name == "bfloat16":
        kept = ~((high != 0) & (np.abs(high) < fmt.min_normal))
        x, high, low, results, nearest = (part[kept] for part in (x, high, low, results, nearest))
    right = (results == nearest) | (np.isnan(results) & np.isnan(nearest))
    wrong = (np.isfinite(results) != np.isfinite(nearest)) & ~_next_to_infinity(results, nearest, fmt)
    with np.errstate(invalid="ignore"):
        ulps = np.abs((results - high) - low) / fmt.ulp(high)
    # One of two neighbours is infinite, or both are right about an infinity or a NaN.
    ulps = np.where(np.isfinite(ulps), ulps, np.where(wrong | right, 0.0, 1.0))
    worst = int(np.argmax(ulps))
    at = float(x[np.flatnonzero(wrong)[0]]) if wrong.any() else None
    share = 100.0 * float(right.mean())
    return Row(case.name, fmt.name, float(ulps[worst]), float(x[worst]), share, int(wrong.sum()), at, len(x))


def _next_to_infinity(results: Array, nearest: Array, fmt: Format) -> Array:
    """Where one of the two is infinite and the other the largest number: one rounding apart."""
    with np.errstate(invalid="ignore"):
        return (np.maximum(np.abs(results), np.abs(nearest)) == np.inf) & (
            np.minimum(np.abs(results), np.abs(nearest)) == fmt.max
        )


def printed(rows: list[Row]) -> str:
    """The rows as a table, a `*` after each figure that misses its bar."""
    lines = [f"{'':14}{'format':>9}{'ULP':>9}  {'at':>12}{'rounded':>10}  wrong"]
    for row in rows:
        stars = ["*" if over else " " for over in (row.ulp > MOST_ULP, row.rounded < FEWEST_ROUNDED)]
        wrong = f"{row.wrong} at {row.wrong_at:g}" if row.wrong_at is not None else "0"
        lines.append(
            f"{row.function:14}{row.format:>9}{row.ulp:9.3f}{stars[0]} {row.where:12.5g}"
            f"{row.rounded:9.3f}{stars[1]}  {wrong}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"of {', '.join(FORMULAS)}")
    parser.add_argument("--json", action="store_true", help="print data instead of a table")
    options = parser.parse_args()
    rows = []
    for case in cases(options.functions):
        for fmt in HALVES:
            progress(f"{case.name} {fmt.name}")
            rows.append(measure(case, fmt))
    progress("")
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else printed(rows))


if __name__ == "__main__":
    main()
