"""Text: comparisons of vector–Jacobian products for the terminal, and the cells that a page shows too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symact.report import figures_table
from symact.stabilize.score import WRONG
from symact.text_tables import rendered, table_of, ulp_text
from symact.vjps.comparison import FormatVjps, VjpComparison
from symact.vjps.scoring import VjpFigures

VJP_TITLES = ("worst ULP", "of Jacobian", "at", "mean bits", "NaN", "inf", "wrong 0")


def vjp_headline(comparison: VjpComparison) -> str:
    """One sentence that says who is right; why others have no gradient is said in ``vjp_notes``."""
    return "; ".join(filter(None, (_verdict(name, comparison) for name in comparison.contenders))) + "."


def _verdict(name: str, comparison: VjpComparison) -> str:
    own = {title: by_name[name] for title, by_name in comparison.gradients.items() if name in by_name}
    if not own:
        return ""
    kinds = (("NaN", sum(f.nan for f in own.values())), ("inf", sum(f.inf for f in own.values())))
    lost = " and ".join(f"{count} {kind}" for kind, count in kinds if count) or "no NaN"
    known = [(f.worst_ulp, title) for title, f in own.items() if f.worst_ulp == f.worst_ulp]
    if not known:
        return f"{name}: no finite gradient, {lost}"
    worst, title = max(known)
    if worst >= WRONG / 2:
        return f"{name}: {title} altogether wrong, {lost}"
    return f"{name}: {title} off by at most {ulp_text(worst)} ULP, {lost}"


def vjp_notes(comparison: VjpComparison) -> list[str]:
    """What is measured, and who could not be compared and why."""
    notes = [f"Errors are in {comparison.unit}; of Jacobian: of the latter everywhere."]
    places: dict[tuple[str, str], list[str]] = {}
    for dtype, compared in comparison.formats.items():
        for name, reasons in compared.problems.items():
            for column, why in reasons.items():
                places.setdefault((name, why), []).append(f"{column} in {dtype}")
    everywhere = sum(len(compared.columns) for compared in comparison.formats.values())
    for (name, why), where in places.items():
        what = "" if len(where) == everywhere else f" ({', '.join(where)})"
        notes.append(f"{name}: not compared{what}: {why}")
    return notes


def worst_lines(comparison: VjpComparison) -> list[str]:
    """For each contender, the input and cotangent of its worst gradient, to be tried again."""
    lines = []
    for title, by_name in comparison.gradients.items():
        for name, figures in by_name.items():
            if figures.worst_at is not None and figures.worst_ulp > 0:
                error = (
                    "altogether wrong"
                    if figures.worst_ulp >= WRONG / 2
                    else f"{ulp_text(figures.worst_ulp)} ULP"
                )
                lines.append(f"{name}, {title}: {error} at {figures.worst_at}")
    return lines


def vjp_text(comparison: VjpComparison, width: int | None = None) -> str:
    """The comparison as tables: every format, then the kinds of points in the first one."""
    given = ", ".join(f"{name} = {value:g}" for name, value in comparison.parameters.items())
    parts = [comparison.formula, vjp_headline(comparison), *vjp_notes(comparison)]
    parts += [f"Compared at {given}."] if given else []
    tables = [
        figures_table(vjp_format_title(dtype, compared), VJP_TITLES, vjp_rows(compared), width)
        for dtype, compared in comparison.formats.items()
    ]
    tables += [_kinds_table(comparison, title, width) for title in comparison.columns]
    where = [f"Worst in {comparison.dtype}:", *worst_lines(comparison)]
    return "\n".join([*parts, "", *tables, *where]) + "\n"


def vjp_format_title(dtype: str, compared: FormatVjps) -> str:
    """The format and what was tried in it."""
    return f"{dtype}: {compared.points:,} points, {compared.results:,} products by each variable"


def vjp_rows(compared: FormatVjps) -> list[list[str]]:
    """Column, contender and figures, row by row."""
    return [
        [title if i == 0 else "", name, *_cells(figures)]
        for title, by_name in compared.columns.items()
        for i, (name, figures) in enumerate(by_name.items())
    ]


def _cells(figures: VjpFigures) -> list[str]:
    known = figures.worst_at is not None
    return [
        ulp_text(figures.worst_ulp),
        ulp_text(figures.worst_of_jacobian),
        figures.worst_at.kind if figures.worst_at is not None else "-",
        f"{figures.mean_bits:.3f}" if known else "-",
        *(str(count) if count else "-" for count in (figures.nan, figures.inf, figures.wrong_zero)),
    ]


def kind_cell(figures: VjpFigures) -> str:
    """The worst error over one kind of points, and how many results are not finite."""
    if not figures.count:
        return "no true value"
    parts = [f"{count} {what}" for count, what in ((figures.nan, "NaN"), (figures.inf, "inf")) if count]
    if figures.worst_at is not None:
        parts.insert(0, "0" if figures.worst_ulp == 0 else ulp_text(figures.worst_ulp))
    return ", ".join(parts)


def kind_rows(comparison: VjpComparison, title: str) -> Iterator[list[str]]:
    """For every kind of points, how each contender did in one column."""
    names = list(comparison.columns[title])
    for row in comparison.kinds:
        yield [row.kind, str(row.points), *(kind_cell(row.columns[title][name]) for name in names)]


def kind_heads(comparison: VjpComparison, title: str) -> Sequence[str]:
    return ["", "points", *comparison.columns[title]]


def _kinds_table(comparison: VjpComparison, title: str, width: int | None) -> str:
    table = table_of(f"{title} in {comparison.dtype}: worst error in ULP by kind of point")
    for place, head in enumerate(kind_heads(comparison, title)):
        table.add_column(head, justify="right" if place == 1 else "left")
    for cells in kind_rows(comparison, title):
        table.add_row(*cells)
    return rendered(table, width, keep=2)
