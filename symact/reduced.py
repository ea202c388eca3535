"""Reduced: nodes of a graph that have one number for each vector along the axis."""

from __future__ import annotations

from collections.abc import Collection

from symact.graph import Node, walk
from symact.stage_graphs import REDUCTIONS

REDUCING = (*REDUCTIONS.values(), "scaled_sum", "shifted_sum", "centred_sum")


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
