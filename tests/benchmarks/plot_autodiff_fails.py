"""Draws examples/autodiff_fails.png: the gradient of mish by autodiff and by symact, error in ULP.

Run: python tests/benchmarks/plot_autodiff_fails.py   (needs matplotlib)
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import symact
from symact.contenders import plain
from symact.derive import differentiate
from symact.stabilize.formats import FLOAT32
from symact.stabilize.score import ulp_error
from symact.stabilize.truth import Truth

FORMULA = "x*tanh(log(1+exp(x)))"
TARGET = Path(__file__).parents[2] / "examples" / "autodiff_fails.png"


def gradient(function, points: np.ndarray) -> np.ndarray:
    x = tf.constant(points, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy().astype(np.float64)


def main() -> None:
    activation = symact.compile(FORMULA, name="mish")
    expression = activation.formula.expression
    points = np.unique(FLOAT32.round(np.linspace(-60, 110, 12001)))
    truth, rest = Truth(differentiate(expression, activation.formula.symbol("x"))).at(points)
    figure, axes = plt.subplots(figsize=(8, 3.6), constrained_layout=True)
    contenders = (("autodiff", plain(activation.formula), "#D55E00"), ("symact", activation, "#0072B2"))
    for name, function, colour in contenders:
        result = gradient(function, points)
        errors = np.where(np.isnan(result), np.nan, ulp_error(result, truth, rest, FLOAT32))
        # The worst of each short stretch: single lucky points would only be noise.
        stretch = errors[: len(errors) // 24 * 24].reshape(-1, 24).max(axis=1)
        middle = points[: len(points) // 24 * 24].reshape(-1, 24).mean(axis=1)
        style = "-" if name == "symact" else "--"
        axes.plot(middle, np.maximum(stretch, 0.1), style, color=colour, label=name)
        if np.isnan(result).any():
            first = points[np.isnan(result)].min()
            axes.axvspan(first, points[-1], color=colour, alpha=0.2, lw=0)
            axes.text(first + 1, 30, f"autodiff: NaN\nfrom x = {first:.1f}", color=colour)
    axes.set_yscale("log")
    axes.set_ylim(0.08, 1e8)
    axes.axhline(4, color="0.5", lw=0.8, ls=":")
    axes.text(-59, 5, "4 ULP", color="0.4")
    axes.set_xlabel("x")
    axes.set_ylabel("error in ULP")
    axes.set_title(f"Gradient of {FORMULA} in float32")
    axes.legend(loc="upper center")
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main()
