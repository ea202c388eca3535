"""Reduced: nodes of a graph that have one number for each vector along the axis."""

from __future__ import annotations

from collections.abc import Collection

from symact.graph import Node, steps, walk
from symact.stage_graphs import REDUCTIONS

REDUCING = (*REDUCTIONS.values(), "scaled_sum", "shifted_sum", "centred_sum")
# What of several results has one number for each vector.
_REDUCED_PARTS = ("shift_of", "scale_of", "sum_of")


def reduced_nodes(nodes: Collection[Node]) -> set[Node]:
    """Nodes that have the reduced shape: reductions, and what is computed of them alone."""
    found: set[Node] = set()
    for current in walk(nodes):
        if current.op in REDUCING or (
            any(arg in found for arg in current.args)
            and all(arg in found or arg.op == "const" for arg in current.args)
        ):
            found.add(current)
    return found


def spans_axis(root: Node, arrays: Collection[str]) -> bool:
    """Whether ``root`` has a number for each element of ``arrays``, the names of tensors along the axis."""
    found: set[Node] = set()
    for current in steps(root):
        if (current.op == "var" and current.name in arrays) or (
            current.op not in (*REDUCING, *_REDUCED_PARTS) and not found.isdisjoint(current.args)
        ):
            found.add(current)
    return root in found
