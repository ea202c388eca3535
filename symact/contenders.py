"""Contenders: who is compared. The emitted function, autodiff of the plain formula, and anyone's callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import tensorflow as tf

from symact.convert import to_graph
from symact.emit.printer import body
from symact.errors import SymactError
from symact.formula import Formula
from symact.graph import variables
from symact.reductions import LENGTH
from symact.stabilize.formats import Array, Format

_LONGEST_REASON = 160


class ComparisonImpossible(Exception):
    """A contender has no numbers for a column; the message says why."""


@dataclass(frozen=True)
class Contender:
    """A function that is compared with the truth.

    Attributes:
        name: what its columns are called.
        function: from a tensor, or one for each input, to a tensor of the result's shape.
        judged: whether ``--fail-above`` and ``assert_accurate`` hold it to account.
    """

    name: str
    function: Callable[..., Any]
    judged: bool

    def takes(self, parameter: str) -> bool:
        """Whether the function can be given a parameter of the formula as a keyword."""
        if not self.judged or self.name == "symact":
            return True
        try:
            found = inspect.signature(self.function).parameters
        except (TypeError, ValueError):
            return False
        keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return parameter in found and found[parameter].kind in keyword

    def columns(
        self, points: Array, fmt: Format, wanted: int, batch: int = 1 << 14
    ) -> tuple[Array | None, ...]:
        """The value and the first derivatives at ``points``, as float64 arrays of numbers of ``fmt``.

        Args:
            points: numbers of ``fmt``, one-dimensional.
            fmt: the format to compute in.
            wanted: how many columns: 1 value only, 2 the derivative too, 3 the second derivative.
            batch: how many inputs every call has, the last one repeated where there are fewer: XLA
                compiles anew for every shape.

        Returns:
            ``wanted`` arrays of the shape of ``points``; None for a derivative that does not depend on
            the input as far as TensorFlow can see (a constant, or a function that left TensorFlow).

        Raises:
            ComparisonImpossible: the function raises, or returns what is no tensor of that shape.
        """
        if not len(points):
            return (points,) * wanted
        parts = [self._batch(points[i : i + batch], batch, fmt, wanted) for i in range(0, len(points), batch)]
        return tuple(
            None if any(part[order] is None for part in parts) else np.concatenate([p[order] for p in parts])
            for order in range(wanted)
        )

    def by_parameters(
        self, points: Array, fmt: Format, parameters: Mapping[str, float], batch: int = 1 << 14
    ) -> dict[str, Array | None]:
        """The derivatives by parameters at their given values, of those that the function takes.

        Every input has a number of its own for the parameter, so that nothing is summed over inputs.

        Raises:
            ComparisonImpossible: the function raises.
        """
        names = [name for name in parameters if self.takes(name)]
        parts = []
        for i in range(0, len(points) if names else 0, batch):
            here = points[i : i + batch]
            filled = np.concatenate([here, np.full(batch - len(here), here[-1])])
            tensors = {n: _tensor(fmt.round(np.full(batch, parameters[n])), fmt) for n in names}
            try:
                with tf.GradientTape() as tape:
                    tape.watch(list(tensors.values()))
                    y = tf.convert_to_tensor(self.function(_tensor(filled, fmt), **tensors))
                found = tape.gradient(y, tensors)
            except (Exception, SystemExit) as error:  # whatever somebody's function raises
                raise ComparisonImpossible(reason(error)) from None
            parts.append({n: _numbers(gradient) for n, gradient in found.items()})
        columns: dict[str, Array | None] = {}
        for name in names if parts else []:
            known = [part[name] for part in parts]
            whole = [part for part in known if part is not None]
            columns[name] = np.concatenate(whole)[: len(points)] if len(whole) == len(known) else None
        return columns

    def _batch(self, points: Array, batch: int, fmt: Format, wanted: int) -> tuple[Array | None, ...]:
        """As ``columns``, for at most a batch of inputs."""
        filled = np.concatenate([points, np.full(batch - len(points), points[-1])])
        try:
            results = _differentiated(self.function, _tensor(filled, fmt), wanted)
        except (Exception, SystemExit) as error:  # whatever somebody's function raises
            raise ComparisonImpossible(reason(error)) from None
        for result in results:
            if result is not None and result.shape != filled.shape:
                raise ComparisonImpossible(f"returns shape {result.shape} for input {filled.shape}")
        return tuple(None if result is None else result[: len(points)] for result in results)


def _tensor(points: Array, fmt: Format) -> Any:
    return tf.constant(points.astype(fmt.dtype), fmt.name)


def _differentiated(function: Callable[[Any], Any], x: Any, wanted: int) -> tuple[Array | None, ...]:
    if wanted == 1:
        return (_numbers(function(x)),)
    if wanted == 2:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.convert_to_tensor(function(x))
        return _numbers(y), _numbers(tape.gradient(y, x))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.convert_to_tensor(function(x))
        first = inner.gradient(y, x)
    second = None if first is None else outer.gradient(first, x)
    return _numbers(y), _numbers(first), _numbers(second)


def _numbers(tensor: Any) -> Array | None:
    return None if tensor is None else np.asarray(tf.cast(tensor, tf.float64).numpy())


def reason(error: BaseException) -> str:
    """What somebody's function raised, as a short line."""
    lines = str(error).strip().splitlines() or ["no message"]
    text = " ".join(lines[0].split())
    short = text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
    return short if isinstance(error, SymactError) else f"{type(error).__name__}: {short}"


def plain(formula: Formula) -> Callable[..., Any]:
    """The formula as written, in TensorFlow's ops one for one: what autodiff is applied to.

    It takes the inputs, and parameters as keywords.
    """
    stages = [(r.name, r.kind, _stage(formula, r.body)) for r in formula.reductions]
    result = _stage(formula, formula.expression)
    defaults = formula.defaults

    def call(*inputs: Any, **given: Any) -> Any:
        first = inputs[0]
        values = dict(zip(formula.inputs, inputs, strict=True))
        values |= {n: tf.constant(v, first.dtype) for n, v in defaults.items()} | given
        if formula.is_vector:
            values[LENGTH] = tf.cast(tf.shape(first)[formula.axis], first.dtype)
        for name, kind, body_of in stages:
            values[name] = _REDUCTIONS[kind](body_of(values), formula.axis, keepdims=True)
        y = result(values)
        return y if formula.keeps_axis else tf.squeeze(y, formula.axis)

    return call


_REDUCTIONS = {
    "sum": tf.reduce_sum,
    "mean": tf.reduce_mean,
    "max": tf.reduce_max,
    "min": tf.reduce_min,
}


def _stage(formula: Formula, expression: sp.Expr) -> Callable[[dict[str, Any]], Any]:
    """An expression as a function of the tensors by name that it may use."""
    names = [*formula.inputs, *formula.defaults, *(r.name for r in formula.reductions)]
    names += [LENGTH] if formula.is_vector else []
    graph = to_graph(expression)
    # What decides shape and dtype: an input where there is one, so that a sum has all elements.
    first = next((name for name in names if name in variables(graph)), names[0])
    used = [name for name in names if name in variables(graph) | {first}]
    lines = body(graph, first, {*names, "tf"}, narrow=False)
    source = "\n".join([f"def plain({', '.join(used)}):", *(f"    {line}" for line in lines)])
    namespace: dict[str, Any] = {"tf": tf}
    exec(source, namespace)
    return lambda values: namespace["plain"](*(values[name] for name in used))
