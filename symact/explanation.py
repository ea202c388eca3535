"""Explanation: what the compiler found out and chose, as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from symact.compiler import Compilation
from symact.program import Wrt
from symact.schedule import AxisSchedule, Schedule
from symact.stabilize.saturate import identities_used
from symact.stabilize.stable import Stable
from symact.text_tables import rendered, table_of, ulp_text

_ORDINALS = ("value", "derivative", "second derivative", "third derivative", "fourth derivative")


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


# The numbers next to 0 in float32 and in float64: a regime that ends there is one of negative numbers.
_NEXT_TO_0 = (2.0**-149, 2.0**-1074)


def _regimes_table(title: str, stable: Stable, width: int | None) -> str:
    before, after = stable.before, stable.after
    table = table_of(
        f"{title}{stable.where}: worst {ulp_text(before.worst)} → {ulp_text(after.worst)} ULP, "
        f"mean {before.mean_bits:.2f} → {after.mean_bits:.2f} bits (simulated)"
    )
    table.add_column("|x| up to" if stable.parity else "x up to", justify="right")
    table.add_column("form")
    table.add_column("identities")
    for regime in stable.regimes:
        candidate = regime.candidate
        used = set(candidate.rules)
        if candidate.origin is not None:
            used.update(identities_used(candidate.origin, candidate.graph))
        rules = ", ".join(sorted(used)) or "-"
        high = 0.0 if abs(regime.high) in _NEXT_TO_0 else regime.high
        table.add_row(f"{high:.6g}", regime.candidate.name, rules)
    return rendered(table, width)
