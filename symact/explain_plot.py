"""Explain plot: the error of value and derivative before and after stabilizing, over the input."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from symact.convert import to_graph
from symact.derive import switches
from symact.plots import set_x_axis, styles, worst_of_bins
from symact.stabilize.formats import FLOAT32_IN_FLOAT64, FORMATS, Array, Format
from symact.stabilize.regimes import Regime
from symact.stabilize.sampling import sample, switch_zeros
from symact.stabilize.score import ulp_error
from symact.stabilize.simulate import simulate
from symact.stabilize.truth import Truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from symact.compiler import Compilation
    from symact.program import Wrt

_POINTS = 3000
_FLOOR = 0.1
_SHOWN = 1e4


def error_plot(compilation: Compilation, format_name: str = "float32") -> bytes:
    """A PNG: errors in ULP by simulation, as written and stabilized, with the thresholds between regimes.

    Args:
        compilation: of an elementwise formula of one input.
        format_name: "float32" or "float64".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fmt = FORMATS[format_name]
    (name,) = compilation.formula.inputs
    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 1, sharex=True)
    for row, (wrt, label) in enumerate((((), "value"), ((name,), "derivative"))):
        _draw(axes[row], compilation, wrt, fmt)
        axes[row].set_title(label)
    axes[1].set_xlabel(name)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    title = figure.suptitle(f"{compilation.formula.name}: error by simulation, {format_name}")
    title.set_parse_math(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=140)
    return buffer.getvalue()


def _draw(axes: Axes, compilation: Compilation, wrt: Wrt, fmt: Format) -> None:
    formula = compilation.formula
    (name,) = formula.inputs
    stable = compilation.stable.general[wrt][fmt.name]
    expression = compilation.family.programs[wrt].expression
    domain = (float(formula.domain[0]), float(formula.domain[1]))
    points = sample(fmt, domain, _POINTS, seed=3)
    defaults = {key: float(fmt.round(np.float64(value))) for key, value in formula.defaults.items()}
    kinks = {
        zero
        for switch in switches(expression)
        for zero in switch_zeros(switch, name, points[::8], fmt, defaults)
    }
    points = np.setdiff1d(points, list(kinks))
    truth = Truth(expression, name).at(points, **defaults)
    graphs = {"as written": to_graph(expression), "stabilized": stable.graph}
    ceiling = 2.0 ** (fmt.digits + 2)
    working = {"as written": fmt, "stabilized": FLOAT32_IN_FLOAT64 if stable.in_float64 else fmt}
    shown = np.abs(points) <= _SHOWN
    looks = list(styles(graphs).values())[::-1]
    for (label, graph), (colour, line, marker) in zip(graphs.items(), looks, strict=True):
        errors = ulp_error(simulate(graph, {name: points, **defaults}, working[label]), *truth, fmt)
        x, worst = worst_of_bins(points[shown], np.minimum(errors[shown], ceiling))
        axes.plot(
            x, np.maximum(worst, _FLOOR), color=colour, linestyle=line, marker=marker,
            markevery=11, markersize=4, lw=1.2, label=label,
        )  # fmt: skip
    for i, threshold in enumerate(_thresholds(stable.regimes, stable.parity)):
        axes.axvline(threshold, color="0.6", lw=0.8, ls=":", label="" if i else "threshold between regimes")
    axes.axhline(4, color="0.45", lw=0.8, ls=(0, (2, 2)))
    axes.set_yscale("log")
    axes.set_ylim(_FLOOR * 0.7, ceiling * 4)
    axes.set_ylabel("ULP (top: NaN or inf)")
    axes.grid(True, which="major", color="0.88", lw=0.6)
    set_x_axis(axes, points[shown])


def _thresholds(regimes: tuple[Regime, ...], parity: int) -> Array:
    highs = np.array([regime.high for regime in regimes[:-1]])
    return np.concatenate([-highs, highs]) if parity else highs
