"""Report: comparisons and explanations as text for the terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from symact.comparison import COLUMNS, Comparison, FormatComparison
from symact.compiler import Compilation
from symact.figures import Figures
from symact.program import Wrt
from symact.schedule import AxisSchedule, Schedule
from symact.stabilize.score import WRONG
from symact.stabilize.search import Stable

_ORDINALS = ("value", "derivative", "second derivative", "third derivative", "fourth derivative")
_WIDTH_WITHOUT_A_TERMINAL = 160


def headline(comparison: Comparison) -> str:
    """One sentence that says who is right."""
    return "; ".join(_verdict(name, comparison) for name in comparison.contenders) + "."


def _verdict(name: str, comparison: Comparison) -> str:
    if name not in comparison.gradients:
        return f"{name}: no gradient to compare"
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
            for column in COLUMNS:
                if column in reasons:
                    places.setdefault((name, reasons[column]), []).append(f"{column} in {dtype}")
    everywhere = len(COLUMNS) * len(comparison.formats)
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


def comparison_text(comparison: Comparison, width: int | None = None) -> str:
    """The comparison as tables: every format, chosen points, then ranges in the first format.

    Args:
        comparison: what to show.
        width: of the terminal, in characters; numbers are never cut, so a table may be wider.
    """
    parts = [comparison.formula, headline(comparison), *problem_lines(comparison)]
    parts += [line for line in [kink_line(comparison)] if line]
    rows = comparison.ranges
    tables = [
        *(_format_table(dtype, compared, width) for dtype, compared in comparison.formats.items()),
        _points_table(comparison, width),
        _specials_table(comparison, width),
        _ranges_table(comparison, "Derivative", [r.gradients for r in rows], comparison.gradients, width),
        _ranges_table(comparison, "Value", [r.values for r in rows], comparison.values, width),
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
        for column in COLUMNS
        for i, (name, figures) in enumerate(compared.column(column).items())
    ]
    return figures_table(format_title(dtype, compared), FIGURE_TITLES, rows, width)


def figures_table(title: str, heads: Iterable[str], rows: Iterable[list[str]], width: int | None) -> str:
    """Rows of column, contender and figures under ``heads``."""
    table = _table(title)
    table.add_column("")
    table.add_column("")
    for head in heads:
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*row)
    return _rendered(table, width)


def _points_table(comparison: Comparison, width: int | None) -> str:
    table = _table(f"Derivative at chosen points, with its error in ULP of {comparison.dtype}")
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
    return _rendered(table, width)


def _specials_table(comparison: Comparison, width: int | None) -> str:
    table = _table(f"Where the input is not finite, {comparison.dtype}")
    table.add_column("x", justify="right")
    for title in ("", "limit", *comparison.values):
        table.add_column(title, justify="left" if not title else "right")
    for row in comparison.formats[comparison.dtype].specials:
        results = [f"{row.results[n]:.6g}" if n in row.results else "-" for n in comparison.values]
        table.add_row(f"{row.x:g}", row.column, f"{row.truth:.6g}", *results)
    return _rendered(table, width)


def _ranges_table(
    comparison: Comparison,
    what: str,
    rows: list[Mapping[str, Figures]],
    whole: Mapping[str, Figures],
    width: int | None,
) -> str:
    table = _table(
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
    return _rendered(table, width)


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


def ulp_text(error: float) -> str:
    """An error in ULP; "wrong" for a number where the truth is 0 or infinite."""
    if error != error:
        return "-"
    return "wrong" if error >= WRONG / 2 else f"{error:.1f}" if error < 1000 else f"{error:.1e}"


def stage_text(compilation: Compilation, stage: str) -> str:
    """What one stage of the compiler made of the formula; "emit" is the module itself."""
    if stage == "emit":
        return compilation.source
    return "\n".join(_stage_lines(compilation, stage)) + "\n"


def _stage_lines(compilation: Compilation, stage: str) -> Iterator[str]:
    formula = compilation.formula
    if stage == "parse":
        yield f"expression   {formula.expression}"
        yield f"name         {formula.name} (Layer {formula.class_name})"
        yield f"input        {', '.join(formula.inputs)} in ({formula.domain[0]}, {formula.domain[1]})"
        for parameter in formula.parameters:
            yield f"parameter    {parameter.name} = {parameter.default}"
    elif stage == "lower":
        yield from (f"{item}" for item in compilation.program.stages)
    elif isinstance(compilation.schedule, AxisSchedule):
        yield from compilation.schedule.stages
    elif stage == "derive":
        for wrt, program in compilation.family.programs.items():
            yield f"{_label(wrt)}: {program.expression}"
    elif stage == "stabilize":
        for wrt, formats in compilation.stable.general.items():
            for name, stable in formats.items():
                yield f"{_label(wrt)}, {name}: {stable.graph}"
    else:
        plan = compilation.schedule
        yield _plan_line(compilation)
        for kernel in plan.kernels.values():
            yield f"{_label(kernel.wrt)}, float32: {kernel.float32}"
            if kernel.float64 is not kernel.float32:
                yield f"{_label(kernel.wrt)}, float64: {kernel.float64}"


def _label(wrt: Wrt) -> str:
    by = f" by {' '.join(wrt)}" if len(set(wrt)) > 1 or (wrt and wrt[0] != "x") else ""
    return _ORDINALS[len(wrt)] + by


def _derivative_lines(plan: Schedule) -> list[str]:
    if len(plan.derivatives) == 1:
        return [f"derivative   {text}" for text in plan.derivatives.values()]
    return [f"derivative by {name}   {text}" for name, text in plan.derivatives.items()]


def _plan_line(compilation: Compilation) -> str:
    plan = compilation.schedule
    assert isinstance(plan, Schedule)
    fusion = "fused by XLA" if plan.jit_compile else "op by op"
    return f"plan         order {plan.order}, backward keeps the {plan.residual}, {fusion}"


def explanation_text(compilation: Compilation, width: int | None = None) -> str:
    """What the compiler found out and chose: derivative, kinks, regimes, and what they gained."""
    formula, plan = compilation.formula, compilation.schedule
    if isinstance(plan, AxisSchedule):
        stages = [f"stage        {line}" for line in plan.stages]
        conventions = [f"convention   {line}" for line in plan.conventions]
        return "\n".join([f"formula      {formula.text}", *stages, *conventions, ""])
    lines = [f"formula      {formula.text}", *_derivative_lines(plan)]
    lines += [f"convention   {line}" for line in plan.conventions]
    lines.append(_plan_line(compilation))
    tables = [
        _regimes_table(f"{_label(wrt)}, {name}", stable, width)
        for wrt, by_format in compilation.stable.general.items()
        for name, stable in by_format.items()
    ]
    tables += [
        _regimes_table(f"{_label(wrt)} at the parameters' defaults, {name}", stable, width)
        for wrt, by_format in compilation.stable.at_defaults.items()
        for name, stable in by_format.items()
    ]
    return "\n".join([*lines, "", *tables])


def _regimes_table(title: str, stable: Stable, width: int | None) -> str:
    before, after = stable.before, stable.after
    table = _table(
        f"{title}: worst {ulp_text(before.worst)} → {ulp_text(after.worst)} ULP, "
        f"mean {before.mean_bits:.2f} → {after.mean_bits:.2f} bits (simulated)"
    )
    table.add_column("|x| up to" if stable.parity else "x up to", justify="right")
    table.add_column("form")
    table.add_column("identities")
    for regime in stable.regimes:
        rules = ", ".join(sorted(regime.candidate.rules)) or "-"
        table.add_row(f"{regime.high:.6g}", regime.candidate.name, rules)
    return _rendered(table, width)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _rendered(table: Table, width: int | None) -> str:
    """The table as text, without colour: as wide as asked for, or as its longest words need."""
    console = Console(file=io.StringIO(), width=width or _WIDTH_WITHOUT_A_TERMINAL, color_system=None)
    needed = Measurement.get(console, console.options, table).minimum
    console.width = max(console.width, needed)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
