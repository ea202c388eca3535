"""A whole family of derivatives stabilized, in every format that is computed in."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import sympy as sp

from symact.expressions import substituted
from symact.numbers import as_float
from symact.program import Family, Map, Program, Wrt
from symact.progress import Update, silent
from symact.stabilize.composition import stabilized_chain
from symact.stabilize.formats import FORMATS
from symact.stabilize.score import WRONG
from symact.stabilize.search import TARGET, Stable
from symact.stabilize.task import Task


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

    Thresholds between regimes would depend on the parameters, so a formula that has some is searched
    among forms for all their values. Where those fall short it is stabilized once more as the formula
    that it is at the defaults.
    """
    if family.links:
        low, high = map(as_float, family.formula.domain)

        def stabilized(link: Family) -> Mapping[Wrt, Mapping[str, Stable]]:
            return stabilize_family(link, prefer=prefer, workers=workers, update=update).general

        return StableFamily(stabilized_chain(family, stabilized, (low, high)), {})
    general = _stabilized(family, family.formula.defaults, prefer, workers, update)
    worst = max(s.after.worst for wrt, formats in general.items() if len(wrt) < 2 for s in formats.values())
    finite = all(s.after.worst < WRONG / 2 for formats in general.values() for s in formats.values())
    if not family.formula.parameters or (worst <= 2 * TARGET and finite):
        return StableFamily(general, {})
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
    return StableFamily(general, _stabilized(Family(programs, family.order), {}, prefer, workers, update))


def _stabilized(
    family: Family, parameters: dict[str, float], prefer: str, workers: int, update: Update
) -> dict[Wrt, dict[str, Stable]]:
    formula = family.formula
    low, high = map(as_float, formula.domain)
    tasks = {
        (wrt, name): Task(
            program.expression,
            formula.inputs[0],
            name,
            (low, high),
            len(wrt),
            parameters,
            _primal(family, wrt),
            prefer,
        )
        for wrt, program in family.programs.items()
        for name in FORMATS
    }
    given = list(tasks.values())
    stable = _shared_out(given, workers, update) if workers > 1 else _one_by_one(given, update)
    result: dict[Wrt, dict[str, Stable]] = {}
    for (wrt, name), found in zip(tasks, stable, strict=True):
        result.setdefault(wrt, {})[name] = found
    return result


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
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        found = {}
        for done, (task, result) in enumerate(zip(order, pool.map(Task.run, order), strict=True), 1):
            update(done, len(tasks))
            found[id(task)] = result
    return [found[id(task)] for task in tasks]
