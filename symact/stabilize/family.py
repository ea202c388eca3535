"""A whole family of derivatives stabilized, in every format that is computed in."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import sympy as sp

from symact.expressions import substituted
from symact.formula import Formula
from symact.interrupts import children_end_too, deaf_children, leave_with
from symact.numbers import as_float
from symact.program import Family, Map, Program, Wrt
from symact.progress import Update, silent
from symact.stabilize.compensated import makes_up_for_rounding
from symact.stabilize.composition import stabilized_chain
from symact.stabilize.formats import FLOAT32, FLOAT32_IN_FLOAT64, FORMATS, Format
from symact.stabilize.score import LOST, WRONG
from symact.stabilize.search import BEARABLE, TARGET
from symact.stabilize.simulate import running_time
from symact.stabilize.stable import Stable
from symact.stabilize.task import Task

# Errors (ULP) of a form in float32 above which it is computed in float64, by what is preferred.
_WIDER_ABOVE = {"balanced": BEARABLE, "fast": math.inf, "accurate": 4.0}
# The share of bits lost that is clearly less.
_LESS = 0.85
# Errors (ULP) above which it may take however long, and how many times as long it may take otherwise.
_FAR_OFF, _NOT_MUCH_LONGER = 8.0, 2.0
# Errors (ULP) of forms for all values of the parameters up to which the defaults need none of their own.
_SATISFYING = 1.5 * TARGET
# Of forms for all values of parameters a little more is borne; at the defaults there are others.
_FOR_ALL_PARAMETERS = 1.25

# By what a function is the derivative by, and by format.
_Found = dict[Wrt, dict[str, Stable]]


@dataclass(frozen=True)
class StableFamily:
    """A family stabilized: for each derivative and each format (float32, float64) the function.

    Attributes:
        general: for all values of the parameters.
        at_defaults: with the parameters at their defaults, where that is better; else empty.
    """

    general: Mapping[Wrt, Mapping[str, Stable]]
    at_defaults: Mapping[Wrt, Mapping[str, Stable]]


def stabilize_family(
    family: Family, *, prefer: str = "balanced", workers: int = 1, update: Update = silent
) -> StableFamily:
    """Every derivative of ``family`` stabilized in every format that is computed in.

    float16 and bfloat16 compute in float32. ``prefer``: "fast" for the cheapest forms within 64 ULP,
    "accurate" for the most accurate ones, "balanced" for the cheapest within 4.
    With ``workers`` > 1 the functions are shared out to forked processes, which only a process without
    other threads (no TensorFlow) may ask for.

    Thresholds between regimes would depend on the parameters, so a formula that has some is searched as a
    function of one argument, or else among forms without thresholds. Where those fall short it is
    stabilized once more as the formula that it is at the defaults.
    """
    if family.links:
        low, high = map(as_float, family.formula.domain)

        def stabilized(link: Family) -> Mapping[Wrt, Mapping[str, Stable]]:
            return _stabilized(link, link.formula.defaults, prefer, workers, update)

        return StableFamily(stabilized_chain(family, stabilized, (low, high)), {})
    general = _stabilized(family, family.formula.defaults, prefer, workers, update)

    def widened(found: _Found, family: Family, parameters: dict[str, float]) -> _Found:
        return _widened(found, family, parameters, prefer, workers, update)

    if not family.formula.parameters or _serves_at_defaults(general, family.formula):
        return StableFamily(widened(general, family, family.formula.defaults), {})
    exact = {
        family.formula.symbol(name): sp.Rational(repr(value))
        for name, value in family.formula.defaults.items()
    }
    # Derivatives by parameters are wanted only where those are tensors, which have no default.
    inputs = set(family.formula.inputs)
    programs = {
        wrt: Program(program.formula, (Map("y", substituted(program.expression, exact)),))
        for wrt, program in family.programs.items()
        if inputs.issuperset(wrt)
    }
    at_defaults = Family(programs, family.order)
    found = _stabilized(at_defaults, {}, prefer, workers, update)
    return StableFamily(widened(general, family, family.formula.defaults), widened(found, at_defaults, {}))


def _serves_at_defaults(general: _Found, formula: Formula) -> bool:
    """Whether what was found for all values of the parameters is as good as what is found for one of each:
    as accurate, and, where a parameter is none that is trained, free of what makes up for its roundings."""
    first = [s for wrt, formats in general.items() if len(wrt) < 2 for s in formats.values()]
    accurate = max(s.after.worst for s in first) <= _SATISFYING
    finite = all(s.after.worst < WRONG / 2 for formats in general.values() for s in formats.values())
    trained = set(formula.defaults) <= set(formula.trainable)
    return accurate and finite and (trained or not any(makes_up_for_rounding(s.graph) for s in first))


def _stabilized(
    family: Family, parameters: dict[str, float], prefer: str, workers: int, update: Update
) -> _Found:
    wanted = [(wrt, fmt) for wrt in family.programs for fmt in FORMATS.values()]
    tasks = [_task(family, wrt, fmt, parameters, prefer) for wrt, fmt in wanted]
    result: _Found = {}
    for (wrt, fmt), stable in zip(wanted, _run(tasks, workers, update), strict=True):
        result.setdefault(wrt, {})[fmt.name] = stable
    return result


def _widened(
    found: _Found,
    family: Family,
    parameters: dict[str, float],
    prefer: str,
    workers: int,
    update: Update,
) -> _Found:
    """``found`` with those functions computed in float64 for which no form in float32 is accurate."""
    bearable = _WIDER_ABOVE[prefer] * (_FOR_ALL_PARAMETERS if parameters else 1.0)
    result = dict(found)
    poor = [
        wrt
        for wrt, by_format in found.items()
        if by_format["float32"].excess > (bearable if len(wrt) < 2 else WRONG / 2)
    ]
    tasks = [_task(family, wrt, FLOAT32_IN_FLOAT64, parameters, prefer) for wrt in poor]
    for wrt, wide in zip(poor, _run(tasks, workers, update), strict=True):
        narrow = found[wrt]["float32"]
        if _is_better(narrow, wide) and _is_worth_it(narrow, wide, prefer):
            result[wrt] = {**found[wrt], "float32": replace(wide, before=narrow.before)}
    return result


def _is_better(narrow: Stable, wide: Stable) -> bool:
    """Whether float64 errs half as much at worst, or less altogether where both lose all digits somewhere."""
    return wide.excess < narrow.excess / 2 or (
        narrow.excess > LOST and wide.after.mean_bits < _LESS * narrow.after.mean_bits
    )


def _is_worth_it(narrow: Stable, wide: Stable, prefer: str) -> bool:
    """Whether float64 takes not much longer; where float32 is far off, or the most accurate form is wanted,
    it may take as long as it does."""
    if prefer == "accurate" or narrow.excess > _FAR_OFF:
        return True
    longer = running_time(wide.graph, FLOAT32_IN_FLOAT64) / running_time(narrow.graph, FLOAT32)
    return longer <= _NOT_MUCH_LONGER


def _task(family: Family, wrt: Wrt, fmt: Format, parameters: dict[str, float], prefer: str) -> Task:
    formula = family.formula
    low, high = map(as_float, formula.domain)
    return Task(
        family.programs[wrt].expression,
        formula.inputs[0],
        fmt,
        (low, high),
        len(wrt),
        parameters,
        _primal(family, wrt),
        prefer,
    )


def _run(tasks: list[Task], workers: int, update: Update) -> list[Stable]:
    return _shared_out(tasks, workers, update) if workers > 1 and tasks else _one_by_one(tasks, update)


def _primal(family: Family, wrt: Wrt) -> sp.Expr | None:
    """What ``wrt`` of the family is the derivative of by the input; None for the value, and by parameters."""
    name = family.formula.inputs[0]
    if name not in wrt:
        return None
    rest = list(wrt)
    rest.remove(name)
    return family.programs[tuple(rest)].expression


def _one_by_one(tasks: list[Task], update: Update) -> list[Stable]:
    found = []
    for done, task in enumerate(tasks):
        update(done, len(tasks))
        found.append(task.run())
    return found


def _shared_out(tasks: list[Task], workers: int, update: Update) -> list[Stable]:
    if "fork" not in multiprocessing.get_all_start_methods():
        return _one_by_one(tasks, update)
    # Value and derivative take longest, so they are begun first.
    order = sorted(tasks, key=lambda task: task.order > 1)
    pool_of_forks = ProcessPoolExecutor(
        workers, multiprocessing.get_context("fork"), initializer=leave_with, initargs=(os.getpid(),)
    )
    with pool_of_forks as pool, children_end_too():
        with deaf_children():
            results = pool.map(Task.run, order)
        found = {}
        for done, (task, result) in enumerate(zip(order, results, strict=True), 1):
            update(done, len(tasks))
            found[id(task)] = result
    return [found[id(task)] for task in tasks]
