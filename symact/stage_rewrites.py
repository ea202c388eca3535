"""Stage rewrites: the graphs of stages put together, in forms that keep range and digits."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symact.convert import negated
from symact.graph import Node, const, exact, node, rebuild, rewritten, var, walk
from symact.ops import OPS
from symact.program import COUNT
from symact.stabilize.formats import Format

# Units in the last place by which results of one computation may differ: up to 8 were seen.
_TIED = 16
_COMPARED = ("eq", "ge", "le")
# Functions that are defined up to 1 or from 1 on, and there.
_TO_ONE, _FROM_ONE = ("acos", "asin"), ("acosh",)


def with_stages(graph: Node, nodes: Mapping[str, Node]) -> Node:
    """``graph`` with the graphs of stages for their names."""
    names = {n: nodes[str(n.name)] for n in walk([graph]) if n.op == "var" and n.name in nodes}
    return rebuild(graph, names) if names else graph


def reduced(op: str, source: Node) -> Node:
    """The reduction ``op`` of ``source``; of a constant that itself, or as often as the axis is long."""
    if source.op != "const":
        return node(op, source)
    return source * var(COUNT.name) if op == "reduce_sum" else source


def added(total: Node, term: Node) -> Node:
    """Their sum; a term with a minus in front is subtracted without it."""
    first = term
    while first.op in ("mul", "div"):
        first = first.args[0]
    minus = first.op == "neg" or (first.op == "const" and exact(first).is_negative)
    return total - negated(term) if minus else total + term


def with_quotients(graph: Node) -> Node:
    """a·(1/r), r a sum or guarded, as a/r: the reciprocal of the largest numbers is no normal one.

    And weights e/Σe are known by their form.
    """

    def rule(current: Node) -> Node | None:
        for factor, inverse in (current.args, current.args[::-1]) if current.op == "mul" else ():
            divisor = _divisor(inverse)
            if divisor is not None and factor.op != "const":
                return factor / divisor
        return None

    return rewritten(graph, rule)


def _divisor(inverse: Node) -> Node | None:
    """r of 1/r, or of 1/r guarded against 0: what is divided by r is 0 there, or itself."""
    instead = {const(0): const(sp.oo), const(1): const(1)}
    if inverse.op == "where" and inverse.args[1] in instead:
        condition, at_zero, inverse = inverse.args
        if _is_reciprocal(inverse):
            return node("where", condition, instead[at_zero], inverse.args[1])
    elif _is_reciprocal(inverse) and inverse.args[1].op == "reduce_sum":
        return inverse.args[1]
    return None


def _is_reciprocal(current: Node) -> bool:
    return current.op == "div" and current.args[0] == const(1)


def with_numbers_last(graph: Node) -> Node:
    """c + a - b as a - b + c: what is left of two large numbers may be smaller than c."""
    exchanged: dict[Node, Node] = {}
    nodes = [*walk([graph])]
    inner = {n.args[0] for n in nodes if n.op in ("add", "sub")}
    for current in nodes:
        links = [] if current in inner else _sum_of_more_than_two(current)
        if links:
            first, *others = links[::-1]
            total = first.args[1] if first.op == "add" else -first.args[1]
            for link in others:
                total = node(link.op, total, link.args[1])
            exchanged[current] = total + first.args[0]
    return rebuild(graph, exchanged) if exchanged else graph


def _sum_of_more_than_two(current: Node) -> list[Node]:
    """The additions and subtractions that begin with a number, the last one first."""
    links = []
    while current.op in ("add", "sub"):
        links.append(current)
        current = current.args[0]
    return links if current.op == "const" and len(links) > 1 else []


def with_ties(root: Node, fmt: Format) -> Node:
    """``root`` with what is computed anew reaching its extremum if it is near: x = Max(x), x >= Max(x).

    XLA rounds the same numbers differently where they are used for something else. What is exact is the same.
    """

    def rule(current: Node) -> Node | None:
        for source, extremum in (current.args, current.args[::-1]) if current.op in _COMPARED else ():
            is_extremum = extremum.op in ("reduce_max", "reduce_min") and extremum.args[0] is source
            if is_extremum and not all(map(_is_exact, walk([source]))):
                margin = const(_TIED * fmt.epsilon) * node("abs", extremum)
                above, below = node("ge", source, extremum - margin), node("le", source, extremum + margin)
                near = above if extremum.op == "reduce_max" else below
                return node("or", node("eq", source, extremum), near)
        return None

    return rewritten(root, rule)


def with_closed_ends(root: Node, fmt: Format) -> Node:
    """``root`` with arguments that rounding took beyond the end of a function's domain moved back to it: the
    cosine of the angle between two vectors may be 1 and a rounding error."""
    margin = const(_TIED * fmt.epsilon)

    def rule(current: Node) -> Node | None:
        if current.op not in (*_TO_ONE, *_FROM_ONE) or _is_exact(current.args[0]):
            return None
        (argument,) = current.args
        if current.op in _FROM_ONE:
            near, moved = node("ge", argument, const(1) - margin), node("max", argument, const(1))
        else:
            near = node("le", node("abs", argument), const(1) + margin)
            moved = node("max", node("min", argument, const(1)), const(-1))
        return node(current.op, node("where", near, moved, argument))

    return rewritten(root, rule)


def _is_exact(current: Node) -> bool:
    """Whether it needs no rounding, as the division by a scale, a power of two, needs none."""
    if not current.args or OPS[current.op].exact or _is_inverse_scale(current):
        return True
    return current.op == "mul" and any(map(_is_inverse_scale, current.args))


def _is_inverse_scale(current: Node) -> bool:
    return _is_reciprocal(current) and current.args[1].op in ("scale", "scale_of")


def with_means_near_one(graph: Node) -> Node:
    """log of a mean of exponentials as log1p of the mean of what they are above 1, where that is small."""

    def rule(current: Node) -> Node | None:
        if current.op != "log" or current.args[0].op != "div":
            return None
        total, count = current.args[0].args
        if total.op != "reduce_sum" or total.args[0].op != "exp" or count != var(COUNT.name):
            return None
        excess = node("reduce_sum", node("expm1", total.args[0].args[0])) / count
        near = node("gt", excess, const(sp.Rational(-1, 2)))
        return node("where", near, node("log1p", excess), current)

    return rewritten(graph, rule)


def with_one_exponential(graph: Node) -> Node:
    """log(exp(p - m) + exp(q - m)), m the larger of p and q, as log1p of the smaller: the other is 1."""

    def rule(current: Node) -> Node | None:
        terms = current.args[0].args if current.op == "log" and current.args[0].op == "add" else ()
        if len(terms) != 2 or any(term.op != "exp" for term in terms):
            return None
        distances = [term.args[0] for term in terms]
        (p, m), (q, n) = map(_below, distances)
        if m is not n or m.op != "max" or set(m.args) != {p, q}:
            return None
        return node("log1p", node("exp", node("min", *distances)))

    return rewritten(graph, rule)


def _below(distance: Node) -> tuple[Node, Node]:
    """p and m of p - m."""
    if distance.op == "neg":
        return const(0), distance.args[0]
    return (distance.args[0], distance.args[1]) if distance.op == "sub" else (distance, const(0))
