"""Report: comparisons as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from symact.comparison import Comparison, FormatComparison
from symact.figures import Figures
from symact.stabilize.score import WRONG
from symact.text_tables import rendered, table_of, ulp_text

if TYPE_CHECKING:
    from symact.vjps.comparison import VjpComparison


def headline(comparison: Comparison) -> str:
    """One sentence that says who is right; why others have no gradient is said in ``problem_lines``."""
    return (
        "; ".join(_verdict(n, comparison) for n in comparison.contenders if n in comparison.gradients) + "."
    )


def _verdict(name: str, comparison: Comparison) -> str:
    figures = comparison.gradients[name]
    wrong = " and ".join(_not_finite(figures)) or "no NaN"
    if figures.worst_ulp != figures.worst_ulp:
        return f"{name}: no finite gradient, {wrong}"
    where = f"at x = {figures.worst_at:.6g}"
    if figures.worst_ulp >= WRONG / 2:
        return f"{name}: gradient altogether wrong {where}, {wrong}"
    return f"{name}: gradient off by at most {ulp_text(figures.worst_ulp)} ULP {where}, {wrong}"


def problem_lines(comparison: Comparison) -> list[str]:
    """Who could not be compared, in which columns and formats, and why; a line for each reason."""
    places: dict[tuple[str, str], list[str]] = {}
    for dtype, compared in comparison.formats.items():
        for name, reasons in compared.problems.items():
            for column in compared.titles:
                if column in reasons:
                    places.setdefault((name, reasons[column]), []).append(f"{column} in {dtype}")
    everywhere = sum(len(compared.titles) for compared in comparison.formats.values())
    return [
        f"{name}: not compared{'' if len(where) == everywhere else ' (' + ', '.join(where) + ')'}: {why}"
        for (name, why), where in places.items()
    ]


def kink_line(comparison: Comparison) -> str:
    """What is said of the kinks, if there are any."""
    if not comparison.kinks:
        return ""
    listed = ", ".join(f"{kink:.6g}" for kink in comparison.kinks)
    return f"At the kinks (x = {listed}) either side's derivative and all between them count as right."


def screened_lines(comparison: Comparison) -> list[str]:
    """How densely the worst places were looked for, and so what may have been missed."""
    lines = []
    for dtype, compared in comparison.formats.items():
        found = compared.screened
        if found is not None:
            low, high = found.often
            open_ = f" ({found.undecided:,} of them by symact's own result)" if found.undecided else ""
            small = f"an error below {found.smallest_ulp:,.0f} ULP, or " if found.smallest_ulp > 1 else ""
            all_of_them = "; --exhaustive looks at every input" if dtype == "float32" else ""
            lines.append(
                f"{dtype}: the worst {' and '.join(found.columns)} were looked for at {found.inputs:,} inputs"
                f"{open_}; {small}an error in an interval narrower than {found.narrowest_often:.1e}·|x| for "
                f"{low:g} ≤ |x| ≤ {high:g}, or than {found.narrowest:.1e}·|x| elsewhere, may be missed"
                f"{all_of_them}."
            )
    return lines


def comparison_text(comparison: Comparison | VjpComparison, width: int | None = None) -> str:
    """The comparison as tables: every format, chosen points, then ranges in the first format.

    Args:
        comparison: what to show.
        width: of the terminal, in characters; tables that are wider come in parts; numbers are never cut.
    """
    from symact.vjps.comparison import VjpComparison

    if isinstance(comparison, VjpComparison):
        from symact.vjps.text import vjp_text

        return vjp_text(comparison, width)
    parts = [comparison.formula, headline(comparison), *problem_lines(comparison)]
    parts += [line for line in [kink_line(comparison), *screened_lines(comparison)] if line]
    rows = comparison.ranges
    tables = [
        *(_format_table(dtype, compared, width) for dtype, compared in comparison.formats.items()),
        _points_table(comparison, width),
        _specials_table(comparison, width),
        _ranges_table(comparison, "Derivative", [r.gradients for r in rows], comparison.gradients, width),
        _ranges_table(comparison, "Value", [r.values for r in rows], comparison.values, width),
        *(
            _ranges_table(comparison, title, [r.parameter_gradients[title] for r in rows], whole, width)
            for title, whole in comparison.parameter_gradients.items()
        ),
    ]
    return "\n".join([*parts, "", *tables])


FIGURE_TITLES = ("worst ULP", "at x", "mean bits", "rounded", "NaN", "inf", "wrong 0", "wrong sign")


def figure_cells(figures: Figures) -> list[str]:
    """One contender's figures, in the order of ``FIGURE_TITLES``."""
    known = figures.worst_ulp == figures.worst_ulp
    bits = f"{figures.mean_bits:.3f}" if known else "-"
    counts = [figures.nan, figures.inf, figures.wrong_zero, figures.wrong_sign]
    return [
        ulp_text(figures.worst_ulp),
        f"{figures.worst_at:.9g}" if known else "-",
        bits,
        share_text(figures.correctly_rounded),
        *(str(count) if count else "-" for count in counts),
    ]


def format_title(dtype: str, compared: FormatComparison) -> str:
    """The format and what was tried in it."""
    tried = "every number" if compared.coverage == "all" else "sampled numbers with kinks and roots"
    return f"{dtype}: {compared.inputs:,} inputs, {tried}"


def _format_table(dtype: str, compared: FormatComparison, width: int | None) -> str:
    rows = [
        [column if i == 0 else "", name, *figure_cells(figures)]
        for column in compared.titles
        for i, (name, figures) in enumerate(compared.column(column).items())
    ]
    return figures_table(format_title(dtype, compared), FIGURE_TITLES, rows, width)


def figures_table(title: str, heads: Iterable[str], rows: Iterable[list[str]], width: int | None) -> str:
    """Rows of column, contender and figures under ``heads``."""
    table = table_of(title)
    table.add_column("")
    table.add_column("")
    for head in heads:
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*row)
    return rendered(table, width)


def _points_table(comparison: Comparison, width: int | None) -> str:
    table = table_of(f"Derivative at chosen points, with its error in ULP of {comparison.dtype}")
    table.add_column("x", justify="right")
    table.add_column("truth", justify="right")
    names = list(comparison.gradients)
    for name in names:
        table.add_column(name, justify="right")
        table.add_column("ULP", justify="right")
    for row in comparison.points:
        cells = [f"{row.x:.6g}", f"{row.truth:.8g}"]
        for name in names:
            known = name in row.ulps
            cells += [
                f"{row.gradients[name]:.8g}" if known else "-",
                ulp_text(row.ulps[name]) if known else "-",
            ]
        table.add_row(*cells)
    return rendered(table, width, keep=2, each=2)


def _specials_table(comparison: Comparison, width: int | None) -> str:
    table = table_of(f"Where the input is not finite, {comparison.dtype}")
    table.add_column("x", justify="right")
    for title in ("", "limit", *comparison.values):
        table.add_column(title, justify="left" if not title else "right")
    for row in comparison.formats[comparison.dtype].specials:
        results = [f"{row.results[n]:.6g}" if n in row.results else "-" for n in comparison.values]
        table.add_row(f"{row.x:g}", row.column, f"{row.truth:.6g}", *results)
    return rendered(table, width, keep=3)


def _ranges_table(
    comparison: Comparison,
    what: str,
    rows: list[Mapping[str, Figures]],
    whole: Mapping[str, Figures],
    width: int | None,
) -> str:
    table = table_of(
        f"{what} in {comparison.dtype}: worst error in ULP over ranges, and share correctly rounded"
    )
    labels = [f"{row.low:.4g} … {row.high:.4g}" for row in comparison.ranges]
    table.add_column("range", min_width=max(map(len, labels)))
    for name in whole:
        table.add_column(name)
        table.add_column("rounded", justify="right")
    for label, figures in zip([*labels, "all"], [*rows, whole], strict=True):
        if label == "all":
            table.add_section()
        cells = []
        for name in whole:
            cells += [range_cell(figures[name]), share_text(figures[name].correctly_rounded)]
        table.add_row(label, *cells)
    return rendered(table, width, keep=1, each=2)


def range_cell(figures: Figures) -> str:
    """The worst error, where it happens, and how many results are not finite."""
    if not figures.count:
        return "no true value"
    parts = _not_finite(figures)
    if figures.worst_ulp == 0:
        parts.insert(0, "0")
    elif figures.worst_ulp == figures.worst_ulp:
        parts.insert(0, f"{ulp_text(figures.worst_ulp)} at {figures.worst_at:.4g}")
    return ", ".join(parts)


def _not_finite(figures: Figures) -> list[str]:
    return [f"{count} {kind}" for count, kind in ((figures.nan, "NaN"), (figures.inf, "inf")) if count]


def share_text(part: float) -> str:
    """A share in per cent."""
    # Rounded down: 100% means all of them.
    return "-" if part != part else f"{int(100 * part)}%"
