"""Tables for the terminal: as narrow as asked for where that can be, and never a figure less."""

from __future__ import annotations

import pytest

from symact.console import width
from symact.report import figures_table
from symact.text_tables import rendered, table_of

HEADS = ("worst ULP", "at x", "mean bits", "rounded", "NaN", "inf", "wrong 0", "wrong sign")
FIGURES = ["5.2e+08", "-0.000472751", "14.352", "100%", "1132", "1133", "1134", "1135"]


def wide_table(names):
    table = table_of("title")
    table.add_column("range", min_width=18)
    for name in names:
        table.add_column(name)
        table.add_column("rounded", justify="right")
    for i in range(5):
        table.add_row(f"{i} … {i + 1}", *(cell for name in names for cell in (f"{i}.5 at {name}", "50%")))
    return table


@pytest.mark.parametrize("columns", [60, 80, 120, 400])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_table_that_is_too_wide_comes_in_parts_with_all_its_cells(columns, count):
    names = [f"contender_{i}" for i in range(count)]
    lines = rendered(wide_table(names), columns, keep=1, each=2).splitlines()
    assert max(map(len, lines)) <= columns
    text = " ".join("\n".join(lines).split())
    for name in names:
        for i in range(5):
            assert f"{i}.5 at {name}" in text
    assert text.count("range") == 1 if columns == 400 else True
    assert "…" not in text.replace(" … ", "")


@pytest.mark.parametrize("name", ["symact", "keras.activations.mish"])
def test_figures_and_names_are_never_cut(name):
    rows = [["second derivative", name, *FIGURES], ["", "autodiff", *FIGURES]]
    for columns in (40, 80, 160):
        text = figures_table("title", HEADS, rows, columns)
        for part in (*FIGURES, name, "sign"):
            assert part in text
        assert "…" not in text
    assert max(map(len, figures_table("title", HEADS, rows[1:], 80).splitlines())) <= 80


def test_the_width_is_what_columns_says(monkeypatch):
    monkeypatch.setenv("COLUMNS", "97")
    assert width() == 97
