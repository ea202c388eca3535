"""Page: a comparison as one HTML file that needs no network; and fragments that notebooks show."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import sympy as sp

from symact.comparison import Comparison
from symact.expressions import dag
from symact.figures import Figures
from symact.plots import svg
from symact.report import (
    FIGURE_TITLES,
    figure_cells,
    format_title,
    headline,
    kink_line,
    problem_lines,
    range_cell,
    screened_lines,
    share_text,
)
from symact.sweep_text import SWEEP_TITLES, sweep_rows, sweep_title
from symact.text_tables import ulp_text
from symact.typeset import mathml
from symact.version import __version__
from symact.vjps.comparison import VjpComparison
from symact.vjps.text import (
    VJP_TITLES,
    kind_heads,
    kind_rows,
    vjp_format_title,
    vjp_headline,
    vjp_notes,
    vjp_rows,
    worst_lines,
)

if TYPE_CHECKING:
    from symact.compiler import Compilation
    from symact.exhaustive import Exhaustive

# Beyond this many parts a formula typeset is no longer read by anyone.
_MOST_PARTS = 400

_STYLE = """
.symact { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
.symact h1 { font-size: 1.6em; margin: 0 0 .2em; } .symact h2 { font-size: 1.15em; margin: 1.8em 0 .4em; }
.symact p { margin: .4em 0; max-width: 75ch; } .symact .note { color: #555; }
.symact math { font-size: 1.15em; margin: .5em 0; text-align: left; }
.symact .wide { overflow-x: auto; }
.symact .place { max-width: none; overflow-wrap: anywhere; }
.symact table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .86em; }
.symact caption { text-align: left; font-weight: 600; padding: .3em 0; }
.symact th, .symact td { padding: .2em .7em; text-align: right; white-space: nowrap; }
.symact th { border-bottom: 2px solid #888; font-weight: 600; }
.symact th:first-child, .symact td:first-child { text-align: left; padding-left: 0; }
.symact td { border-bottom: 1px solid #ddd; }
.symact td.who { text-align: left; }
.symact tr.own td { background: #e8f2f9; }
.symact img { max-width: 100%; height: auto; }
.symact pre { background: #f5f5f5; padding: 1em; overflow-x: auto; font-size: .82em; line-height: 1.4; }
""".strip()
_BODY_STYLE = """
body { margin: 2em auto; max-width: 1100px; padding: 0 1em; }
@media print { pre { white-space: pre-wrap; } }
""".strip()


def page(
    comparison: Comparison | VjpComparison, compilation: Compilation, swept: Exhaustive | None = None
) -> str:
    """The whole page: formulas, picture, tables and the emitted source; nothing is loaded from elsewhere.

    Args:
        comparison: what is shown.
        compilation: of the same formula; its exact expressions are typeset, its source printed.
        swept: figures over every float32 input, if there are any.
    """
    title = escape(f"{comparison.name}: gradients compared")
    body = "\n".join(
        [
            f"<h1>{title}</h1>",
            f'<p class="note">symact {escape(__version__)}</p>',
            *_formulas(compilation),
            *_results(comparison),
            *([] if swept is None else ["<h2>Exhaustively</h2>", _swept_table(swept)]),
            "<h2>Emitted source</h2>",
            f"<pre><code>{escape(compilation.source)}</code></pre>",
        ]
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>\n{_BODY_STYLE}\n{_STYLE}\n</style>\n</head>\n"
        f'<body>\n<main class="symact">\n{body}\n</main>\n</body>\n</html>\n'
    )


def comparison_fragment(comparison: Comparison | VjpComparison) -> str:
    """What a notebook shows of a comparison."""
    inner = "\n".join([f"<p><code>{escape(comparison.formula)}</code></p>", *_results(comparison)])
    return f'<style>{_STYLE}</style><div class="symact">{inner}</div>'


def activation_fragment(compilation: Compilation) -> str:
    """What a notebook shows of an activation: its formulas, and its source to unfold."""
    formulas = "\n".join(_formulas(compilation))
    source = (
        f"<details><summary>source</summary><pre><code>{escape(compilation.source)}</code></pre></details>"
    )
    return f'<style>{_STYLE}</style><div class="symact">{formulas}{source}</div>'


def _formulas(compilation: Compilation) -> list[str]:
    formula = compilation.formula
    variable = ", ".join(formula.inputs)
    lines = [_equation(formula.name, variable, formula.with_indices or formula.expression)]
    for name in formula.variables:
        if (name,) in compilation.family.programs:
            derivative = compilation.family.programs[(name,)].expression
            only = formula.variables == formula.inputs and len(formula.inputs) == 1
            sign = f"{formula.name}′" if only else f"∂{formula.name}/∂{name}"
            lines.append(_equation(sign, variable, derivative))
    if formula.parameters:
        given = ", ".join(f"{p.name} = {p.default:g}" for p in formula.parameters)
        lines.append(f'<p class="note">compared at {escape(given)}</p>')
    return lines


def _equation(name: str, variable: str, expression: sp.Expr) -> str:
    parts = sum(1 for _, _ in zip(dag(expression), range(_MOST_PARTS + 1), strict=False))
    if parts > _MOST_PARTS:
        return f'<p class="note">{escape(name)}({escape(variable)}): more than {_MOST_PARTS} parts</p>'
    return (
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">'
        f'<mi>{escape(name)}</mi><mo>&#x2061;</mo><mo stretchy="false">(</mo>'
        f'<mi>{escape(variable)}</mi><mo stretchy="false">)</mo>'
        f"<mo>=</mo>{mathml(expression)}</math>"
    )


def _results(comparison: Comparison | VjpComparison) -> list[str]:
    if isinstance(comparison, VjpComparison):
        return _vjp_results(comparison)
    lines = (*problem_lines(comparison), kink_line(comparison), *screened_lines(comparison))
    notes = [line for line in lines if line]
    words = f"Function and derivative above; error in ULP of {', '.join(comparison.contenders)} below"
    return [
        f"<p>{escape(headline(comparison))}</p>",
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        "<h2>Error against the exact value</h2>",
        _picture(comparison, words),
        "<h2>Figures</h2>",
        *_format_tables(comparison),
        f"<h2>Over ranges, {escape(comparison.dtype)}</h2>",
        _ranges("Derivative", comparison, [row.gradients for row in comparison.ranges]),
        _ranges("Value", comparison, [row.values for row in comparison.ranges]),
        *(
            _ranges(title, comparison, [row.parameter_gradients[title] for row in comparison.ranges])
            for title in comparison.parameter_gradients
        ),
        "<h2>At chosen points</h2>",
        _points(comparison),
    ]


def _picture(comparison: Comparison | VjpComparison, words: str) -> str:
    picture = base64.b64encode(svg(comparison).encode()).decode()
    return f'<img alt="{escape(words)}" src="data:image/svg+xml;base64,{picture}">'


def _vjp_results(comparison: VjpComparison) -> list[str]:
    tables = [
        _table(vjp_format_title(dtype, compared), ["", "", *VJP_TITLES], vjp_rows(compared), who=1)
        for dtype, compared in comparison.formats.items()
    ]
    kinds = [
        _table(f"{title}: worst error in ULP", kind_heads(comparison, title), kind_rows(comparison, title))
        for title in comparison.columns
    ]
    return [
        f"<p>{escape(vjp_headline(comparison))}</p>",
        *(f'<p class="note">{escape(note)}</p>' for note in vjp_notes(comparison)),
        "<h2>Error against the exact value</h2>",
        _picture(comparison, f"Worst error in ULP of {', '.join(comparison.contenders)} by kind of point"),
        "<h2>Figures</h2>",
        *tables,
        f"<h2>By kind of point, {escape(comparison.dtype)}</h2>",
        *kinds,
        "<h2>Where the worst gradients are</h2>",
        *(f'<p class="place"><code>{escape(line)}</code></p>' for line in worst_lines(comparison)),
    ]


def _format_tables(comparison: Comparison) -> Iterable[str]:
    for dtype, compared in comparison.formats.items():
        rows = [
            [column if i == 0 else "", name, *figure_cells(figures)]
            for column in compared.titles
            for i, (name, figures) in enumerate(compared.column(column).items())
        ]
        yield _table(format_title(dtype, compared), ["", "", *FIGURE_TITLES], rows, who=1)


def _swept_table(swept: Exhaustive) -> str:
    return _table(sweep_title(swept), ["", "", *SWEEP_TITLES], sweep_rows(swept), who=1)


def _ranges(what: str, comparison: Comparison, rows: Sequence[Mapping[str, Figures]]) -> str:
    names = list(rows[0]) if rows else []
    heads = ["range", *(part for name in names for part in (name, "rounded"))]
    cells = []
    for row, figures in zip(comparison.ranges, rows, strict=True):
        shown = [(range_cell(figures[n]), share_text(figures[n].correctly_rounded)) for n in names]
        cells.append([f"{row.low:.4g} … {row.high:.4g}", *(part for pair in shown for part in pair)])
    return _table(f"{what}: worst error in ULP, and share correctly rounded", heads, cells)


def _points(comparison: Comparison) -> str:
    names = list(comparison.gradients)
    heads = ["x", "true derivative", *(part for name in names for part in (name, "ULP"))]
    rows = []
    for row in comparison.points:
        shown = [
            (f"{row.gradients[n]:.8g}", ulp_text(row.ulps[n])) if n in row.ulps else ("-", "-") for n in names
        ]
        rows.append([f"{row.x:.6g}", f"{row.truth:.8g}", *(part for pair in shown for part in pair)])
    return _table(f"Derivative in {comparison.dtype}, with its error in ULP", heads, rows)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], who: int | None = None) -> str:
    """A table; with ``who``, the column of names, symact's own rows stand out."""

    def row(cells: Sequence[str]) -> str:
        own = ' class="own"' if who is not None and cells[who] == "symact" else ""
        inner = "".join(
            f'<td class="who">{escape(cell)}</td>' if i == who else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(cells)
        )
        return f"<tr{own}>{inner}</tr>"

    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "\n".join(map(row, rows))
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
