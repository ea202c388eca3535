"""Compare: the emitted gradient, TensorFlow's autodiff of the plain formula, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from symact.comparison import Comparison, Figures, PointRow, RangeRow
from symact.convert import to_graph
from symact.derive import differentiate, switches
from symact.emit.printer import body
from symact.errors import OptionError, SymactError
from symact.formula import Formula
from symact.numbers import as_float
from symact.stabilize.formats import FORMATS, Array, Format
from symact.stabilize.problem import switch_zeros
from symact.stabilize.sampling import neighbourhood
from symact.stabilize.score import bits_of_error, ulp_error
from symact.stabilize.truth import Truth

if TYPE_CHECKING:
    from symact.activation import Activation

_POINTS = (0.0, 1e-30, 1e-8, 1e-3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 90.0, 100.0, 1e3, 1e10)
_EDGES = (1e-3, 1.0, 5.0, 20.0, 100.0)

# Input → value and gradient, as float64 arrays holding numbers of the compared dtype.
Contender = Callable[[Array], tuple[Array, Array]]


def compare(
    activation: Activation, *, dtype: str = "float32", samples: int = 12_000, seed: int = 0
) -> Comparison:
    """Compare the gradient that ``activation`` emits with autodiff of the formula as written.

    Args:
        activation: a compiled activation; its parameters are taken at their defaults.
        dtype: "float32" or "float64".
        samples: number of inputs over all ranges, half uniform over ordinals, half over values.
        seed: of the sample; the same figures come out for the same seed.

    Raises:
        OptionError: ``dtype`` is another one.
    """
    if dtype not in FORMATS:
        raise OptionError(f"dtype must be one of {', '.join(FORMATS)}, not {dtype!r}")
    if len(activation.formula.inputs) > 1 or activation.formula.is_vector:
        raise OptionError("compare takes elementwise formulas of one input; this one is another")
    fmt = FORMATS[dtype]
    judge = _Judge(activation.formula, fmt)
    available: dict[str, Contender] = {}
    problems: dict[str, str] = {}
    functions: dict[str, Callable[[Any], Any]] = {
        "symact": activation,
        "autodiff": plain(activation.formula),
    }
    for name, function in functions.items():
        contender = _contender(function, fmt)
        try:
            contender(np.array([judge.inside()]))
        except (SymactError, tf.errors.OpError, TypeError, ValueError, AttributeError) as error:
            problems[name] = str(error).splitlines()[0]
        else:
            available[name] = contender
    random = np.random.default_rng(seed)
    intervals = list(pairwise(_edges(judge.domain, fmt)))
    ranges = []
    everything = []
    for low, high in intervals:
        points = _sample(low, high, samples // len(intervals), fmt, random)
        measured = judge.measure(points, available)
        everything.append(measured)
        ranges.append(RangeRow(low, high, *(_figures(measured, kind) for kind in (0, 1))))
    whole = _joined(everything)
    return Comparison(
        formula=activation.formula.text,
        dtype=dtype,
        contenders=tuple(available),
        problems=problems,
        kinks=tuple(judge.kinks),
        points=judge.rows(_chosen(judge.domain, judge.kinks, fmt), available),
        ranges=tuple(ranges),
        values=_figures(whole, 0),
        gradients=_figures(whole, 1),
    )


def plain(formula: Formula) -> Callable[..., Any]:
    """The formula as written, in TensorFlow's ops one for one: what autodiff is applied to."""
    name = formula.inputs[0]
    names = [name, *(p.name for p in formula.parameters)]
    lines = body(to_graph(formula.expression), name, {*names, "tf"}, narrow=False)
    source = "\n".join([f"def plain({', '.join(names)}):", *(f"    {line}" for line in lines)])
    namespace: dict[str, Any] = {"tf": tf}
    exec(source, namespace)
    defaults = formula.defaults

    def call(x: Any) -> Any:
        return namespace["plain"](x, *(tf.constant(v, x.dtype) for v in defaults.values()))

    return call


def _contender(function: Callable[[Any], Any], fmt: Format) -> Contender:
    def run(points: Array) -> tuple[Array, Array]:
        x = tf.constant(points.astype(fmt.dtype))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        gradient = tape.gradient(y, x)
        if gradient is None:
            gradient = tf.zeros_like(x)
        return y.numpy().astype(np.float64), gradient.numpy().astype(np.float64)

    return run


@dataclass(frozen=True)
class _Measured:
    """Inputs with truth, and each contender's results and errors: value first, then gradient."""

    points: Array
    truths: tuple[Array, Array]
    results: Mapping[str, tuple[Array, Array]]
    errors: Mapping[str, tuple[Array, Array]]


class _Judge:
    """The truth of a formula and its derivative, and the error of anyone's results against it."""

    def __init__(self, formula: Formula, fmt: Format) -> None:
        self.fmt, self.parameters = fmt, formula.defaults
        self.domain = (as_float(formula.domain[0]), as_float(formula.domain[1]))
        name = formula.inputs[0]
        grid = _sample(*self._bounds(), 800, fmt, np.random.default_rng(1))
        self.kinks = sorted(
            {
                zero
                for switch in switches(formula.expression)
                for zero in switch_zeros(switch, name, grid, fmt, self.parameters)
            }
        )
        derivative = differentiate(formula.expression, formula.symbol(name))
        self.truths = (Truth(formula.expression, name), Truth(derivative, name, frozenset(self.kinks)))

    def _bounds(self) -> tuple[float, float]:
        low, high = self.domain
        return max(low, -self.fmt.max), min(high, self.fmt.max)

    def inside(self) -> float:
        """An input within the domain."""
        low, high = self._bounds()
        return min(max(0.5, low + (high - low) * 0.25 if low > 0.5 else 0.5), high - (high - low) / 4)

    def measure(self, points: Array, contenders: Mapping[str, Contender]) -> _Measured:
        exact = [truth.at(points, **self.parameters) for truth in self.truths]
        results = {name: contender(points) for name, contender in contenders.items()}
        errors = {
            name: (
                ulp_error(value, *exact[0], self.fmt),
                self._forgiven(ulp_error(gradient, *exact[1], self.fmt), gradient, points),
            )
            for name, (value, gradient) in results.items()
        }
        return _Measured(points, (exact[0][0], exact[1][0]), results, errors)

    def _forgiven(self, errors: Array, gradients: Array, points: Array) -> Array:
        """Errors with 0 for every subgradient at a kink."""
        for kink in self.kinks:
            at = points == kink
            if at.any():
                low, high = sorted(self.truths[1].side(kink, s, self.parameters) for s in (-1, 1))
                slack = 4 * self.fmt.epsilon * max(abs(low), abs(high))
                within = (gradients >= low - slack) & (gradients <= high + slack)
                errors = np.where(at & within, 0.0, errors)
        return errors

    def rows(self, points: Array, contenders: Mapping[str, Contender]) -> tuple[PointRow, ...]:
        measured = self.measure(points, contenders)
        return tuple(
            PointRow(
                float(x),
                float(measured.truths[1][i]),
                {name: float(measured.results[name][1][i]) for name in contenders},
                {name: float(measured.errors[name][1][i]) for name in contenders},
            )
            for i, x in enumerate(points)
        )


def _edges(domain: tuple[float, float], fmt: Format) -> list[float]:
    low, high = max(domain[0], -fmt.max), min(domain[1], fmt.max)
    inner = {sign * edge for edge in _EDGES for sign in (-1, 1)} | {0.0}
    return [low, *sorted(edge for edge in inner if low < edge < high), high]


def _sample(low: float, high: float, count: int, fmt: Format, random: np.random.Generator) -> Array:
    first, last = fmt.ordinal([low, high]).tolist()
    ordinals = random.integers(first, last, count // 2, endpoint=True)
    values = low + (high - low) * random.uniform(0, 1, count // 2) if high - low < 1e300 else [0.0]
    points = np.concatenate([fmt.number(ordinals), fmt.round(np.asarray(values, float))])
    return np.asarray(np.unique(points[(points >= low) & (points <= high) & _is_normal(points, fmt)]))


def _is_normal(points: Array, fmt: Format) -> Any:
    return (np.abs(points) >= fmt.min_normal) | (points == 0.0)


def _chosen(domain: tuple[float, float], kinks: list[float], fmt: Format) -> Array:
    points = fmt.round(np.array([sign * point for point in _POINTS for sign in (-1.0, 1.0)]))
    near = [neighbourhood(fmt, kink)[:3] for kink in kinks]
    points = np.unique(np.concatenate([points, *near]) + 0.0)
    inside = (points > domain[0]) & (points < domain[1]) & _is_normal(points, fmt)
    return np.asarray(points[inside])


def _joined(parts: list[_Measured]) -> _Measured:
    names = parts[0].results

    def gather(pick: Callable[[_Measured], Array]) -> Array:
        return np.concatenate([pick(part) for part in parts])

    def both(table: str, name: str) -> tuple[Array, Array]:
        first, second = (gather(lambda part, k=k: getattr(part, table)[name][k]) for k in (0, 1))  # type: ignore[misc]
        return first, second

    return _Measured(
        gather(lambda part: part.points),
        (gather(lambda part: part.truths[0]), gather(lambda part: part.truths[1])),
        {name: both("results", name) for name in names},
        {name: both("errors", name) for name in names},
    )


def _figures(measured: _Measured, kind: int) -> dict[str, Figures]:
    """Figures of each contender for values (0) or gradients (1)."""
    truth = measured.truths[kind]
    # Where the truth has no value or is infinite there is nothing to be right about.
    judged = np.isfinite(truth)
    figures = {}
    for name, results in measured.results.items():
        result, errors = results[kind][judged], measured.errors[name][kind][judged]
        finite = np.isfinite(result)
        worst = int(np.argmax(np.where(finite, errors, -1.0))) if len(errors) else 0
        wrong = errors > 0
        figures[name] = Figures(
            worst_ulp=float(errors[worst]) if finite.any() else float("nan"),
            worst_at=float(measured.points[judged][worst]) if finite.any() else float("nan"),
            mean_bits=float(bits_of_error(errors[finite]).mean()) if finite.any() else float("nan"),
            correctly_rounded=float(np.mean(errors <= 0.5)) if len(errors) else 1.0,
            nan=int(np.sum(np.isnan(result))),
            inf=int(np.sum(np.isinf(result) & wrong)),
            count=len(errors),
        )
    return figures
