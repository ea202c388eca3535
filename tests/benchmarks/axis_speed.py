"""Speed of formulas over an axis: forward and backward, against TensorFlow's and Keras's own.

    python tests/benchmarks/axis_speed.py [--json] [--rows 4096] [--columns 1024] [--rounds 15] [NAME ...]

Contenders take turns within every round, so that a busy machine slows all of them, in an order that
changes, for who comes after one that used much memory finds its own out of the caches; a figure is the
median over the rounds. "own" is the best of TensorFlow and Keras, "autodiff" the formula as written.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from statistics import geometric_mean, median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import symact

Function = Callable[[Any], Any]


def _plain_softmax(x: Any) -> Any:
    e = tf.exp(x)
    return e / tf.reduce_sum(e, -1, keepdims=True)


def _plain_layer_norm(x: Any) -> Any:
    d = x - tf.reduce_mean(x, -1, keepdims=True)
    return d / tf.sqrt(tf.reduce_mean(d * d, -1, keepdims=True) + 1e-3)


# Name: the formula, the libraries' own, and the formula as written.
CASES: dict[str, tuple[str, Function, Function]] = {
    "softmax": ("exp(x[i])/Sum(exp(x[j]),j)", tf.nn.softmax, _plain_softmax),
    "log-softmax": (
        "x[i]-log(Sum(exp(x[j]),j))",
        tf.nn.log_softmax,
        lambda x: x - tf.math.log(tf.reduce_sum(tf.exp(x), -1, keepdims=True)),
    ),
    "logsumexp": (
        "log(Sum(exp(x[j]),j))",
        lambda x: tf.reduce_logsumexp(x, -1),
        lambda x: tf.math.log(tf.reduce_sum(tf.exp(x), -1)),
    ),
    "L2 norm": (
        "sqrt(Sum(x[j]^2,j))",
        lambda x: tf.norm(x, axis=-1),
        lambda x: tf.sqrt(tf.reduce_sum(x * x, -1)),
    ),
    "layer norm": (
        "(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.001)",
        keras.layers.LayerNormalization(epsilon=1e-3, center=False, scale=False),
        _plain_layer_norm,
    ),
    "RMS norm": (
        "x[i]/sqrt(Mean(x[j]^2,j)+0.000001)",
        keras.layers.RMSNormalization(epsilon=1e-6),
        lambda x: x / tf.sqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-6),
    ),
}


def _step(function: Function, xla: bool) -> Callable[[Any, Any], Any]:
    """Forward and backward, as one compiled function."""

    def run(x: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return y, tape.gradient(y, x, upstream)

    return tf.function(run, jit_compile=xla)


def _times(steps: dict[str, Callable[[Any, Any], Any]], x: Any, upstream: Any, rounds: int) -> Any:
    """Milliseconds by contender, each the median of ``rounds``, in turns."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    order = random.Random(0)
    for turn in range(rounds + 2):
        for name, step in order.sample([*steps.items()], len(steps)):
            began = time.perf_counter()
            step(x, upstream)
            if turn >= 2:
                found[name].append(1e3 * (time.perf_counter() - began))
    return {name: median(times) for name, times in found.items()}


def measure(names: list[str], rows: int, columns: int, rounds: int) -> list[dict[str, Any]]:
    """A row of figures for every case, in graph and XLA."""
    normal = np.random.default_rng(0).normal
    x = tf.constant(normal(size=(rows, columns)), tf.float32)
    lines = []
    for name in names or CASES:
        formula, own, plain = CASES[name]
        activation = symact.compile(formula, name="measured")
        own(x[:1])  # a Keras layer makes its weights outside the compiled function
        upstream = tf.constant(normal(size=plain(x[:2]).shape[1:]), tf.float32)
        upstream = tf.broadcast_to(upstream, plain(x).shape)
        contenders = {"symact": activation, "own": own, "autodiff": plain}
        found = {
            mode: _times({k: _step(f, mode == "xla") for k, f in contenders.items()}, x, upstream, rounds)
            for mode in ("graph", "xla")
        }
        best = {k: min(found[mode][k] for mode in found) for k in contenders}
        lines += [
            {
                "name": name,
                "mode": mode,
                **times,
                "to_own": times["symact"] / times["own"],
                "to_best_own": times["symact"] / best["own"],
                "from_autodiff": times["autodiff"] / times["symact"],
            }
            for mode, times in found.items()
        ]
    return lines


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
    ahead = geometric_mean([line["from_autodiff"] for line in lines])
    if options.json:
        print(json.dumps({"rows": lines, "ahead_of_autodiff": ahead}, indent=1))
        return
    print(f"{'':12} {'mode':6} {'symact':>8} {'own':>8} {'autodiff':>8}  symact/own  autodiff/symact")
    for line in lines:
        times = " ".join(f"{line[k]:8.1f}" for k in ("symact", "own", "autodiff"))
        ratios = f"{line['to_own']:11.2f} {line['from_autodiff']:16.2f}"
        print(f"{line['name']:12} {line['mode']:6} {times} {ratios}")
    print(f"ahead of autodiff {ahead:.2f} times in geometric mean; milliseconds, medians")


if __name__ == "__main__":
    main()
