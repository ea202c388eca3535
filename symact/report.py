"""Report: comparisons and explanations as text for the terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from symact.comparison import Comparison, Figures
from symact.compiler import Compilation
from symact.stabilize.search import Stable

_ORDINALS = ("value", "derivative", "second derivative", "third derivative", "fourth derivative")


def headline(comparison: Comparison) -> str:
    """One sentence that says who is right."""
    parts = []
    for name in comparison.contenders:
        figures = comparison.gradients[name]
        wrong = [f"{n} {kind}" for n, kind in ((figures.nan, "NaN"), (figures.inf, "inf")) if n]
        worst = f"gradient off by at most {_ulp(figures.worst_ulp)} ULP at x = {figures.worst_at:.6g}"
        parts.append(f"{name}: {worst}, {' and '.join(wrong) or 'no NaN'}")
    return "; ".join(parts) + "."


def comparison_text(comparison: Comparison, width: int | None = None) -> str:
    """The comparison as tables: chosen points, then ranges."""
    parts = [f"{comparison.formula}  ({comparison.dtype})", headline(comparison)]
    parts += [f"{name}: not compared: {why}" for name, why in comparison.problems.items()]
    if comparison.kinks:
        listed = ", ".join(f"{kink:.6g}" for kink in comparison.kinks)
        parts.append(f"At the kinks (x = {listed}) every subgradient counts as right.")
    return "\n".join([*parts, "", _points_table(comparison, width), _ranges_table(comparison, width)])


def _points_table(comparison: Comparison, width: int | None) -> str:
    table = Table(title="Gradient at chosen points", title_justify="left")
    for column in ("x", "truth", *comparison.contenders, *(f"{c} ULP" for c in comparison.contenders)):
        table.add_column(column, justify="right", no_wrap=True)
    for row in comparison.points:
        gradients = [f"{row.gradients[name]:.8g}" for name in comparison.contenders]
        ulps = [_ulp(row.ulps[name]) for name in comparison.contenders]
        table.add_row(f"{row.x:.6g}", f"{row.truth:.8g}", *gradients, *ulps)
    return _rendered(table, width)


def _ranges_table(comparison: Comparison, width: int | None) -> str:
    table = Table(title="Worst error in ULP over ranges (NaN, inf counts)", title_justify="left")
    table.add_column("range", no_wrap=True)
    kinds = [(kind, name) for kind in ("value", "gradient") for name in comparison.contenders]
    for kind, name in kinds:
        table.add_column(f"{kind}, {name}", justify="right")
    for row in comparison.ranges:
        figures = {"value": row.values, "gradient": row.gradients}
        cells = [_cell(figures[kind][name]) for kind, name in kinds]
        table.add_row(f"{row.low:.4g} … {row.high:.4g}", *cells)
    whole = {"value": comparison.values, "gradient": comparison.gradients}
    table.add_section()
    table.add_row("all", *(_cell(whole[kind][name]) for kind, name in kinds))
    return _rendered(table, width)


def _cell(figures: Figures) -> str:
    counts = [f"{n} {kind}" for n, kind in ((figures.nan, "NaN"), (figures.inf, "inf")) if n]
    return _ulp(figures.worst_ulp) + (f" ({', '.join(counts)})" if counts else "")


def _ulp(error: float) -> str:
    if error != error:
        return "-"
    return "wrong" if error >= 2.0**79 else f"{error:.1f}" if error < 1000 else f"{error:.1e}"


def explanation_text(compilation: Compilation, width: int | None = None) -> str:
    """What the compiler found out and chose: derivative, kinks, regimes, and what they gained."""
    formula, plan = compilation.formula, compilation.schedule
    lines = [f"formula      {formula.text}", f"derivative   {plan.derivative}"]
    lines += [f"convention   {line}" for line in plan.conventions]
    lines.append(
        f"plan         order {plan.order}, backward keeps the {plan.residual}, "
        + ("fused by XLA" if plan.jit_compile else "op by op")
    )
    tables = [
        _regimes_table(f"{_ORDINALS[len(wrt)]}, {name}", stable, width)
        for wrt, by_format in compilation.stable.general.items()
        for name, stable in by_format.items()
    ]
    tables += [
        _regimes_table(f"{_ORDINALS[len(wrt)]} at the parameters' defaults, {name}", stable, width)
        for wrt, by_format in compilation.stable.at_defaults.items()
        for name, stable in by_format.items()
    ]
    return "\n".join([*lines, "", *tables])


def _regimes_table(title: str, stable: Stable, width: int | None) -> str:
    before, after = stable.before, stable.after
    table = Table(
        title=f"{title}: worst {_ulp(before.worst)} → {_ulp(after.worst)} ULP, "
        f"mean {before.mean_bits:.2f} → {after.mean_bits:.2f} bits (simulated)",
        title_justify="left",
    )
    table.add_column("|x| up to" if stable.parity else "x up to", justify="right")
    table.add_column("form")
    table.add_column("identities")
    for regime in stable.regimes:
        rules = ", ".join(sorted(regime.candidate.rules)) or "-"
        table.add_row(f"{regime.high:.6g}", regime.candidate.name, rules)
    return _rendered(table, width)


def _rendered(table: Table, width: int | None) -> str:
    console = Console(file=io.StringIO(), width=width or 160, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
