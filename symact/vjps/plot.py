"""Plot: the worst error of every contender by kind of point, a panel for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symact.plots import FLOOR, picture, styles, titled
from symact.stabilize.formats import ALL_FORMATS
from symact.vjps.comparison import VjpComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = 4.0
_ROW = 0.34


def vjp_picture(comparison: VjpComparison, file_format: str, dpi: int) -> bytes:
    """The picture as PNG or SVG."""
    columns = list(comparison.columns)
    size = (2.0 + _PANEL * len(columns), 2.2 + _ROW * len(comparison.kinds))
    with picture(size, file_format, dpi) as (figure, finish):
        axes = figure.subplots(1, len(columns), sharey=True, sharex=True, squeeze=False)[0]
        for axis, column in zip(axes, columns, strict=True):
            _draw(axis, comparison, column)
        entries = {label: h for a in axes for h, label in zip(*a.get_legend_handles_labels(), strict=True)}
        if entries:
            figure.legend(
                entries.values(), entries.keys(), loc="outside lower center", ncols=min(4, len(entries))
            )
        titled(figure, comparison.name, comparison.formula, comparison.dtype)
        return finish()


def _draw(axes: Axes, comparison: VjpComparison, column: str) -> None:
    """One column: a row for each kind, contenders beside each other; what is not finite at the right."""
    ceiling = 4 * 2.0 ** ALL_FORMATS[comparison.dtype].digits
    looks = styles(comparison.contenders)
    names = list(comparison.columns[column])
    kinds = [row.kind for row in comparison.kinds]
    for place, name in enumerate(names):
        colour, _, marker = looks[name]
        figures = [row.columns[column][name] for row in comparison.kinds]
        worst = np.array([f.worst_ulp if f.count else np.nan for f in figures])
        rows = np.arange(len(kinds)) + 0.5 * ((place + 0.5) / len(names) - 0.5)
        axes.plot(
            np.clip(worst, FLOOR, ceiling),
            rows,
            linestyle="none",
            marker=marker,
            markersize=6,
            color=colour,
            label=name,
        )
        lost = np.array([f.nan + f.inf > 0 for f in figures])
        if lost.any():
            axes.plot(
                np.full(np.count_nonzero(lost), ceiling * 30),
                rows[lost],
                linestyle="none",
                marker=marker,
                markersize=6,
                color=colour,
                markerfacecolor="none",
                label=f"{name}: NaN or inf",
            )
    axes.axvline(4, color="0.45", lw=0.8, ls=(0, (2, 2)))
    axes.set_xscale("log")
    axes.set_xlim(FLOOR * 0.5, ceiling * 200)
    axes.axvspan(ceiling * 6, ceiling * 200, color="0.93", zorder=0, lw=0)
    axes.text(ceiling * 30, -0.95, "not\nfinite", color="0.3", fontsize=7, ha="center", va="top")
    axes.set_xticks([10.0**e for e in range(0, int(np.log10(ceiling)) + 1, 2 if ceiling < 1e12 else 4)])
    axes.minorticks_off()
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -1.0)
    axes.set_title(column)
    axes.set_xlabel(f"worst error in ULP of {comparison.dtype}")
    axes.grid(True, axis="y", color="0.9", lw=0.6)
    axes.set_axisbelow(True)
