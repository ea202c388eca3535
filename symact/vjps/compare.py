"""Compare vector–Jacobian products: emitted, autodiff's of the plain formula, anyone's, and the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symact.contenders import ComparisonImpossible, Contender
from symact.formula import Formula
from symact.stabilize.formats import Array, Format
from symact.vjps.cases import Cases, cases, kinds_in_order
from symact.vjps.comparison import FormatVjps, KindRow, VjpComparison
from symact.vjps.runs import Results, run
from symact.vjps.scoring import UNIT, Place, Scored, VjpFigures, joined, score
from symact.vjps.truth import VALUE, Row, Rows, VjpTruth

UNCONNECTED = "TensorFlow sees no path from the output back to it, so there is no gradient"
# Errors above this are looked at again where a switch may be near.
_SUSPICIOUS = 1.0
_ONCE = np.zeros((1, 0))


def compare_vjps(
    formula: Formula, contenders: Sequence[Contender], formats: Sequence[Format], samples: int, seed: int
) -> VjpComparison:
    """Compare ``contenders``; arguments are as for ``symact.compare.compare``."""
    return VjpComparison(
        formula=formula.text,
        name=formula.name,
        parameters=formula.defaults,
        seed=seed,
        inputs=formula.inputs,
        unit=UNIT,
        contenders=tuple(contender.name for contender in contenders),
        judged=tuple(contender.name for contender in contenders if contender.judged),
        formats={fmt.name: _in_format(formula, contenders, fmt, samples, seed) for fmt in formats},
    )


def title(variable: str) -> str:
    """What the column of a variable's gradient is called."""
    return VALUE if variable == VALUE else f"d/d{variable}"


def _in_format(
    formula: Formula, contenders: Sequence[Contender], fmt: Format, samples: int, seed: int
) -> FormatVjps:
    truth = VjpTruth(formula, fmt)
    groups = cases(formula, fmt, samples, seed)
    exact = [[truth.at(group.point(i), group.cotangents) for i in range(len(group))] for group in groups]
    problems: dict[str, dict[str, str]] = {}
    variables = (VALUE, *formula.variables)
    scored: dict[str, dict[str, Scored]] = {variable: {} for variable in variables}
    for contender in contenders:
        ran = _ran(contender, formula, groups, fmt, variables, problems)
        for variable in variables:
            parts = [
                _scored(truth, group, rows, found[variable], variable)
                for group, rows, found in zip(groups, exact, ran, strict=True)
                if found.get(variable) is not None
            ]
            if parts:
                scored[variable][contender.name] = joined(parts)
    places = {v: [p for group in groups for p in _places(group, v == VALUE)] for v in variables}
    members = {v: _members(groups, v == VALUE) for v in variables}

    def columns(kind: str | None) -> dict[str, dict[str, VjpFigures]]:
        return {
            title(v): {
                name: found.figures(np.array([kind is None or kind in own for own in members[v]]), places[v])
                for name, found in by_name.items()
            }
            for v, by_name in scored.items()
        }

    own_kinds = [kinds for group in groups for kinds in group.kinds]
    counts = {kind: sum(kind in kinds for kinds in own_kinds) for kind in kinds_in_order(formula)}
    return FormatVjps(
        points=sum(map(len, groups)),
        results=sum(len(group) * len(group.cotangents) for group in groups),
        problems={name: {title(v): why for v, why in reasons.items()} for name, reasons in problems.items()},
        columns=columns(None),
        kinds=tuple(KindRow(kind, count, columns(kind)) for kind, count in counts.items() if count),
    )


def _ran(
    contender: Contender,
    formula: Formula,
    groups: Sequence[Cases],
    fmt: Format,
    variables: Sequence[str],
    problems: dict[str, dict[str, str]],
) -> list[Results]:
    """The results in every group; who has none is entered in ``problems``."""
    try:
        ran = [run(contender, formula, group, fmt) for group in groups]
    except ComparisonImpossible as error:
        problems[contender.name] = dict.fromkeys(variables, str(error))
        return [{} for _ in groups]
    for variable in variables:
        if any(variable in found and found[variable] is None for found in ran):
            problems.setdefault(contender.name, {})[variable] = UNCONNECTED
            ran = [{**found, variable: None} for found in ran]
    return ran


def _scored(truth: VjpTruth, group: Cases, exact: list[Rows], results: Array | None, variable: str) -> Scored:
    """The rows of one column in one group; near a kink, what is true on any side of it is right."""
    assert results is not None
    count = 1 if variable == VALUE else len(group.cotangents)
    flat = results.reshape(len(group) * count, -1)
    rows: list[Row] = [row for found in exact for row in found[variable]]
    first = score(rows, flat, truth.fmt)
    if not truth.has_kinks:
        return first
    bad = first.judged & ((first.errors > _SUSPICIOUS) | first.nan | first.inf)
    for i in sorted({int(row) // count for row in np.flatnonzero(bad)}):
        beside = truth.beside(group.point(i), group.cotangents)[variable]
        for j, row in enumerate(beside):
            rows[i * count + j] = rows[i * count + j].united(row)
    return score(rows, flat, truth.fmt)


def _places(group: Cases, is_value: bool) -> list[Place]:
    found = []
    for i, kinds in enumerate(group.kinds):
        inputs = {name: tuple(values.tolist()) for name, values in group.point(i).items()}
        for cotangent in _ONCE if is_value else group.cotangents:
            found.append(Place(", ".join(kinds), inputs, tuple(cotangent.tolist())))
    return found


def _members(groups: Sequence[Cases], is_value: bool) -> list[tuple[str, ...]]:
    """The kinds of every row of a column."""
    return [
        kinds
        for group in groups
        for kinds in group.kinds
        for _ in range(1 if is_value else len(group.cotangents))
    ]
