"""Herbie's measure of twelve textbook activations and their gradients, as emitted.

Bits of error are log2(|ord(result) - ord(truth)| + 1), where ord numbers the floats in their order
and truth is the exact value rounded once. Every point counts: a NaN or a wrong infinity counts in
full. Only where the truth is subnormal is a result of zero right as well, since TensorFlow flushes
such numbers; `--subnormal` counts those too.

P. Panchekha, A. Sanchez-Stern, J. R. Wilcox, Z. Tatlock, "Automatically Improving Accuracy for
Floating Point Expressions", PLDI 2015.

Run: python tests/benchmarks/herbie_bits.py   (a few minutes; `--help` for options)
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass

import numpy as np
from textbook import FORMULAS, cases, progress, rounded_once

from symact.stabilize.formats import FORMATS, Array, Format

RANGES = {"1e-6..100": (1e-6, 100.0), "all": (0.0, np.inf)}
MOST_MEAN = {"1e-6..100": 0.5, "all": 0.15}
MOST = 3.2


@dataclass(frozen=True)
class Row:
    """Bits of error of one function over one range in one format."""

    function: str
    format: str
    range: str
    mean: float
    max: float
    where: float


def points(fmt: Format, magnitudes: tuple[float, float], count: int, seed: int) -> Array:
    """Normal numbers of ``fmt`` of both signs, uniform over the ordinals, one in each of equal strata."""
    low, high = max(magnitudes[0], fmt.min_normal), min(magnitudes[1], fmt.max)
    first, last = fmt.ordinal([low, high]).tolist()
    random = np.random.default_rng(seed)
    strata = np.linspace(first, last, count // 2 + 1)
    sides = [strata[:-1] + random.uniform(0, 1, count // 2) * np.diff(strata) for _ in range(2)]
    positive, negative = (fmt.number(np.clip(side, first, last).astype(np.int64)) for side in sides)
    return np.concatenate([positive, -negative])


def bits(results: Array, truth: Array, fmt: Format, subnormal: bool) -> Array:
    """Herbie's bits of error of ``results`` against ``truth``, both numbers of ``fmt``."""
    ours, exact = fmt.ordinal(results), fmt.ordinal(truth)
    far = np.abs(ours.astype(float) - exact.astype(float))
    with np.errstate(over="ignore"):
        distance = np.where(far < 2.0**60, np.abs(ours - exact), far)
    found = np.where(np.isnan(results), 8.0 * np.dtype(fmt.dtype).itemsize, np.log2(distance + 1.0))
    flushed = (np.abs(truth) < fmt.min_normal) & (np.abs(results) <= fmt.min_normal) & (not subnormal)
    return np.where(np.isnan(truth) | flushed, 0.0, found)


def measure(names: list[str] | None, count: int, seed: int, jit: bool | str, subnormal: bool) -> list[Row]:
    rows = []
    for case in cases(names, jit_compile=jit):
        for fmt in FORMATS.values():
            for name, magnitudes in RANGES.items():
                progress(f"{case.name} {fmt.name} {name}")
                x = points(fmt, magnitudes, count, seed)
                truth = rounded_once(*case.truth.at(x), fmt)
                found = bits(case.results(x, fmt.name), truth, fmt, subnormal)
                worst = int(np.argmax(found))
                rows.append(
                    Row(case.name, fmt.name, name, float(found.mean()), float(found[worst]), float(x[worst]))
                )
    return rows


def printed(rows: list[Row]) -> str:
    """The rows as a table, a `*` after each figure over its bar, and the overall figures below."""
    columns = [(fmt, name) for fmt in FORMATS for name in RANGES]
    lines = [" " * 14 + "".join(f"{fmt + ' ' + name:>28}" for fmt, name in columns)]
    lines += [" " * 14 + f"{'mean    max  at':>28}" * len(columns)]
    by = {(row.function, row.format, row.range): row for row in rows}
    for function in dict.fromkeys(row.function for row in rows):
        cells = [by[function, *column] for column in columns]
        lines.append(
            f"{function:14}"
            + "".join(_cell(row.mean, row.max, f"{row.where:.4g}", row.range) for row in cells)
        )
    overall = f"{'overall':14}"
    for column in columns:
        chosen = [row for row in rows if (row.format, row.range) == column]
        mean = float(np.mean([row.mean for row in chosen]))
        overall += _cell(mean, max(row.max for row in chosen), "", column[1])
    return "\n".join([*lines, overall])


def _cell(mean: float, most: float, where: str, range_name: str) -> str:
    stars = ["*" if over else " " for over in (mean > MOST_MEAN[range_name], most > MOST)]
    return f"{mean:8.3f}{stars[0]}{most:6.2f}{stars[1]} {where:>11}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"of {', '.join(FORMULAS)}")
    parser.add_argument("--points", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jit", choices=("auto", "yes", "no"), default="auto", help="jit_compile")
    parser.add_argument("--subnormal", action="store_true", help="count flushed results in full")
    parser.add_argument("--json", action="store_true", help="print data instead of a table")
    options = parser.parse_args()
    jit: bool | str = {"auto": "auto", "yes": True, "no": False}[options.jit]
    rows = measure(options.functions, options.points, options.seed, jit, options.subnormal)
    progress("")
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else printed(rows))


if __name__ == "__main__":
    main()
