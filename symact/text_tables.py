"""Text tables: tables for the terminal, and numbers in them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

from symact.stabilize.score import WRONG

_WIDTH_WITHOUT_A_TERMINAL = 160
_ENDLESS = 100_000


def table_of(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False
    )


def rendered(table: Table, width: int | None, keep: int | None = None, each: int = 1) -> str:
    """The table as text, without colour: as wide as asked for, or as its longest words need.

    Args:
        table: what is shown.
        width: of the terminal, in characters.
        keep: how many first columns every part repeats if the table is to be shown in parts, one below
            the other, where it is too wide; None for one that is not.
        each: how many columns after those belong together.
    """
    # As a line of its own: in the table it would be broken to the width of the columns.
    title, table.title = str(table.title), None
    width = width or _WIDTH_WITHOUT_A_TERMINAL
    console = Console(file=io.StringIO(), width=_ENDLESS, color_system=None)
    for part in [table] if keep is None else _parts(table, width, keep, each):
        _fit(part, width)
        console.print()
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    lines = "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
    return f"{title}\n{lines}\n"


def _fit(table: Table, width: int) -> None:
    """Set the columns' widths so that no word is cut, which rich does where a table is a little too wide."""
    spare = width - _width(table, _longest_word)
    for column in table.columns:
        least = _longest_word(column)
        more = max(0, min(spare, _longest_cell(column) - least))
        column.width, spare = least + more, spare - more


def _parts(table: Table, width: int, keep: int, each: int) -> Iterator[Table]:
    """Tables of as many groups of columns as fit unbroken, or one."""
    first = keep
    while first < len(table.columns):
        last = first + each
        while last < len(table.columns) and (
            _width(_part(table, keep, slice(first, last + each)), _longest_cell) <= width
        ):
            last += each
        yield _part(table, keep, slice(first, last))
        first = last


def _part(table: Table, keep: int, columns: slice) -> Table:
    chosen = [*table.columns[:keep], *table.columns[columns]]
    part = table_of("")
    part.title = None
    for column in chosen:
        part.add_column(column.header, justify=column.justify, min_width=column.min_width)
    for row, cells in zip(table.rows, zip(*(column.cells for column in chosen), strict=True), strict=True):
        part.add_row(*cells, end_section=row.end_section)
    return part


def _width(table: Table, measure: Callable[[Column], int]) -> int:
    # Two between columns, and one after the last.
    return sum(measure(column) + 2 for column in table.columns) - 1


def _longest_word(column: Column) -> int:
    words = [word for text in (column.header, *column.cells) for word in str(text).split()]
    return max([column.min_width or 0, *map(cell_len, words)])


def _longest_cell(column: Column) -> int:
    return max([column.min_width or 0, *(cell_len(str(text)) for text in (column.header, *column.cells))])


def ulp_text(error: float) -> str:
    """An error in ULP; "wrong" for a number where the truth is 0 or infinite."""
    if error != error:
        return "-"
    return "wrong" if error >= WRONG / 2 else f"{error:.1f}" if error < 1000 else f"{error:.1e}"
