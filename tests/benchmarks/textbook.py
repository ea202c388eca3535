"""Twelve textbook activations as symact emits them, their truth, and rounding it once.

What the scripts beside it share.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

import symact
from symact.judge import Judge
from symact.stabilize.formats import FLOAT64, Array, Format
from symact.stabilize.truth import Truth

FORMULAS = {
    "sigmoid": "1/(1+exp(-x))",
    "softplus": "log(1+exp(x))",
    "silu": "x/(1+exp(-x))",
    "mish": "x*tanh(log(1+exp(x)))",
    "gelu": "x*(1+erf(x/sqrt(2)))/2",
    "gelu_tanh": "x*(1+tanh(sqrt(2/pi)*(x+0.044715*x**3)))/2",
    "expm1": "exp(x)-1",
    "log_cosh": "log(cosh(x))",
    "softsign": "x/(1+Abs(x))",
    "squareplus": "(x+sqrt(x**2+4))/2",
    "tanhshrink": "x-tanh(x)",
    "log_sigmoid": "-log(1+exp(-x))",
}


@dataclass(frozen=True)
class Case:
    """A value or a derivative: its name, its exact values, and the emitted function's results."""

    name: str
    truth: Truth
    results: Callable[[Array, Any], Array]  # float64 arrays of numbers of the given tf.DType


def cases(names: list[str] | None, **options: Any) -> Iterator[Case]:
    """Value and derivative of each formula, compiled with ``options`` of ``symact.compile``."""
    for name in names or FORMULAS:
        progress(f"compiling {name}")
        activation = symact.compile(FORMULAS[name], name=name, **options)
        value, derivative, *_ = Judge(activation.formula, FLOAT64).truths
        yield Case(name, value, lambda x, dtype, f=activation: _value(f, x, dtype))
        yield Case(f"{name}'", derivative, lambda x, dtype, f=activation: _gradient(f, x, dtype))


def _value(function: Callable[[Any], Any], points: Array, dtype: Any) -> Array:
    return tf.cast(function(tf.cast(tf.constant(points, tf.float64), dtype)), tf.float64).numpy()


def _gradient(function: Callable[[Any], Any], points: Array, dtype: Any) -> Array:
    x = tf.cast(tf.constant(points, tf.float64), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tf.cast(tape.gradient(y, x), tf.float64).numpy()


def rounded_once(high: Array, low: Array, fmt: Format) -> Array:
    """The exact values ``high + low`` rounded to nearest in ``fmt``, subnormal numbers included."""
    with np.errstate(all="ignore"):
        unit = fmt.ulp(high)
        whole = np.floor(high / unit)
        tie = (high / unit - whole == 0.5) & (low != 0)
        nearest = np.where(tie, whole + (low > 0), np.rint(high / unit)) * unit
        return np.where(np.abs(nearest) > fmt.max, np.copysign(np.inf, high), nearest)


def progress(text: str) -> None:
    """Shows ``text`` in place of what was shown before, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r", file=sys.stderr, flush=True)
