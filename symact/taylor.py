"""Taylor: an expression's Taylor series with ball coefficients, over points and over whole intervals.

The series of a graph at a ball holds, coefficient by coefficient, the Taylor series at every point of the
ball. Taken at an interval, coefficient n bounds the remainder of every series of degree n - 1 within it:
so a polynomial in float64 can stand for the exact function, with a proven error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import sympy as sp
from flint import arb, arb_series, ctx

from symact.convert import to_graph
from symact.graph import Node, walk
from symact.numbers import as_ball
from symact.scaled import SCALED, Scaled, exponential, hyperbolic, multiplied_out
from symact.stabilize.truth import LOGIC
from symact.tails import with_tails

Series = Any  # arb_series, or bool or None for conditions, as in Truth


class NoSeries(Exception):
    """An op of the expression has no series here; its truth must be found point by point."""


@contextlib.contextmanager
def series_arithmetic(length: int, precision: int) -> Iterator[None]:
    """Series are computed to ``length`` coefficients within this: Arb drops what is beyond its own limit."""
    before = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = precision, length
    try:
        yield
    finally:
        ctx.prec, ctx.cap = before


class Taylor:
    """The Taylor series of one expression; the parameters are held fixed.

    Raises:
        NoSeries: the expression has an op that is not in the table below.
    """

    def __init__(self, expression: sp.Expr, name: str, parameters: dict[str, float]) -> None:
        self._steps = list(walk([with_tails(to_graph(expression))]))
        missing = {step.op for step in self._steps} - SERIES.keys() - LOGIC.keys() - _LEAVES
        if missing:
            raise NoSeries(", ".join(sorted(missing)))
        position = {step: i for i, step in enumerate(self._steps)}
        self._arguments = [[position[arg] for arg in step.args] for step in self._steps]
        self._name, self._parameters = name, parameters

    def at(self, center: arb, length: int, precision: int) -> arb_series | Scaled:
        """The first ``length`` coefficients at ``center``; NaN where a branch is undecided over it."""
        values: list[Series] = []
        try:
            with series_arithmetic(length, precision):
                for step, arguments in zip(self._steps, self._arguments, strict=True):
                    if step.op in _LEAVES:
                        values.append(self._leaf(step, center))
                    else:
                        values.append(_applied(step, [values[i] for i in arguments]))
        except (ValueError, ZeroDivisionError):  # a division or a root at a ball that holds zero
            return arb_series([arb.nan()])
        return values[-1]

    def _leaf(self, step: Node, center: arb) -> Series:
        if step.op in ("true", "false"):
            return step.op == "true"
        if step.op == "const":
            return arb_series([as_ball(step.value)])
        if step.name == self._name:
            return arb_series([center, 1])
        return arb_series([arb(self._parameters[str(step.name)])])


def _applied(step: Node, arguments: list[Series]) -> Series:
    if step.op == "where" or not any(isinstance(argument, Scaled) for argument in arguments):
        if step.op == "exp":
            return exponential(step.args[0], arguments[0])
        if step.op in _HYPERBOLIC:
            large = hyperbolic(step.args[0], arguments[0], _HYPERBOLIC[step.op])
            return _FUNCTIONS[step.op](*arguments) if large is None else large
        return _FUNCTIONS[step.op](*arguments)
    kept = SCALED[step.op](*arguments) if step.op in SCALED else None
    return _FUNCTIONS[step.op](*map(multiplied_out, arguments)) if kept is None else kept


_HYPERBOLIC = {"cosh": 1, "sinh": -1}
_LEAVES = {"const", "var", "true", "false"}


def _begun(constant: arb, series: arb_series) -> arb_series:
    """``series`` with its constant term exchanged for a sharper one."""
    return series - series[0] + constant


def _summed_up(constant: arb, slope: arb_series, argument: arb_series) -> arb_series:
    """The series that begins with ``constant`` and whose derivative is ``slope`` along ``argument``."""
    return (slope * argument.derivative()).integral() + constant


def _cosh(s: arb_series) -> arb_series:
    return _begun(s[0].cosh(), (s.exp() + (-s).exp()) / 2)


def _tanh_slope(s: arb_series) -> arb_series:
    """1/cosh², by which tanh is told apart from ±1 in its tails."""
    if not s[0].abs_lower() > 8:
        return 1 / (_cosh(s) * _cosh(s))
    e = (-2 * s if s[0] > 0 else 2 * s).exp()
    return 4 * e / ((1 + e) * (1 + e))


def _unless(sign: bool | None, positive: arb_series, negative: arb_series) -> arb_series:
    return arb_series([arb.nan()]) if sign is None else positive if sign else negative


def _positive(s: arb_series) -> bool | None:
    return True if s[0] > 0 else False if s[0] < 0 else None


def _step(function: Callable[[arb], arb]) -> Callable[[arb_series], arb_series]:
    """A function that is constant between jumps; NaN where the argument's ball may hold a jump."""

    def apply(s: arb_series) -> arb_series:
        value = function(s[0])
        return arb_series([value if value.unique_fmpz() is not None else arb.nan()])

    return apply


def _power(base: arb_series, exponent: arb_series) -> arb_series:
    whole = exponent[0].unique_fmpz() if exponent[0].is_exact() and exponent.length() <= 1 else None
    if whole is not None and abs(int(whole)) <= 1024:
        return base ** int(whole)
    return (exponent * base.log()).exp()


# One row an op: its function on series.
SERIES: dict[str, Callable[..., arb_series]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "abs": lambda a: _unless(_positive(a), a, -a),
    "sign": _step(lambda c: c.sgn()),
    "max": lambda a, b: _unless(_positive(a - b), a, b),
    "min": lambda a, b: _unless(_positive(a - b), b, a),
    "floor": _step(lambda c: c.floor()),
    "ceil": _step(lambda c: c.ceil()),
    "square": lambda a: a * a,
    "sqrt": lambda a: a.sqrt(),
    "pow": _power,
    "exp": lambda a: a.exp(),
    "expm1": lambda a: _begun(a[0].expm1(), a.exp()),
    "log": lambda a: a.log(),
    "log1p": lambda a: _begun(a[0].log1p(), (1 + a).log()),
    "sinh": lambda a: _begun(a[0].sinh(), (a.exp() - (-a).exp()) / 2),
    "cosh": _cosh,
    "tanh": lambda a: _summed_up(a[0].tanh(), _tanh_slope(a), a),
    "asinh": lambda a: _summed_up(a[0].asinh(), (1 + a * a).rsqrt(), a),
    "acosh": lambda a: _summed_up(a[0].acosh(), (a * a - 1).rsqrt(), a),
    "atanh": lambda a: _summed_up(a[0].atanh(), 1 / (1 - a * a), a),
    "sin": lambda a: a.sin(),
    "cos": lambda a: a.cos(),
    "tan": lambda a: a.tan(),
    "asin": lambda a: a.asin(),
    "acos": lambda a: a.acos(),
    "atan": lambda a: a.atan(),
    "erf": lambda a: _begun(a[0].erf(), a.erf()),
    "erfc": lambda a: _begun(a[0].erfc(), a.erfc()),
}


def _on_constants(function: Callable[..., Any]) -> Callable[..., Any]:
    """A comparison of series by their constant terms: over an interval, of all values in it."""
    return lambda a, b: function(a[0], b[0])


def _choose(condition: bool | None, yes: arb_series, no: arb_series) -> arb_series:
    return arb_series([arb.nan()]) if condition is None else yes if condition else no


_COMPARED = ("lt", "le", "gt", "ge", "eq", "ne")
_FUNCTIONS: dict[str, Callable[..., Series]] = {
    **SERIES,
    **LOGIC,
    **{name: _on_constants(LOGIC[name]) for name in _COMPARED},
    "where": _choose,
}
