"""Sweep text: the figures of an exhaustive comparison as text, and its progress on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symact.progress import Line
from symact.report import FIGURE_TITLES, figure_cells, figures_table

if TYPE_CHECKING:
    from symact.exhaustive import Exhaustive

SWEEP_TITLES = (*FIGURE_TITLES, "undecided")


def sweep_title(found: Exhaustive) -> str:
    """What was tried."""
    whole = found.chunks == found.of
    share = "every float32 input" if whole else f"{found.chunks} of {found.of} parts of all float32 inputs"
    count = max((f.count for f in found.values.values()), default=0)
    return f"{share}: {count:,} finite ones judged"


def sweep_rows(found: Exhaustive) -> list[list[str]]:
    """Column, contender and figures, row by row."""
    return [
        [title if i == 0 else "", name, *figure_cells(figures), f"{figures.undecided or '-'}"]
        for title, column in (("value", found.values), ("derivative", found.gradients))
        for i, (name, figures) in enumerate(column.items())
    ]


def sweep_text(found: Exhaustive, width: int | None = None) -> str:
    """The figures over all float32 inputs as a table."""
    lost = [f"{name}: {n} NaN inputs did not give NaN" for name, n in found.nan_lost.items() if n]
    table = figures_table(sweep_title(found), SWEEP_TITLES, sweep_rows(found), width)
    return "\n".join([found.formula, *(lost or ["NaN inputs give NaN."]), "", table])


class ProgressLine:
    """A line on the terminal with the share done and the time left; it stays when all is done."""

    def __init__(self) -> None:
        self._line = Line()
        self._at_first: int | None = None

    def __call__(self, done: int, wanted: int, seconds: float) -> None:
        if self._at_first is None:  # what the journal held already took no time of this run
            self._at_first = done - 1
        left = seconds / (done - self._at_first) * (wanted - done)
        self._line.show(
            f"{done / wanted:7.2%} of all float32 inputs, {_clock(seconds)} so far, {_clock(left)} left"
        )
        if done == wanted:
            self._line.keep()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
