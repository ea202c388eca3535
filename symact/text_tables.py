"""Text tables: tables for the terminal, and numbers in them."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from symact.stabilize.score import WRONG

_WIDTH_WITHOUT_A_TERMINAL = 160


def table_of(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def rendered(table: Table, width: int | None) -> str:
    """The table as text, without colour: as wide as asked for, or as its longest words need."""
    # As a line of its own: in the table it would be broken to the width of the columns.
    title, table.title = table.title, None
    console = Console(file=io.StringIO(), width=width or _WIDTH_WITHOUT_A_TERMINAL, color_system=None)
    needed = Measurement.get(console, console.options, table).minimum
    console.width = max(console.width, needed)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    lines = "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
    return f"{title}\n{lines}"


def ulp_text(error: float) -> str:
    """An error in ULP; "wrong" for a number where the truth is 0 or infinite."""
    if error != error:
        return "-"
    return "wrong" if error >= WRONG / 2 else f"{error:.1f}" if error < 1000 else f"{error:.1e}"
