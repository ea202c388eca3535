"""Roundoff: how far a graph may be off at worst, to first order, without luck.

Errors measured at some hundred points are a matter of luck: among millions of inputs there are worse ones.
To first order the error of a result is the sum of the errors of all operations, each multiplied by the
slope of the result by that intermediate (E. Darulova, A. Izycheva et al., "Daisy", TACAS 2018; A. Solovyev
et al., "Rigorous estimation of floating-point round-off errors with symbolic Taylor expansions", TOPLAS
2018). All of them together hardly ever are as large as their sum; what is met among many inputs is some
standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from symact.graph import Node, walk
from symact.numbers import as_float
from symact.ops import OPS, fused_kernel_ulp
from symact.stabilize.formats import Array, Format

# How many standard deviations of the sum of all errors are met among some million inputs.
_DEVIATIONS = 3.2
# Standard deviation of rounding, in ULP.
_ROUNDING = 12**-0.5
# Slopes are differences over this share of an argument, in float64.
_STEP = 2.0**-20
# An operation is exact where it is so at this many neighbouring points on either side.
_NEIGHBOURS = 3


@dataclass(frozen=True, eq=False)
class Local:
    """A node at points: its value computed without rounding, the bound of its own error and its standard
    deviation, and its slope by each argument."""

    exact: Array
    error: Array
    deviation: Array
    slopes: tuple[Array, ...]


@dataclass
class Roundoff:
    """Estimates at fixed points of a narrow format; what nodes are there is kept, since candidates share most.

    Attributes:
        values: the input and the parameters.
        truth: the exact result.
        simulated: what every node is in the format.
    """

    fmt: Format
    values: dict[str, Array | float]
    truth: Array
    simulated: dict[Node, Array]
    local: dict[Node, Local] = field(default_factory=dict)

    def at_worst(self, root: Node) -> Array:
        """The error in ULP of ``root`` that is to be expected in the neighbourhood of each point.

        ``root`` has been simulated.
        """
        order = list(walk([root]))
        shape = self.truth.shape
        with np.errstate(all="ignore"):
            for current in order:
                if current not in self.local:
                    self.local[current] = self._local(current, shape)
            weights = {root: np.ones(shape)}
            total, squares = np.zeros(shape), np.zeros(shape)
            for current in reversed(order):
                here, weight = self.local[current], weights.pop(current)
                if current is not root:
                    total += np.nan_to_num(np.abs(weight) * here.error, nan=0.0, posinf=0.0)
                    squares += np.nan_to_num(np.square(weight * here.deviation), nan=0.0, posinf=0.0)
                for arg, slope in zip(current.args, here.slopes, strict=True):
                    known = weights.get(arg)
                    weights[arg] = weight * slope if known is None else known + weight * slope
            met = np.minimum(total, _DEVIATIONS * np.sqrt(squares))
            off = np.abs(self.local[root].exact - self.truth)
            result = (off + self.local[root].error + met) / self.fmt.ulp(self.truth)
        return np.nan_to_num(result, nan=0.0, posinf=0.0)

    def _local(self, current: Node, shape: tuple[int, ...]) -> Local:
        nothing = np.zeros(shape)
        if current.op == "var":
            return Local(np.broadcast_to(self.values[str(current.name)], shape), nothing, nothing, ())
        if current.op == "const":
            assert current.value is not None
            return Local(np.full(shape, as_float(current.value)), nothing, nothing, ())
        if current.op in ("true", "false"):
            return Local(np.full(shape, current.op == "true"), nothing, nothing, ())
        op = OPS[current.op]
        exact = np.broadcast_to(op.numpy(*(self.local[arg].exact for arg in current.args)), shape)
        if op.boolean:
            return Local(exact, nothing, nothing, tuple(nothing for _ in current.args))
        args = [np.broadcast_to(self.simulated[arg], shape) for arg in current.args]
        slopes = tuple(
            np.nan_to_num(_slope(current, args, i), nan=0.0, posinf=0.0, neginf=0.0) for i in range(op.arity)
        )
        if op.exact or op.name == "where":
            return Local(exact, nothing, nothing, slopes)
        unrounded = op.numpy(*args)
        inexact = _nearby(self.fmt.round(unrounded) != unrounded)
        unit = self.fmt.ulp(self.simulated[current]) * inexact
        worst, rms = fused_kernel_ulp(op.name, self.fmt.name, args[0])
        return Local(exact, np.maximum(worst, 0.5) * unit, np.maximum(rms, _ROUNDING) * unit, slopes)


def _slope(current: Node, args: list[Array], by: int) -> Array:
    op, arg = OPS[current.op], args[by]
    if op.name == "where":
        condition = args[0] != 0
        return np.zeros(arg.shape) if by == 0 else np.where(condition if by == 1 else ~condition, 1.0, 0.0)
    if current.args[by].op == "const":
        return np.zeros(arg.shape)
    step = np.abs(arg) * _STEP
    before, after = ([*args[:by], arg + way * step, *args[by + 1 :]] for way in (-1, 1))
    return np.asarray((op.numpy(*after) - op.numpy(*before)) / (2 * step))


def _nearby(flags: Array) -> Array:
    width = 2 * _NEIGHBOURS + 1
    padded = np.pad(np.asarray(flags, bool), _NEIGHBOURS, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, width).any(axis=-1))
