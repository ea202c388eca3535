"""Mirror: functions with a parity, computed from |x| and continued to the left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from symact.graph import Node, node, rebuild, var
from symact.stabilize.formats import Format
from symact.stabilize.regimes import Candidate, Regime, assemble
from symact.stabilize.simulate import simulate


def mirrored(regimes: tuple[Regime, ...], name: str, fmt: Format, parity: int) -> Node:
    """The whole line from its right half: the forms taken at |x|, the sign restored if odd."""
    x = var(name)
    magnitude = node("abs", x)

    def at_magnitude(graph: Node) -> Node:
        # Within |x| itself nothing is to be exchanged.
        inside = rebuild(graph, {magnitude: x})
        return rebuild(inside, {x: magnitude})

    turned = []
    for regime in regimes:
        graph = at_magnitude(regime.candidate.graph)
        if parity == -1:
            graph = _odd(regime.candidate, graph, x, fmt)
        turned.append(replace(regime, candidate=replace(regime.candidate, graph=graph)))
    return assemble(turned, name, magnitude)


def _odd(candidate: Candidate, at_magnitude: Node, x: Node, fmt: Format) -> Node:
    """The odd continuation of a form on the right half; as it is where it is odd by itself."""
    probe = np.array([-2.75, -0.3, -1.5e-4, -7.0])
    name = str(x.name)
    own = simulate(candidate.graph, {name: probe}, fmt)
    other = simulate(candidate.graph, {name: -probe}, fmt)
    if np.array_equal(own, -other):
        return candidate.graph
    return node("where", node("lt", x, 0), -at_magnitude, at_magnitude)
