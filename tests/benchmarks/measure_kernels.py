"""Measures TensorFlow's own kernels and writes what it finds to symact/kernels.toml.

For every op of the table that rounds, float32 and float64, eager and XLA: the worst error in ULP over
the normal range, at points uniform over the ordinals and on dense intervals about 0. The reference for
float32 is NumPy's float64 function, with Arb at the worst points; for float64 it is Arb everywhere.
Besides, what an element takes in XLA, beyond what a pass over memory does.

Run: python tests/benchmarks/measure_kernels.py   (about three minutes; `--help` for options)
"""

from __future__ import annotations

import argparse
import datetime
import math
import platform
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from flint import arb, ctx

from symact.ops import OPS, Op
from symact.stabilize.formats import FLOAT64, FORMATS, Array, Format
from symact.stabilize.sampling import in_domain, sample
from symact.stabilize.score import ulp_error

TARGET = Path(__file__).parents[2] / "symact" / "kernels.toml"
COUNTS = {"float32": 200_000, "float64": 30_000}
DOMAINS = {
    "sqrt": (0.0, math.inf),
    "log": (0.0, math.inf),
    "log1p": (-1.0, math.inf),
    "acosh": (1.0, math.inf),
    "atanh": (-1.0, 1.0),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
}
# Where a kernel's error may change; neighbouring intervals are joined where it does not.
_EDGES = (
    1e-4,
    0.01,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    1.5,
    2,
    3,
    4,
    6,
    8,
    16,
    32,
    64,
    128,
    256,
    512,
    1e3,
    1e4,
    1e6,
    1e9,
    1e15,
)
# Intervals whose errors differ by less than this factor, in XLA and altogether, or are both below one ULP,
# are one.
_ALIKE = 1.4
_WRONG = 1e3
_FEWEST_POINTS = 60
_DECIDED_BY_ARB = 200
_EXPONENTS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.5, 2.0, 2.5, 3.0, 7.0)
_LARGEST_EXPONENT = 16.0
_ELEMENTS, _TURNS = 2**18, 25
# Arguments at which time is taken, as far as they lie in the domain.
_ORDINARY = (-3.0, 3.0)


@dataclass(frozen=True)
class Row:
    """The worst errors in ULP of one kernel at arguments from ``low`` to ``high``, and the root of the mean
    of its squared errors in XLA."""

    low: float
    high: float
    eager: float
    xla: float
    worst: float
    rms: float
    where: float


def kernel(op: Op):
    """The TensorFlow function of ``op``'s spelling in emitted modules."""
    names = [f"x{i}" for i in range(op.arity)]
    return eval(f"lambda {', '.join(names)}: {op.tensorflow.format(*names)}", {"tf": tf})


def arguments(op: Op, fmt: Format, count: int, seed: int) -> list[Array]:
    """Points for every argument of ``op``, normal numbers of ``fmt`` (and 0); the first are sorted."""
    domain = DOMAINS.get(op.name, (-math.inf, math.inf))
    if op.name == "pow":
        return _powers(fmt, count, seed)
    random = np.random.default_rng(seed + 1)
    # Dense also where parts of a kernel's computation leave the format's range.
    limits = np.array([2 * fmt.min_normal, math.log(fmt.max), math.sqrt(fmt.max)])
    near = limits[:, None] * np.exp2(random.uniform(-1, 1, (3, count // 40)))
    near = np.concatenate([near.ravel(), math.log(fmt.max) + random.uniform(-2, 2, count // 20)])
    first = sample(fmt, domain, count, seed, around=[0.0, 1.0, -1.0])
    first = np.unique(fmt.round(np.concatenate([first, in_domain(np.append(near, -near), domain)])))
    return [first, *(random.permutation(first) for _ in range(op.arity - 1))]


def _powers(fmt: Format, count: int, seed: int) -> list[Array]:
    """Bases above 0, with exponents such as formulas have that keep the power within the range."""
    base = sample(fmt, (0.0, math.inf), count, seed)
    random = np.random.default_rng(seed)
    with np.errstate(divide="ignore"):
        most = np.minimum(math.log(fmt.max) / np.abs(np.log(base)), _LARGEST_EXPONENT)
    simple = random.choice(_EXPONENTS, len(base))
    use_simple = (random.uniform(0, 1, len(base)) < 0.5) & (np.abs(simple) <= most)
    return [base, np.where(use_simple, simple, fmt.round(most * random.uniform(-1, 1, len(base))))]


def exact(op: Op, points: list[Array]) -> tuple[Array, Array]:
    """The values by Arb as unevaluated sums of two floats; NaN where there is none."""
    high, low = np.empty(len(points[0])), np.zeros(len(points[0]))
    before = ctx.prec
    for i, values in enumerate(zip(*(p.tolist() for p in points), strict=True)):
        high[i] = math.nan
        for ctx.prec in (128, 512, 2048):
            ball = op.arb(*map(arb, values))
            if ball.is_finite() and (ball.rel_accuracy_bits() >= 100 or ball.is_zero()):
                high[i] = float(ball.mid())
                low[i] = float(ball.mid() - arb(high[i])) if math.isfinite(high[i]) else 0.0
                break
            if not ball.is_finite() and ctx.prec == 512:
                break
    ctx.prec = before
    return high, low


def errors(op: Op, fmt: Format, points: list[Array]) -> dict[str, Array]:
    """Errors in ULP at ``points`` of the eager and the XLA kernel, the latter alone and, worse, fused."""
    alone, fused = (_errors(op, fmt, points, with_others) for with_others in (False, True))
    return {"eager": alone["eager"], "xla": np.maximum(alone["xla"], fused["xla"])}


def _errors(op: Op, fmt: Format, points: list[Array], with_others: bool) -> dict[str, Array]:
    function = kernel(op)
    tensors = [tf.constant(p.astype(fmt.dtype)) for p in points]
    one = tf.constant(1.0, fmt.dtype)

    def compiled(one, *tensors):
        # A factor that is 1, which XLA does not know: the op is compiled together with its neighbours.
        return function(*(t * one for t in tensors)) * one if with_others else function(*tensors)

    results = {
        "eager": function(*tensors).numpy().astype(np.float64),
        "xla": tf.function(compiled, jit_compile=True)(one, *tensors).numpy().astype(np.float64),
    }
    if fmt is FLOAT64:
        truth, rest = exact(op, points)
        return {mode: ulp_error(result, truth, rest, fmt) for mode, result in results.items()}
    with np.errstate(all="ignore"):
        reference = np.asarray(op.numpy(*points), np.float64)
    found = {mode: ulp_error(result, reference, np.zeros(1), fmt) for mode, result in results.items()}
    for mode, error in found.items():
        worst = np.argsort(error)[-_DECIDED_BY_ARB:]
        error[worst] = ulp_error(results[mode][worst], *exact(op, [p[worst] for p in points]), fmt)
    return found


def rows(points: Array, found: dict[str, Array], fmt: Format) -> list[Row]:
    """Intervals of the line with the worst errors in each: as few as tell them apart."""
    limits = (4 * fmt.min_normal, math.log(fmt.max) - 1, math.log(fmt.max), math.sqrt(fmt.max))
    cuts = [0.0, *(sign * edge for sign in (-1, 1) for edge in (*_EDGES, *limits))]
    parts = [_row(-math.inf, math.inf, points, found)]
    for cut in sorted(cuts):
        last = parts[-1]
        below, above = ((points >= a) & (points <= b) for a, b in ((last.low, cut), (cut, math.inf)))
        # Too few points would not tell an interval from its neighbours.
        if min(below.sum(), above.sum()) >= _FEWEST_POINTS:
            halves = ((last.low, cut, below), (cut, math.inf, above))
            parts[-1:] = [_row(a, b, points[i], {m: e[i] for m, e in found.items()}) for a, b, i in halves]
    while len(parts) > 1:
        ratios = [_ratio(a, b) for a, b in pairwise(parts)]
        closest = int(np.argmin(ratios))
        if ratios[closest] > _ALIKE:
            break
        parts[closest : closest + 2] = [_joined(*parts[closest : closest + 2])]
    return parts


def _row(low: float, high: float, points: Array, found: dict[str, Array]) -> Row:
    eager, xla = float(found["eager"].max()), float(found["xla"].max())
    worst = int(np.argmax(np.maximum(found["eager"], found["xla"])))
    rms = float(np.sqrt(np.mean(np.square(np.minimum(found["xla"], _WRONG)))))
    return Row(low, high, eager, xla, max(eager, xla), rms, float(points[worst]))


def _joined(a: Row, b: Row) -> Row:
    where = a.where if a.worst >= b.worst else b.where
    return Row(
        a.low,
        b.high,
        max(a.eager, b.eager),
        max(a.xla, b.xla),
        max(a.worst, b.worst),
        max(a.rms, b.rms),
        where,
    )


def _ratio(a: Row, b: Row) -> float:
    ratios = []
    for one, other in ((a.worst, b.worst), (a.xla, b.xla)):
        low, high = sorted((one, other))
        # An error of 0: every result there is ±1, ±inf or flushed to zero, as it should be.
        ratios.append(1.0 if low == 0.0 and high < _WRONG else max(high, 1.0) / max(low, 1.0))
    return max(ratios)


def times(ops: list[Op]) -> dict[str, tuple[float, float]]:
    """Nanoseconds that an element of each op takes in float32 and in float64: the least of many runs."""
    draw = np.random.default_rng(0).uniform(0.0, 1.0, _ELEMENTS)
    calls = {}
    for op in ops:
        low, high = (np.clip(end, *_ORDINARY) for end in DOMAINS.get(op.name, _ORDINARY))
        for dtype in ("float32", "float64"):
            tensor = tf.constant(low + (high - low) * draw, dtype)
            calls[op.name, dtype] = tf.function(_repeated(op), jit_compile=True), tensor
    least = dict.fromkeys(calls, math.inf)
    for turn in range(_TURNS + 1):
        for key, (function, tensor) in calls.items():
            start = time.perf_counter()
            function(tensor).numpy()
            if turn:  # the first one compiles
                least[key] = min(least[key], time.perf_counter() - start)
    beyond = {at: max(taken - least["add", at[1]], 0.0) / 4 / _ELEMENTS * 1e9 for at, taken in least.items()}
    return {op.name: (beyond[op.name, "float32"], beyond[op.name, "float64"]) for op in ops}


def _repeated(op: Op):
    """The op of four arguments, its results summed, so that it takes long beside the pass over memory."""
    function = kernel(op)
    return lambda x: sum(function(*[x * share] * op.arity) for share in (1.0, 0.99, 0.98, 0.97))


def measured_ops() -> list[Op]:
    """The elementwise ops whose kernels can have an error."""
    return [op for op in OPS.values() if op.arb is not None and not op.exact and not op.boolean]


def written(table: dict[str, dict[str, list[Row]]], nanoseconds: dict[str, tuple[float, float]]) -> str:
    """The tables as TOML."""
    lines = [
        "# The worst errors in ULP of TensorFlow's own kernels.",
        "# Written by tests/benchmarks/measure_kernels.py.",
        "# Rows: interval of the first argument, low and high; eager; XLA; the worse of the two; the root",
        "# of the mean of the squared errors in XLA; and where the worst is.",
        f'tensorflow = "{tf.__version__}"',
        f'processor = "{platform.machine()}"',
        f"date = {datetime.date.today()}",
    ]
    for format_name, ops in table.items():
        lines += ["", f"[{format_name}]"]
        for name, parts in ops.items():
            lines += [f"{name} = [", *(f"  '{_cells(row)}'," for row in parts), "]"]
    lines += ["", "# What an element takes in XLA on one processor, float32 and float64.", "[nanoseconds]"]
    lines += [f"{name} = [{one:.2f}, {other:.2f}]" for name, (one, other) in nanoseconds.items()]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> str:
    ulps = (_rounded_up(ulp) for ulp in (row.eager, row.xla, row.worst, row.rms))
    ends = (f"{float(end):>8.6g}" for end in (row.low, row.high))
    return " ".join([*ends, *(f"{ulp:>8.3g}" for ulp in ulps), f"{float(row.where)!r:>24}"])


def _rounded_up(ulp: float) -> float:
    """``ulp`` to two digits, never below it."""
    unit = 10.0 ** (math.floor(math.log10(ulp)) - 1) if ulp > 0 else 1.0
    return float(f"{math.ceil(ulp / unit) * unit:.2g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--op", action="append", help="only this op, printed and not written")
    parser.add_argument("--scale", type=float, default=1.0, help="times the default number of points")
    options = parser.parse_args()
    ops = [op for op in measured_ops() if not options.op or op.name in options.op]
    table: dict[str, dict[str, list[Row]]] = {}
    for name, fmt in FORMATS.items():
        table[name] = {}
        for i, op in enumerate(ops):
            print(f"\r{name} {i + 1}/{len(ops)} {op.name:8}", end="", file=sys.stderr, flush=True)
            points = arguments(op, fmt, int(COUNTS[name] * options.scale), seed=1)
            table[name][op.name] = rows(points[0], errors(op, fmt, points), fmt)
    print("\r" + " " * 40, end="\r", file=sys.stderr)
    if options.op:
        print(written(table, times([OPS["add"], *ops])))
    else:
        TARGET.write_text(written(table, times(ops)))


if __name__ == "__main__":
    main()
