"""A whole family of derivatives stabilized, in every format that is computed in."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import sympy as sp

from symact.numbers import as_float
from symact.program import Family, Wrt
from symact.stabilize.formats import FORMATS
from symact.stabilize.search import Stable, stabilize

# Sample points and the error aimed at (ULP), by how often the function was differentiated: second
# derivatives serve Hessian penalties and the like, where a digit more or less is nothing.
_EFFORT = {0: (700, 3.5), 1: (700, 3.5)}
_LATER = (250, 4096.0)


@dataclass(frozen=True)
class _Task:
    """One function in one format, to be stabilized; what another process needs to know."""

    wrt: Wrt
    format_name: str
    expression: sp.Expr
    name: str
    domain: tuple[float, float]
    parameters: dict[str, float]

    def run(self) -> Stable:
        effort, target = _EFFORT.get(len(self.wrt), _LATER)
        return stabilize(
            self.expression,
            self.name,
            FORMATS[self.format_name],
            domain=self.domain,
            parameters=self.parameters,
            derivative=bool(self.wrt),
            effort=effort,
            target=target,
        )


def stabilize_family(family: Family, *, workers: int = 1) -> Mapping[Wrt, Mapping[str, Stable]]:
    """For each derivative and each format (float32, float64) the stabilized function.

    float16 and bfloat16 compute in float32. With ``workers`` > 1 the functions are shared out to
    forked processes, which only a process without other threads (no TensorFlow) may ask for.
    """
    formula = family.formula
    low, high = map(as_float, formula.domain)
    tasks = [
        _Task(wrt, name, program.expression, formula.inputs[0], (low, high), formula.defaults)
        for wrt, program in family.programs.items()
        for name in FORMATS
    ]
    stable = _shared_out(tasks, workers) if workers > 1 else [task.run() for task in tasks]
    result: dict[Wrt, dict[str, Stable]] = {}
    for task, found in zip(tasks, stable, strict=True):
        result.setdefault(task.wrt, {})[task.format_name] = found
    return result


def _shared_out(tasks: list[_Task], workers: int) -> list[Stable]:
    if "fork" not in multiprocessing.get_all_start_methods():
        return [task.run() for task in tasks]
    # The derivatives take longest, so they are begun first.
    order = sorted(tasks, key=lambda task: -len(task.wrt))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        found = dict(zip(map(id, order), pool.map(_Task.run, order), strict=True))
    return [found[id(task)] for task in tasks]
