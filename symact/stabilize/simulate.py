"""Simulate: what a graph would compute in a format, each kernel as inaccurate as it was measured.

TensorFlow is not run. Every operation is evaluated in float64, disturbed by up to the kernel's
worst error as measured at such arguments (kernels.toml), rounded to the format, and flushed to zero
below the normal range. The disturbance is pseudo-random but fixed, so that a score is the same in
every run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from symact.graph import Node, steps
from symact.numbers import as_float
from symact.ops import OPS, fused_kernel_ulp, kernel_time, kernel_ulp
from symact.stabilize.formats import Array, Format

# Among more points than this a kernel's worst errors are as rare as they were when XLA's was measured. Among
# a few hundred they would then hardly be met at all: any error up to the worst is as likely as any other.
_MANY = 8192
# Nanoseconds for an element to be read and written.
_PASS = 2.0
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
        values: numbers of ``fmt`` for every variable: arrays of one shape, or floats; and of parameters
            a column each, for a row of results to every one of its numbers.
        fmt: the format of every intermediate result, or else of the result alone (``fmt.working``).
        memo: results of nodes at the same values, kept between calls; extended here.
    """
    done: dict[Node, Array] = {} if memo is None else memo
    working = fmt.working or fmt
    shape = np.broadcast_shapes(*(np.shape(v) for v in values.values()))
    with np.errstate(all="ignore"):
        for current in steps(root):
            if current not in done:
                done[current] = _apply(current, done, values, working, shape[-1:])
        result = done[root] if working is fmt else fmt.round(done[root])
        return np.broadcast_to(result, shape)


def _apply(
    current: Node,
    done: dict[Node, Array],
    values: Mapping[str, Array | float],
    fmt: Format,
    shape: tuple[int, ...],
) -> Array:
    if not current.args:
        return leaf(current, values, fmt)
    op = OPS[current.op]
    result = op.numpy(*(done[arg] for arg in current.args))
    if op.boolean or op.name == "where":
        return np.asarray(result)
    if not op.exact:
        result = result + kernel_error(op.name, result, done[current.args[0]], fmt, shape)
    return fmt.nearest(result)


def leaf(current: Node, values: Mapping[str, Array | float], fmt: Format) -> Array:
    """The value of a variable or of a constant."""
    if current.op == "var":
        return np.asarray(values[str(current.name)], np.float64)
    if current.op == "const":
        assert current.value is not None
        return fmt.round(np.asarray(as_float(current.value)))
    return np.asarray(current.op == "true")


def kernel_error(
    name: str, result: Array, argument: Array, fmt: Format, shape: tuple[int, ...]
) -> Array | float:
    """What the kernel adds to ``result`` before it is rounded."""
    count = math.prod(shape)
    if count > _MANY:
        worst, rms = fused_kernel_ulp(name, fmt.name, argument)
    else:
        worst, rms = kernel_ulp(name, fmt.name, argument), None
    if worst <= 0.5 if isinstance(worst, float) else (worst <= 0.5).all():
        return 0.0
    beyond_rounding = np.maximum(worst - 0.5, 0.0)
    # Numbered by op name, so that a graph's score does not depend on what was scored before.
    noise = _disturbance(sum(map(ord, name)), count).reshape(shape)
    if rms is not None:
        # To the power that gives it the variance which is left without rounding.
        variance = np.maximum(np.square(rms) - _ROUNDING, 1e-4)
        power = (np.square(beyond_rounding) / variance - 1) / 2
        noise = np.sign(noise) * np.abs(noise) ** np.maximum(power, 1.0)
    # Next to the smallest normal number the disturbance itself would flush results to zero.
    disturbed = np.abs(result) > 8 * fmt.min_normal
    return np.asarray(noise * beyond_rounding * fmt.ulp(result) * disturbed)


@lru_cache(maxsize=4096)
def cost(root: Node) -> float:
    """Relative cost of one element of ``root``; shared subexpressions count once."""
    return sum(map(cost_of, steps(root)))


def cost_of(current: Node) -> float:
    """Relative cost of one operation; a variable or constant costs nothing."""
    return OPS[current.op].cost + 0.5 if current.op in OPS else 0.0


def running_time(root: Node, fmt: Format) -> float:
    """Nanoseconds that one element of ``root`` takes on one processor, fused, with the pass over memory."""
    working = fmt.working or fmt
    return _PASS + sum(kernel_time(n.op, working.name) for n in steps(root) if n.op in OPS)
