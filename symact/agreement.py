"""Agreement: whether the rewritten stages of a formula over an axis still compute it.

No rewriting is trusted for being an identity: value and VJP are evaluated in float64 at ordinary vectors,
where the formula as written needs no rewriting, and compared with those of its stages as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symact.convert import to_graph
from symact.formula import Formula
from symact.graph import Node, node, var
from symact.numbers import as_float
from symact.program import Map, Program
from symact.reverse import vjp
from symact.stabilize.formats import FLOAT64, Array
from symact.stage_graphs import REDUCTIONS
from symact.stage_rewrites import with_stages
from symact.width import along, evaluated

_ROWS, _LENGTH = 24, 5
_RANDOM_SEED = 11
# Of the largest element; and of what the result's largest change would be, from which a gradient cancels.
_CLOSE, _CANCELLED = 1e-6, 1e-10
# The share of vectors at which results may differ: a sum may cancel at some, an identity fails at most.
_FEW = 0.25


def agrees(program: Program, ties: str, graphs: Sequence[Sequence[Node]]) -> bool:
    """Whether the float64 ``graphs`` of value and VJP give what ``program``, as it was lowered, gives."""
    formula = program.formula
    plain = [program, vjp(program, formula.variables, ("upstream",), ties)]
    values = _ordinary(formula)
    memo: dict[Node, Array] = {}
    with np.errstate(all="ignore"):
        size = np.ones((_ROWS, 1))
        for level, found in zip(plain, graphs, strict=False):
            for root, other in zip(found, _as_written(level), strict=True):
                truth = evaluated(other, values, FLOAT64, memo)
                known = np.isfinite(truth).all(axis=-1)
                largest = np.abs(truth).max(axis=-1, keepdims=True)
                near = _CLOSE * largest + _CANCELLED * size
                off = ~(np.abs(evaluated(root, values, FLOAT64, memo) - truth) <= near).all(axis=-1)
                if np.count_nonzero(off & known) > _FEW * np.count_nonzero(known):
                    return False
            size = np.maximum(size, np.nan_to_num(largest))
    return True


def _as_written(program: Program) -> list[Node]:
    """The graphs of the outputs, operation for operation."""
    nodes: dict[str, Node] = {}
    for stage in program.stages:
        if isinstance(stage, Map):
            graph = to_graph(stage.expression, formula=program.formula.text)
            nodes[stage.target] = with_stages(graph, nodes)
        else:
            nodes[stage.target] = node(REDUCTIONS[stage.kind], nodes.get(stage.source) or var(stage.source))
    return [nodes[name] for name in program.outputs]


def _ordinary(formula: Formula) -> dict[str, Array]:
    """By name, a vector a row or a number a row: of inputs, parameters and the upstream."""
    random = np.random.default_rng(_RANDOM_SEED)
    low, high = map(as_float, formula.domain)
    values = {}
    for name in formula.inputs:
        vectors = random.normal(size=(_ROWS, _LENGTH)) * np.resize([1.0, 8.0], (_ROWS, 1))
        if np.isfinite(low) and np.isfinite(high):
            vectors = low + (high - low) / (1.0 + np.exp(-vectors))
        elif np.isfinite(low) or np.isfinite(high):
            vectors = low + np.abs(vectors) if np.isfinite(low) else high - np.abs(vectors)
        values[name] = vectors
    for parameter in formula.parameters:
        shape = (_ROWS, _LENGTH if parameter.name in formula.indexed else 1)
        values[parameter.name] = parameter.default * random.uniform(0.8, 1.2, shape)
    values["upstream"] = random.normal(size=(_ROWS, _LENGTH if formula.keeps_axis else 1))
    return values | along(_LENGTH)
