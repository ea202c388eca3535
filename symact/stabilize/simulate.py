"""Simulate: what a graph would compute in a format, each kernel as inaccurate as it was measured.

TensorFlow is not run. Every operation is evaluated in float64, disturbed by up to the kernel's
worst error as measured at such arguments (kernels.toml), rounded to the format, and flushed to zero
below the normal range. The disturbance is pseudo-random but fixed, so that a score is the same in
every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from symact.graph import Node, walk
from symact.numbers import as_float
from symact.ops import OPS, kernel_rms, kernel_ulp
from symact.stabilize.formats import Array, Format


# Among more points than this a kernel's worst errors are as rare as they were when measured. Among a few
# hundred they would then hardly be met at all, and any error up to the worst is as likely as any other.
_MANY = 8192
# Variance of rounding, in ULP².
_ROUNDING = 1 / 12


@lru_cache(maxsize=64)
def _disturbance(seed: int, count: int) -> Array:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, count)


def simulate(
    root: Node,
    values: Mapping[str, Array | float],
    fmt: Format,
    memo: dict[Node, Array] | None = None,
) -> Array:
    """The result of ``root`` at ``values``, computed as TensorFlow would in ``fmt``.

    Args:
        root: a graph.
        values: numbers of ``fmt`` for every variable: arrays of one shape, or floats.
        fmt: the format of every intermediate result, or else of the result alone (``fmt.working``).
        memo: results of nodes at the same values, kept between calls; extended here.
    """
    done: dict[Node, Array] = {} if memo is None else memo
    working = fmt.working or fmt
    shape = np.broadcast_shapes(*(np.shape(v) for v in values.values()))
    with np.errstate(all="ignore"):
        for current in walk([root]):
            if current not in done:
                done[current] = _apply(current, done, values, working, shape)
        result = done[root] if working is fmt else fmt.round(done[root])
        return np.broadcast_to(result, shape)


def _apply(
    current: Node,
    done: dict[Node, Array],
    values: Mapping[str, Array | float],
    fmt: Format,
    shape: tuple[int, ...],
) -> Array:
    if current.op == "var":
        return np.asarray(values[str(current.name)], np.float64)
    if current.op == "const":
        assert current.value is not None
        return fmt.round(np.asarray(as_float(current.value)))
    if current.op in ("true", "false"):
        return np.asarray(current.op == "true")
    op = OPS[current.op]
    result = op.numpy(*(done[arg] for arg in current.args))
    if op.boolean or op.name == "where":
        return np.asarray(result)
    beyond_rounding = 0.0 if op.exact else kernel_ulp(op.name, fmt.name, done[current.args[0]]) - 0.5
    if np.any(beyond_rounding > 0.0):
        # Numbered by op name, so that a graph's score does not depend on what was scored before.
        noise = _disturbance(sum(map(ord, op.name)), int(np.prod(shape, dtype=int))).reshape(shape)
        if noise.size > _MANY:
            rms = kernel_rms(op.name, fmt.name, done[current.args[0]])
            noise = _as_rare(noise, beyond_rounding, rms)
        # Next to the smallest normal number the disturbance itself would flush results to zero.
        disturbed = np.abs(result) > 8 * fmt.min_normal
        result = result + noise * np.maximum(beyond_rounding, 0.0) * fmt.ulp(result) * disturbed
    return fmt.round(result)


def _as_rare(noise: Array, worst: Array | float, rms: Array | float) -> Array:
    """Uniform ``noise`` to the power that gives it the variance which is left of ``rms`` without rounding."""
    variance = np.maximum(np.square(rms) - _ROUNDING, 1e-4) / np.maximum(np.square(worst), 1e-12)
    power = np.maximum((1 / variance - 1) / 2, 1.0)
    return np.asarray(np.sign(noise) * np.abs(noise) ** power)


def cost(root: Node) -> float:
    """Relative cost of one element of ``root``; shared subexpressions count once."""
    return sum(OPS[n.op].cost + 0.5 for n in walk([root]) if n.op in OPS)
