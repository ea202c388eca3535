"""Stage trials: reductions that are tried the quick way first, and the safe way where that does not do.

Sums of shifted exponentials and their shifts become one reduction that need not find a maximum. Any shift
does by which the sum neither overflows nor vanishes; the emitted reduction tries 0 before it looks for the
largest exponent. The exponentials are not 1 at most then, but may be huge. So it is done only where nothing
is made of them but their sum and quotients by it (a weight near the largest number would overflow), or the
logarithm of such quotients, for which a shift next to the logarithm of the sum is as good as the maximum.

Squares of float32 are summed in float32, before they are in float64, which holds them all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from symact.graph import Node, const, node, rebuild, var, variables, walk
from symact.reduced import spans_axis


def with_tried_shifts(levels: Sequence[Sequence[Node]]) -> list[list[Node]]:
    """``levels``, the graphs of the value and its VJPs, with such pairs of shift and sum as one node.

    The VJP takes both from the value. Its own VJP finds the maximum: TensorFlow can differentiate that again.
    Where TensorFlow differentiates the first VJP it looks into the value too, and nothing is done.
    """
    if len(levels) == 2:
        return [*map(list, levels)]
    exchanged: dict[Node, Node] = {}
    for total in walk(levels[0]):
        shift = _shift_of(total)
        op = _trial(total, levels[0]) if shift is not None and shift not in exchanged else None
        if shift is not None and op is not None:
            pair = node(op, rebuild(_exponent(shift), exchanged))
            exchanged |= {shift: node("shift_of", pair), total: node("sum_of", pair)}
    first_two = [[rebuild(root, exchanged) for root in roots] for roots in levels[:2]]
    return [*first_two, *map(list, levels[2:])]


def _exponent(shift: Node) -> Node:
    return shift.args[0].args[0]


def _shift_of(total: Node) -> Node | None:
    """The shift m, the maximum of e, where ``total`` is the sum of exp(e - m)."""
    if total.op != "reduce_sum" or total.args[0].op != "exp":
        return None
    difference = total.args[0].args[0]
    if difference.op != "sub" or difference.args[1].op != "shift":
        return None
    shift = difference.args[1]
    return shift if shift.args[0].op == "reduce_max" and _exponent(shift) == difference.args[0] else None


def _trial(total: Node, roots: Sequence[Node]) -> str | None:
    """The reduction that finds ``total`` by a trial, if its terms are otherwise only divided by it.

    A distance below the maximum is 0 there; next to another shift it is the difference of two numbers. That
    is as good only where the logarithm of ``total`` is taken from it, and only if that is close to 0.
    """
    exponential = total.args[0]
    (distance,) = exponential.args
    if exponential in roots or distance in roots:
        return None
    made = {n for n in walk(roots) if {exponential, distance} & {*n.args}} - {total, exponential}
    logarithm = distance - node("log", total)
    if made <= {exponential / total}:
        return "shifted_sum"
    return "centred_sum" if made <= {exponential / total, logarithm} else None


def with_trials(
    levels: Sequence[Sequence[Node]], kept: Sequence[Node], inputs: Collection[str]
) -> tuple[list[list[Node]], list[Node]]:
    """``levels``, and what the VJP takes from the value, with more that a trial spares.

    Exponentials that a tried sum is made of are written to memory with it, where the value takes them too,
    or where the VJP has no other use for the input: it is given them in its place. What is from the input
    to be squared and summed is tried in its own format.
    """
    if len(levels) == 2:
        return [*map(list, levels)], [*kept]
    value, gradients, *rest = levels
    exchanged: dict[Node, Node] = {}
    given: list[Node] = []
    for current in dict.fromkeys(walk(value)):
        if current.op == "scaled_sum" and current.args[0].name in inputs and current.args[1] == const(2):
            exchanged[current] = node("scaled_squares", current.args[0], current.args[2])
        if current.op == "shifted_sum":
            shift, terms = node("shift_of", current), node("shifted_terms", *current.args)
            exponential = node("exp", current.args[0] - shift)
            spares = _spares_input(value, gradients, [*kept, exponential], inputs)
            if spares:
                given.append(exponential)
            if spares or exponential in walk(value):
                exchanged[shift] = node("shift_of", terms)
                exchanged[node("sum_of", current)] = node("sum_of", terms)
                exchanged[exponential] = node("terms_of", terms)
    found = [rebuild(current, exchanged) for current in [*kept, *given]]
    taken = dict(zip([*kept, *given], found, strict=True))
    replaced = [rebuild(root, taken) for root in gradients]
    if given:  # the exponentials, and not what they were computed from
        used = _taken(replaced, found)
        found = [current for at, current in enumerate(found) if _kept(at) in used]
    return [[rebuild(root, exchanged) for root in value], replaced, *map(list, rest)], found


def _spares_input(
    value: Sequence[Node], gradients: Sequence[Node], kept: Sequence[Node], inputs: Collection[str]
) -> bool:
    """Whether ``gradients``, given what is ``kept``, need no input, and only the last of that is of its size.

    A value of the input's size is kept in any case, by what it is passed to.
    """
    if any(spans_axis(current, inputs) for current in [*value, *kept[:-1]]):
        return False
    return _taken(gradients, kept).isdisjoint(inputs)


def _taken(gradients: Sequence[Node], kept: Sequence[Node]) -> set[str]:
    """The names of the variables that ``gradients`` take, what is ``kept`` among them."""
    names = {current: var(_kept(at)) for at, current in enumerate(kept)}
    return {name for root in gradients for name in variables(rebuild(root, names))}


def _kept(at: int) -> str:
    return f"kept {at}"
