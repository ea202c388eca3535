"""Plots: function and derivative above, the error of every contender below, over a symmetric-log axis."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from symact.stabilize.formats import ALL_FORMATS, Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symact.comparison import Comparison, Curves
    from symact.vjps.comparison import VjpComparison

# Okabe and Ito's palette, told apart by the colour-blind; in print by line style and marker. The three
# lists differ in length, so that many contenders have neither all alike.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (9, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
_TRUTH = "#333333"
_LINEAR_BELOW, _LINEAR_SHARE = 1e-2, 0.35
FLOOR = 0.1
_PANEL = 5.25
_NOT_DRAWN = ("second derivative",)
# Each point drawn is the worst of its bin, of so many over the whole axis: lucky inputs would only be noise.
_BINS = 270
_LONGEST_TITLE = 70


class Style(NamedTuple):
    """What tells one contender from the others."""

    colour: str
    line: Any
    marker: str


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name."""
    looks = zip(cycle(_COLOURS), cycle(_LINES), cycle(_MARKERS), strict=False)
    return {name: Style(*look) for name, look in zip(names, looks, strict=False)}


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
    looks = styles(comparison.contenders)
    figures = comparison.formats[curves.dtype].column(column)
    names = list(curves.errors[column])
    # Where somebody has no finite result is marked above everything, in a line for each who is concerned.
    lines = [name for name in names if np.isnan(curves.errors[column][name]).any()]
    for place, name in enumerate(names):
        colour, line, marker = looks[name]
        errors = curves.errors[column][name]
        x, worst = worst_of_bins(curves.x, errors)
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
        # The worst of all, which the table has too, stands out.
        axes.plot(
            figures[name].worst_at,
            np.clip(figures[name].worst_ulp, FLOOR, ceiling),
            linestyle="none",
            color=colour,
            marker=marker,
            markersize=8,
            markeredgecolor="black",
            zorder=4 + len(names),
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
    axes.set_xlabel("x   (outlined: the worst of each)")
    axes.grid(True, which="major", color="0.88", lw=0.6)
    set_x_axis(axes, curves.x)


def set_x_axis(axes: Axes, x: Array) -> None:
    axes.set_xscale("symlog", linthresh=_LINEAR_BELOW, linscale=_LINEAR_SHARE)
    ends = [s * 10.0**e for e in (-1, 0, 1, 2) for s in (-1, 1)]
    if not len(x):
        return
    ticks = sorted(t for t in [*ends, 0.0] if x[0] <= t <= x[-1])
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(float(x[0]), float(x[-1]))


def worst_of_bins(x: Array, errors: Array) -> tuple[Array, Array]:
    """Bins of equal width on the axis: the largest error in each, where it happens; NaN where all are NaN."""
    place = _on_axis(x)
    width = (place[-1] - place[0]) / _BINS if len(x) else 0.0
    bins = ((place - place[0]) / width).astype(int) if width > 0 else np.zeros(len(x), int)
    # The last of each bin in the order of bin and error.
    order = np.lexsort((np.nan_to_num(errors, nan=-1.0), bins))
    last = order[np.flatnonzero(np.diff(bins[order], append=_BINS + 1))]
    return x[last], errors[last]


def _on_axis(x: Array) -> Array:
    """Where ``set_x_axis`` puts inputs, in decades."""
    beyond = _LINEAR_SHARE + np.log10(np.maximum(np.abs(x) / _LINEAR_BELOW, 1.0))
    return np.where(np.abs(x) > _LINEAR_BELOW, np.sign(x) * beyond, x / _LINEAR_BELOW * _LINEAR_SHARE)
