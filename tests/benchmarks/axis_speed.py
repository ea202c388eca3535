"""Speed of formulas over an axis, pairs and trainable ones: forward and backward, against others.

    python tests/benchmarks/axis_speed.py [--json] [--rows 4096] [--columns 1024] [--rounds 15] [NAME ...]

Contenders take turns within every round, so that a busy machine slows all of them, in an order that
changes, for who comes after one that used much memory finds its own out of the caches; a figure is the
median over the rounds. "own" is the best of TensorFlow and Keras; "autodiff" is TensorFlow's, of the
formula as written, as in ``symact compare``; "shared" that of what somebody who shares the formula's
subexpressions by hand would write.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import geometric_mean, median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import symact
from symact.contenders import plain

Function = Callable[..., Any]
EPSILON = 1e-3


@dataclass(frozen=True)
class Case:
    """A formula, the options of ``symact.compile`` and who else computes it."""

    formula: str
    own: Function | None = None
    shared: Function | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _shared_softmax(x: Any) -> Any:
    e = tf.exp(x)
    return e / tf.reduce_sum(e, -1, keepdims=True)


def _shared_layer_norm(x: Any) -> Any:
    d = x - tf.reduce_mean(x, -1, keepdims=True)
    return d / tf.sqrt(tf.reduce_mean(d * d, -1, keepdims=True) + EPSILON)


_PAIR = {"inputs": ("a", "b")}
CASES = {
    "softmax": Case("exp(x[i])/Sum(exp(x[j]),j)", tf.nn.softmax, _shared_softmax),
    "log-softmax": Case(
        "x[i]-log(Sum(exp(x[j]),j))",
        tf.nn.log_softmax,
        lambda x: x - tf.math.log(tf.reduce_sum(tf.exp(x), -1, keepdims=True)),
    ),
    "logsumexp": Case(
        "log(Sum(exp(x[j]),j))",
        lambda x: tf.reduce_logsumexp(x, -1),
        lambda x: tf.math.log(tf.reduce_sum(tf.exp(x), -1)),
    ),
    "L2 norm": Case(
        "sqrt(Sum(x[j]^2,j))",
        lambda x: tf.norm(x, axis=-1),
        lambda x: tf.sqrt(tf.reduce_sum(x * x, -1)),
    ),
    "layer norm": Case(
        f"(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+{EPSILON})",
        keras.layers.LayerNormalization(epsilon=EPSILON, center=False, scale=False),
        _shared_layer_norm,
    ),
    "RMS norm": Case(
        "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)",
        keras.layers.RMSNormalization(epsilon=1e-6),
        lambda x: x / tf.sqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-6),
    ),
    "L1 normalize": Case("x[i]/Sum(Abs(x[j]),j)"),
    "L2 normalize": Case("x[i]/sqrt(Sum(x[j]^2,j))", lambda x: tf.math.l2_normalize(x, -1)),
    "Poincare map": Case("x[i]/(1+sqrt(1+Sum(x[j]^2,j)))"),
    "GLU": Case("a/(1+exp(-b))", lambda a, b: a * tf.sigmoid(b), options=_PAIR),
    "GEGLU": Case("a*b*(1+erf(b/sqrt(2)))/2", lambda a, b: a * tf.nn.gelu(b), options=_PAIR),
    "SwiGLU": Case("a*b/(1+exp(-b))", lambda a, b: a * tf.nn.silu(b), options=_PAIR),
    "PReLU": Case("Max(x,0)+w*Min(x,0)", options={"params": {"w": 0.25}, "trainable": ("w",)}),
    "Swish": Case("x/(1+exp(-w*x))", options={"params": {"w": 1.0}, "trainable": ("w",)}),
    "softmax1": Case("exp(x[i])/(1+Sum(exp(x[j]),j))"),
    "temperature": Case(
        "exp(x[i]/w)/Sum(exp(x[j]/w),j)", options={"params": {"w": 0.7}, "trainable": ("w",)}
    ),
    "spherical softmax": Case("x[i]^2/Sum(x[j]^2,j)"),
    "squash": Case("x[i]*sqrt(Sum(x[j]^2,j))/(1+Sum(x[j]^2,j))"),
    "maximum norm": Case("x[i]/ReduceMax(Abs(x[j]),j)"),
    "variance": Case("Mean((x[j]-Mean(x[k],k))^2,j)"),
    "entropy": Case("log(Sum(exp(x[j]),j))-Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)"),
    "gate by the mean": Case("x[i]/(1+exp(-x[i]+Mean(x[j],j)))"),
    "softplus norm": Case("log(1+exp(x[i]))/Sum(log(1+exp(x[j])),j)"),
    "distance": Case("sqrt(Sum((a[j]-b[j])^2,j))", options=_PAIR),
    "RBF kernel": Case("exp(-Sum((a[j]-b[j])^2,j)/2)", options=_PAIR),
    "cosine": Case("Sum(a[j]*b[j],j)/(sqrt(Sum(a[j]^2,j))*sqrt(Sum(b[j]^2,j)))", options=_PAIR),
    "cross entropy": Case("-Sum(a[j]*(b[j]-log(Sum(exp(b[k]),k))),j)", options=_PAIR),
    "gated RMS norm": Case("a[i]/(1+exp(-b[i]))/sqrt(Mean((a[j]/(1+exp(-b[j])))^2,j)+0.001)", options=_PAIR),
}
# Those whose speed is compared with TensorFlow's and Keras' own.
REDUCTIONS = ("softmax", "log-softmax", "logsumexp", "L2 norm", "layer norm", "RMS norm")
NORMALIZATIONS = ("L1 normalize", "L2 normalize", "Poincare map")
ELEMENTWISE = ("GLU", "GEGLU", "SwiGLU", "PReLU", "Swish")


def _step(function: Function, xla: bool) -> Callable[[list[Any], dict[str, Any], Any], Any]:
    """Forward and backward, by inputs and parameters, as one compiled function."""

    def run(inputs: list[Any], parameters: dict[str, Any], upstream: Any) -> Any:
        sources = [*inputs, *parameters.values()]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            y = function(*inputs, **parameters)
        return y, tape.gradient(y, sources, upstream)

    return tf.function(run, jit_compile=xla)


def _times(steps: dict[str, Function], arguments: tuple[Any, ...], rounds: int) -> dict[str, float]:
    """Milliseconds by contender, each the median of ``rounds``, in turns."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    order = random.Random(0)
    for turn in range(rounds + 2):
        for name, step in order.sample([*steps.items()], len(steps)):
            began = time.perf_counter()
            step(*arguments)
            if turn >= 2:
                found[name].append(1e3 * (time.perf_counter() - began))
    return {name: median(times) for name, times in found.items()}


def measure(names: list[str], rows: int, columns: int, rounds: int) -> list[dict[str, Any]]:
    """A row of figures for every case, in graph and XLA."""
    normal = np.random.default_rng(0).normal
    lines = []
    for name in names or CASES:
        case = CASES[name]
        activation = symact.compile(case.formula, name="measured", **case.options)
        inputs = [tf.constant(normal(size=(rows, columns)), tf.float32) for _ in activation.formula.inputs]
        parameters = {k: tf.constant(v, tf.float32) for k, v in activation.formula.defaults.items()}
        contenders = {
            "symact": activation,
            "autodiff": plain(activation.formula),
            **({"own": case.own} if case.own else {}),
            **({"shared": case.shared} if case.shared else {}),
        }
        if isinstance(case.own, keras.Layer):
            case.own(inputs[0][:1])  # it makes its weights outside the compiled function
        upstream = tf.constant(normal(size=activation(*inputs, **parameters).shape), tf.float32)
        for mode in ("graph", "xla"):
            steps = {k: _step(f, mode == "xla") for k, f in contenders.items()}
            times = _times(steps, (inputs, parameters, upstream), rounds)
            lines.append({"name": name, "mode": mode, **times})
    return lines


def ahead(lines: list[dict[str, Any]], of: str, names: tuple[str, ...]) -> float | None:
    """How many times as fast as ``of`` symact is, in geometric mean over what both computed."""
    ratios = [line[of] / line["symact"] for line in lines if of in line and line["name"] in names]
    return geometric_mean(ratios) if ratios else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    lines = measure(options.names, options.rows, options.columns, options.rounds)
    named = (*REDUCTIONS, *NORMALIZATIONS, *ELEMENTWISE)
    groups = {
        "reductions": REDUCTIONS,
        "and normalizations": (*REDUCTIONS, *NORMALIZATIONS),
        "and elementwise": named,
        "others over an axis": tuple(name for name in CASES if name not in named),
    }
    means = {
        f"{of}, {group}": ahead(lines, of, names)
        for of in ("autodiff", "shared", "own")
        for group, names in groups.items()
    }
    if options.json:
        print(json.dumps({"rows": lines, "ahead_of": means}, indent=1))
        return
    columns = ("symact", "own", "shared", "autodiff")
    print(f"{'':18} {'mode':6}" + "".join(f"{c:>9}" for c in columns) + "  symact/own  autodiff/symact")
    for line in lines:
        times = "".join(f"{line[c]:9.1f}" if c in line else " " * 9 for c in columns)
        own = f"{line['symact'] / line['own']:12.2f}" if "own" in line else " " * 12
        print(f"{line['name']:18} {line['mode']:6}{times}{own} {line['autodiff'] / line['symact']:16.2f}")
    print("milliseconds, medians; ahead in geometric mean, times:")
    for of, mean in means.items():
        if mean is not None:
            print(f"    {of:32} {mean:.2f}")


if __name__ == "__main__":
    main()
