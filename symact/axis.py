"""Axis: formulas over an axis, from their Program to the graphs that are emitted.

The whole program becomes one graph a result, reductions among its nodes, so that what forward and
backward have in common is found by identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symact.agreement import agrees
from symact.angles import with_angles
from symact.cancelled import with_cancelled_terms
from symact.formula import Formula
from symact.graph import Node, const, node, rebuild, walk
from symact.growth import with_growth
from symact.leading import with_leading_terms
from symact.memory import stored
from symact.mixed import mixed
from symact.near_one import with_means_beyond_one, with_quotients_beyond_one
from symact.others import with_others
from symact.program import Map, Program
from symact.projections import with_covariances, with_second_projections
from symact.reduced import REDUCING, reduced_nodes
from symact.rescale import rescale
from symact.reverse import vjp
from symact.saturated import needs_leading_terms
from symact.schedule import AxisSchedule
from symact.stabilize.formats import FLOAT64, FORMATS, Format
from symact.stage_functions import with_functions
from symact.stage_graphs import Builder
from symact.stage_rewrites import with_closed_ends, with_ties
from symact.stage_shifts import with_rounded_exponents, with_shifts_cancelled, with_sums_by_rests
from symact.stage_trials import with_trials, with_tried_shifts
from symact.width import float32_serves
from symact.zero_factors import with_squares_apart, with_zero_factors

_ORDER = 2
# Angles between vectors, quotients of which terms cancel, sums less one of their terms, means next to 1, what
# grows, all sums, and functions of compound arguments.
_REWRITINGS: tuple[Callable[[Program], Program], ...] = (
    with_angles,
    with_cancelled_terms,
    with_others,
    with_quotients_beyond_one,
    with_means_beyond_one,
    with_growth,
    rescale,
    with_functions,
)
TIES = ("share", "first")
AT_ZERO = ("zero", "one")


def in_stages(program: Program) -> Program:
    """``program`` rewritten for stability."""
    for rewriting in _REWRITINGS:
        program = rewriting(program)
    return program


def programs(program: Program, order: int, ties: str, *, rewritten: bool = True) -> list[Program]:
    """The rescaled program, its VJP, and the VJP of that; or the same of it as it is."""
    found = [in_stages(program) if rewritten else program]
    variables = program.formula.variables
    upstreams: tuple[str, ...] = ("upstream",)
    for level in range(1, min(order, _ORDER) + 1):
        derived = vjp(found[-1], variables, upstreams, ties)
        found.append(with_functions(derived, len(found[-1].stages)) if rewritten else derived)
        variables = (*variables, *upstreams)
        upstreams = tuple(f"upstream_{name}_{level + 1}" for name in variables[: len(found[-1].outputs)])
    return found


def upstream_names(formula: Formula, level: int) -> tuple[str, ...]:
    """What the VJP of ``level`` takes besides the variables."""
    if level == 1:
        return ("upstream",)
    return tuple(f"upstream_{name}_{level}" for name in formula.variables)


def schedule_axis(
    program: Program, *, order: int, ties: str, at_zero: str, jit_compile: bool | str, prefer: str
) -> AxisSchedule:
    """Everything that is emitted for ``program``."""
    chain = programs(program, order, ties)
    graphs, kept = _graphs(program, chain, at_zero, prefer)
    leading = with_leading_terms(program)
    saturated = leading != program and needs_leading_terms(
        program.formula,
        graphs["float64"],
        _levels(program, programs(leading, 1, ties), FLOAT64, at_zero, prefer),
    )
    if saturated:
        chain = programs(leading, order, ties)
        graphs, kept = _graphs(program, chain, at_zero, prefer)
    agreed = agrees(program, ties, graphs["float64"])
    if not agreed:
        chain = programs(program, order, ties, rewritten=False)
        graphs, kept = _graphs(program, chain, at_zero, prefer)
    narrow, wide = graphs["float32"], graphs["float64"]
    widened = prefer != "fast" and not float32_serves(program.formula, narrow, wide, saturated=saturated)
    if widened:
        graphs["float32"] = mixed(program.formula, narrow, wide, prefer, saturated=saturated)
        kept["float32"] = _kept(*graphs["float32"][:2])
    if _same(graphs):
        graphs = {"float64": graphs["float64"]}
    compiled = jit_compile is not False
    if compiled:
        for name in graphs:
            graphs[name], kept[name] = _stored(program.formula, graphs[name], kept[name])
    for name in graphs:
        graphs[name], kept[name] = with_trials(graphs[name], kept[name], program.formula.inputs)
    return AxisSchedule(
        formula=program.formula,
        order=min(order, _ORDER),
        graphs=graphs,
        kept=kept,
        widened=widened,
        jit_compile=compiled,
        stages=tuple(_lines(chain[1])),
        conventions=_conventions(chain[1], ties, at_zero, widened, agreed),
    )


def _graphs(
    program: Program, chain: Sequence[Program], at_zero: str, prefer: str
) -> tuple[dict[str, list[list[Node]]], dict[str, list[Node]]]:
    """By format, the graphs of the value and its VJPs, and what the first VJP takes from the value."""
    graphs, kept = {}, {}
    for name, fmt in FORMATS.items():
        graphs[name] = _levels(program, chain, fmt, at_zero, prefer)
        kept[name] = _kept(*graphs[name][:2])
    return graphs, kept


def _levels(
    program: Program, chain: Sequence[Program], fmt: Format, at_zero: str, prefer: str
) -> list[list[Node]]:
    """The graphs of the value and its VJPs in one format."""
    elements = {*program.formula.inputs, *program.formula.indexed}
    builder = Builder(program.formula, fmt, at_zero, prefer)
    levels = [[builder.graph(p, output, at) for output in p.outputs] for at, p in enumerate(chain)]
    levels[1:2] = [
        [with_second_projections(with_covariances(graph, elements), elements) for graph in level]
        for level in levels[1:2]
    ]
    levels = [
        [with_closed_ends(with_ties(graph, fmt), fmt) for graph in level]
        for level in with_shifts_cancelled(with_sums_by_rests(levels))
    ]
    forward, *backward = [
        [with_zero_factors(graph, program.formula, fmt) for graph in level]
        for level in with_rounded_exponents(with_tried_shifts(levels))
    ]
    value = {*walk(forward)}
    for at, level in enumerate(backward, 1):
        variables = _variables(program.formula, at)
        apart = [with_squares_apart(graph, program.formula, value) for graph in level]
        level[:] = [_masked(g, v, program) for g, v in zip(apart, variables, strict=True)]
    return [forward, *backward]


def _stored(
    formula: Formula, levels: Sequence[Sequence[Node]], kept: Sequence[Node]
) -> tuple[list[list[Node]], list[Node]]:
    """Both with what XLA is to write to memory, where forward and backward are compiled as one."""
    arrays = {*formula.inputs, *(("upstream",) if formula.keeps_axis else ())}
    exchanged = stored([graph for level in levels[:2] for graph in level], arrays)
    together = [[rebuild(graph, exchanged) for graph in level] for level in levels[:2]]
    return [*together, *map(list, levels[2:])], [rebuild(current, exchanged) for current in kept]


def _variables(formula: Formula, level: int) -> tuple[str, ...]:
    return formula.variables if level == 1 else (*formula.variables, "upstream")


def _same(graphs: dict[str, list[list[Node]]]) -> bool:
    return graphs["float32"] == graphs["float64"]


def _masked(graph: Node, name: str, program: Program) -> Node:
    """The gradient of a vector of parameters is summed over the elements that a mask leaves in."""
    formula = program.formula
    if graph == const(0) or name not in formula.indexed - set(formula.inputs):
        return graph
    return node("masked", graph)


def _kept(forward: Sequence[Node], backward: Sequence[Node]) -> list[Node]:
    """What backward takes from forward: reduced values, which are small, and the result itself."""
    known = set(walk(forward))
    reduced = reduced_nodes(known)
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(backward)
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in known and (current in reduced or current in forward) and current.args:
            found[current] = None
        else:
            stack.extend(current.args)
    order = list(walk(forward))
    return sorted((n for n in found if not _follows(n, set(found) - {n}, reduced)), key=order.index)


def _follows(current: Node, kept: set[Node], reduced: set[Node]) -> bool:
    """Whether a reduced value can be had from those in ``kept`` by arithmetic on reduced values alone."""
    if current.op == "const" or current in kept:
        return True
    return (
        current in reduced
        and current.op not in REDUCING
        and all(_follows(a, kept, reduced) for a in current.args)
    )


def _lines(program: Program) -> list[str]:
    """The stages of ``program`` that its results need, one a line."""
    needed = {*program.outputs, program.formula.result}
    lines = []
    for stage in reversed(program.stages):
        if stage.target in needed:
            if isinstance(stage, Map):
                needed |= {symbol.name for symbol in stage.expression.free_symbols}
                lines.append(f"{stage.target} = {stage.expression}")
            else:
                needed.add(stage.source)
                lines.append(f"{stage.target} = {stage.kind}({stage.source})")
    return lines[::-1]


def _conventions(program: Program, ties: str, at_zero: str, widened: bool, agreed: bool) -> tuple[str, ...]:
    lines = ["a quotient whose denominator is a sum or norm that is 0 counts as 0"]
    if at_zero == "one":
        lines = ["the reciprocal of a sum or norm that is 0 counts as 1"]
    if program.reductions("max", "min"):
        shared = "shared equally by all" if ties == "share" else "that of the first"
        lines.append(f"where several elements reach an extremum, its gradient is {shared}")
    if widened:
        lines.append(
            "float32 is computed in float64 where its own range or digits do not hold what is in between"
        )
    if not agreed:
        lines.append(
            "the stages are computed as written: what was made of them did not agree with the formula"
        )
    return tuple(lines)
