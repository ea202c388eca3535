"""Plots: function and derivative above, the error of every contender below, over a symmetric-log axis."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from symact.stabilize.formats import ALL_FORMATS, Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symact.comparison import Comparison, Curves
    from symact.vjps.comparison import VjpComparison

# Okabe and Ito's palette, told apart by the colour-blind; in print by line style and marker.
STYLES = (
    ("#0072B2", "-", "o"),
    ("#D55E00", "--", "s"),
    ("#009E73", "-.", "^"),
    ("#CC79A7", ":", "D"),
    ("#E69F00", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("#56B4E9", (0, (1, 1)), "P"),
)
_TRUTH = "#333333"
_LINEAR_BELOW = 1e-2
FLOOR = 0.1
_PANEL = 5.25
_NOT_DRAWN = ("second derivative",)
# Each point drawn is the worst of so many neighbours: single lucky inputs would only be noise.
_STRETCH = 6
_LONGEST_TITLE = 70


def png(comparison: Comparison | VjpComparison, dpi: int = 150) -> bytes:
    """The picture of a comparison as PNG."""
    return _drawn(comparison, "png", dpi)


def svg(comparison: Comparison | VjpComparison) -> str:
    """The picture of a comparison as SVG."""
    return _drawn(comparison, "svg", 72).decode()


@contextmanager
def picture(
    size: tuple[float, float], file_format: str, dpi: int
) -> Iterator[tuple[Figure, Callable[[], bytes]]]:
    """A figure to draw on, and what makes a file of it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {"font.size": 10, "svg.hashsalt": "symact", "svg.fonttype": "path"}
    with mpl.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)

        def finish() -> bytes:
            buffer = io.BytesIO()
            metadata = {"Date": None} if file_format == "svg" else {}
            figure.savefig(buffer, metadata=metadata, format=file_format, dpi=dpi)
            return buffer.getvalue()

        yield figure, finish


def titled(figure: Figure, name: str, formula: str, dtype: str) -> None:
    """Head ``figure`` with what was compared; a long formula is cut."""
    short = formula if len(formula) <= _LONGEST_TITLE else formula[: _LONGEST_TITLE - 1] + "…"
    figure.suptitle(f"{name}: {short}   ({dtype})").set_parse_math(False)


def _drawn(comparison: Comparison | VjpComparison, file_format: str, dpi: int) -> bytes:
    from symact.vjps.comparison import VjpComparison

    if isinstance(comparison, VjpComparison):
        from symact.vjps.plot import vjp_picture

        return vjp_picture(comparison, file_format, dpi)
    columns = [column for column in comparison.curves.truths if column not in _NOT_DRAWN]
    with picture((_PANEL * len(columns), 6.6), file_format, dpi) as (figure, finish):
        axes = figure.subplots(2, len(columns), sharex=True, height_ratios=(2, 3))
        entries: dict[str, Any] = {}
        for i, column in enumerate(columns):
            _draw_truth(axes[0, i], comparison.curves, column)
            _draw_errors(axes[1, i], comparison, column)
            for handle, label in zip(*axes[1, i].get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        if entries:
            figure.legend(
                entries.values(), entries.keys(), loc="outside lower center", ncols=min(4, len(entries))
            )
        titled(figure, comparison.name, comparison.formula, comparison.curves.dtype)
        return finish()


def _draw_truth(axes: Axes, curves: Curves, column: str) -> None:
    truth = curves.truths[column]
    axes.plot(curves.x, np.where(np.isfinite(truth), truth, np.nan), color=_TRUTH, lw=1.6)
    axes.set_title(column)
    axes.set_ylabel("exact" if column == "value" else "")
    # A function that grows without bound would flatten everything else.
    inside = truth[(np.abs(curves.x) <= 10) & np.isfinite(truth)]
    if len(inside):
        low, high = float(inside.min()), float(inside.max())
        margin = 0.08 * max(high - low, 1e-3)
        axes.set_ylim(low - margin, high + margin)
    set_x_axis(axes, curves.x)


def _draw_errors(axes: Axes, comparison: Comparison, column: str) -> None:
    curves = comparison.curves
    ceiling = 4 * 2.0 ** ALL_FORMATS[curves.dtype].digits
    styles = dict(zip(comparison.contenders, cycle(STYLES), strict=False))
    names = list(curves.errors[column])
    # Where somebody has no finite result is marked above everything, in a line for each who is concerned.
    lines = [name for name in names if np.isnan(curves.errors[column][name]).any()]
    for place, name in enumerate(names):
        colour, line, marker = styles[name]
        errors = curves.errors[column][name]
        x, worst = stretches(curves.x, errors)
        axes.plot(
            x,
            np.clip(worst, FLOOR, ceiling),
            linestyle=line,
            color=colour,
            marker=marker,
            # Markers of different contenders stand at different inputs, so that none hides another.
            markevery=(place * 7, 7 * max(2, len(names))),
            markersize=4.5,
            lw=1.3,
            label=name,
            zorder=3 + len(names) - place,
        )
        lost = np.isnan(errors)
        if name in lines:
            axes.plot(
                curves.x[lost],
                np.full(np.count_nonzero(lost), ceiling * 4.0 * 6.0 ** lines.index(name)),
                linestyle="none",
                marker=marker,
                markersize=5,
                color=colour,
                label=f"{name}: NaN or inf",
            )
    axes.axhline(4, color="0.45", lw=0.8, ls=(0, (2, 2)))
    axes.text(1.01, 4, "4", color="0.3", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_yscale("log")
    axes.set_ylim(FLOOR * 0.7, ceiling * 6.0 ** (len(lines) + 1))
    axes.set_ylabel(f"error in ULP of {curves.dtype}" if column == "value" else "")
    axes.set_xlabel("x")
    axes.grid(True, which="major", color="0.88", lw=0.6)
    set_x_axis(axes, curves.x)


def set_x_axis(axes: Axes, x: Array) -> None:
    axes.set_xscale("symlog", linthresh=_LINEAR_BELOW, linscale=0.35)
    ends = [s * 10.0**e for e in (-1, 0, 1, 2) for s in (-1, 1)]
    if not len(x):
        return
    ticks = sorted(t for t in [*ends, 0.0] if x[0] <= t <= x[-1])
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(float(x[0]), float(x[-1]))


def stretches(x: Array, errors: Array) -> tuple[Array, Array]:
    """The inputs thinned out, with the largest error around each; NaN where all around are NaN."""
    count = len(x) // _STRETCH * _STRETCH
    blocks = errors[:count].reshape(-1, _STRETCH)
    worst = np.where(np.isnan(blocks).all(axis=1), np.nan, np.nanmax(np.nan_to_num(blocks, nan=-1.0), axis=1))
    return x[:count].reshape(-1, _STRETCH)[:, _STRETCH // 2], worst
