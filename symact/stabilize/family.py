"""A whole family of derivatives stabilized, in every format that is computed in."""

from __future__ import annotations

from collections.abc import Mapping

from symact.numbers import as_float
from symact.program import Family, Wrt
from symact.stabilize.formats import FORMATS
from symact.stabilize.search import Stable, stabilize

# Sample points and the error aimed at (ULP), by how often the function was differentiated: second
# derivatives serve Hessian penalties and the like, where a digit more or less is nothing.
_EFFORT = {0: (700, 3.5), 1: (700, 3.5)}
_LATER = (250, 4096.0)


def stabilize_family(family: Family) -> Mapping[Wrt, Mapping[str, Stable]]:
    """For each derivative and each format (float32, float64) the stabilized function.

    float16 and bfloat16 compute in float32.
    """
    formula = family.formula
    (name,) = formula.inputs
    low, high = formula.domain
    result: dict[Wrt, dict[str, Stable]] = {}
    for wrt, program in family.programs.items():
        effort, target = _EFFORT.get(len(wrt), _LATER)
        result[wrt] = {
            format_name: stabilize(
                program.expression,
                name,
                fmt,
                domain=(as_float(low), as_float(high)),
                parameters=formula.defaults,
                derivative=bool(wrt),
                effort=effort,
                target=target,
            )
            for format_name, fmt in FORMATS.items()
        }
    return result
