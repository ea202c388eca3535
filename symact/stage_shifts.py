"""Stage shifts: what the emitted code does with exponents and their shifts.

Exponents are rounded before the shift is taken from them. XLA computes a·b - c with the unrounded product,
and where c is the maximum of the rounded ones the difference, which is to be 0 at most, may be thousands.

Where what is below the largest term is summed by itself, the whole sum needs no pass of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, reduce
from itertools import combinations

from symact.convert import negated
from symact.graph import Node, const, node, rebuild, rewritten, walk
from symact.stabilize.identities import CANCELLED
from symact.stabilize.rules import rewrite
from symact.stage_rewrites import added


def with_sums_by_rests(levels: Sequence[Sequence[Node]]) -> list[list[Node]]:
    """``levels`` with sums of shifted exponentials as 1 and the rest R, where that is summed anyway, and
    with the maximum itself as the shift."""
    rests = {n: largest for n in walk(root for level in levels for root in level) if (largest := _leader(n))}
    if not rests:
        return [*map(list, levels)]
    plain = {node("shift", largest): largest for largest in rests.values()}
    sums = {
        node("reduce_sum", node("exp", largest.args[0] - largest)): const(1) + rest
        for rest, largest in rests.items()
    }
    # Where the formula has the maximum, too, they are one node now, and may cancel.
    return [
        [rewrite(rebuild(rebuild(root, plain), sums), CANCELLED)[0] for root in level] for level in levels
    ]


def with_shifts_cancelled(levels: Sequence[Sequence[Node]]) -> list[list[Node]]:
    """``levels`` with m and the shift by m left out of sums that have one less the other, which is 0, or the
    same multiples of both: between them is what the logarithm of a sum adds, which m may be too large for.

    The maximum itself is the shift then. And without choices between what has become the same.
    """
    plain = {n: n.args[0] for n in walk(root for level in levels for root in level) if n.op == "shift"}
    cancelled: dict[Node, Node] = {}
    bare = cache(lambda term: rebuild(term, plain))

    def rule(current: Node) -> Node | None:
        if current.op == "where" and current.args[1] is current.args[2]:
            return current.args[1]
        terms = [*_terms(current)] if plain and current.op in ("add", "sub") else []
        for one, other in combinations(terms, 2):
            if one[1] != other[1] and one[0] is not other[0] and bare(one[0]) is bare(other[0]):
                only_in_one = {*walk([one[0]])} ^ {*walk([other[0]])}
                cancelled.update({n: m for n, m in plain.items() if n in only_in_one})
                terms.remove(one)
                terms.remove(other)
                terms.sort(key=lambda pair: -pair[1])
                signed = [term if sign > 0 else negated(term) for term, sign in terms]
                return reduce(added, signed) if signed else const(0)
        return None

    found = [[rewritten(root, rule) for root in level] for level in levels]
    if not cancelled:
        return found
    return [[rewrite(rebuild(root, cancelled), CANCELLED)[0] for root in level] for level in found]


def _terms(total: Node, sign: int = 1) -> Iterator[tuple[Node, int]]:
    if total.op == "neg":
        yield from _terms(total.args[0], -sign)
    elif total.op in ("add", "sub"):
        first, second = total.args
        yield from _terms(first, sign)
        yield from _terms(second, sign if total.op == "add" else -sign)
    else:
        yield total, sign


def _leader(rest: Node) -> Node | None:
    """The maximum m of x, where ``rest`` is the sum of exp(x - m) but one of the largest terms: what is
    below, and how many more are as large."""
    below, more = rest.args if rest.op == "add" else (rest, rest)
    if below.op != "reduce_sum" or more.op != "sub" or below.args[0].op != "where":
        return None
    leads, nothing, e = below.args[0].args
    largest = leads.args[0]
    is_of_leads = leads.op == "le" and largest == node("reduce_max", leads.args[1])
    count = node("reduce_sum", node("where", leads, const(1), const(0)))
    if not is_of_leads or more != count - const(1) or nothing != const(0):
        return None
    return largest if e == node("exp", leads.args[1] - largest) else None


def with_rounded_exponents(levels: Sequence[Sequence[Node]]) -> list[list[Node]]:
    """``levels`` with the products in shifted exponents as nodes that are rounded."""
    nodes = [*walk(root for level in levels for root in level)]
    shifted = [n.args[0] for n in nodes if n.op in ("shift", "shifted_sum", "centred_sum")]
    below = [arg for n in nodes if n.op in ("add", "sub") and any(map(_is_shift, n.args)) for arg in n.args]
    products = {product for n in (*shifted, *below) for product in _products(n)}
    exchanged: dict[Node, Node] = {}
    for product in filter(products.__contains__, nodes):  # what is inside others first
        exchanged[product] = node("rounded", rebuild(product, exchanged))
    return [[rebuild(root, exchanged) for root in level] for level in levels]


def _is_shift(current: Node) -> bool:
    return current.op in ("shift", "shift_of") or (current.op == "neg" and _is_shift(current.args[0]))


def _products(exponent: Node) -> set[Node]:
    """Products that a difference could be contracted with: the exponent, its terms, or of an extremum."""
    if exponent.op in ("mul", "div", "square"):
        return {exponent}
    if exponent.op in ("add", "sub", "neg", "max", "min", "reduce_max", "reduce_min"):
        return set().union(*map(_products, exponent.args))
    return set()
