"""Projections: what weights leave over of a cotangent, u - Σ(w·u), in digits of its own.

Where one weight is almost 1 the difference is hardly more than a rounding error. Softmax has such weights,
attention with a sink, exp(x)/(1 + Σ exp(x)), whose weights and a rest add up to 1, and x²/Σx².
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from symact.graph import Node, const, node, rewritten, var
from symact.reduced import REDUCING


@dataclass(frozen=True)
class Weights:
    """Factors of a product that are weights, and what they add up to 1 with: 0 or the share of a rest."""

    factors: tuple[Node, ...]
    share: Node

    @property
    def product(self) -> Node:
        """The weights."""
        return reduce(Node.__mul__, self.factors)


def with_second_projections(root: Node, elements: Collection[str]) -> Node:
    """u - Σ(w·u) with the same taken from the difference again, of which the second time leaves nothing.

    Twice is enough (Parlett, The Symmetric Eigenvalue Problem, 6.9). ``elements`` are the names of
    variables that have an element for each of the axis.
    """

    def rule(current: Node) -> Node | None:
        if current.op != "sub":
            return None
        left = _left_over(current, elements)
        if left is not None:
            return current - left
        left = _left_over(node("sub", *current.args[::-1]), elements)
        return None if left is None else current + left

    return rewritten(root, rule)


def with_covariances(root: Node, elements: Collection[str]) -> Node:
    """Σ(w·u·d) - Σ(w·u)·Σ(w·d) as Σ(w·(u - Σ(w·u))·d).

    Where one weight is almost 1 the two products are equal but for what matters. The upstream cotangent is
    the u, for d, distances and the like, may be of any size.
    """

    def rule(current: Node) -> Node | None:
        for total, product in (current.args, current.args[::-1]) if current.op == "sub" else ():
            covariance = _covariance(total, product, elements) if _are_sums(total, product) else None
            if covariance is not None:
                return covariance if total is current.args[0] else -covariance
        return None

    return rewritten(root, rule)


def _are_sums(total: Node, product: Node) -> bool:
    return product.op == "mul" and {total.op, *(arg.op for arg in product.args)} == {"reduce_sum"}


def _covariance(total: Node, product: Node, elements: Collection[str]) -> Node | None:
    sums = sorted(product.args, key=lambda s: var("upstream") not in _factors(s.args[0]))
    first, second = (_factors(s.args[0]) for s in sums)
    for weights in _weights(first, elements):
        u, d = _without(first, weights.factors), _without(second, weights.factors)
        if u and d and _same(_factors(total.args[0]), [*weights.factors, *u, *d]):
            of_u, of_d = (reduce(Node.__mul__, factors) for factors in (u, d))
            mean = node("reduce_sum", of_u * weights.product)
            return node("reduce_sum", (of_u - mean) * weights.product * of_d)
    return None


def _left_over(difference: Node, elements: Collection[str]) -> Node | None:
    """What a projection of ``difference`` takes from it; None where it is no projection."""
    u, taken = difference.args
    if taken.op == "reduce_sum":
        product = _factors(taken.args[0])
        for weights in _weights(product, elements):
            if _same(product, [*_factors(u), *weights.factors]):
                left = node("reduce_sum", difference * weights.product)
                return _less_share(left, weights.share, taken)
    if taken.op == "div" and taken.args[0].op == "reduce_sum":
        total, divisor = taken.args
        for e, share in _sums(divisor, elements):
            if _same(_factors(total.args[0]), [*_factors(u), *_factors(e)]):
                return _less_share(node("reduce_sum", difference * e) / divisor, share, taken)
    return None


def _less_share(left: Node, share: Node, taken: Node) -> Node:
    """``left``, what is left over to the weights, less what is to the rest: its own cotangent is 0."""
    return left if share == const(0) else left - share * taken


def _weights(factors: Sequence[Node], elements: Collection[str]) -> Iterator[Weights]:
    """Weights among the ``factors``: e/Σe, or e and 1/Σe."""
    for factor in factors:
        if factor.op != "div":
            continue
        above, divisor = factor.args
        for e, share in _sums(divisor, elements):
            if above == e:
                yield Weights((factor,), share)
            elif above == const(1) and _without(factors, _factors(e)):
                yield Weights((*_factors(e), factor), share)


def _sums(divisor: Node, elements: Collection[str]) -> Iterator[tuple[Node, Node]]:
    """What ``divisor`` is the sum of, and the share in it of what else is added, which is no element's."""
    terms = _terms(divisor.args[2] if divisor.op == "where" else divisor)  # without its guard against 0
    for at, term in enumerate(terms):
        rest = [*terms[:at], *terms[at + 1 :]]
        e = _summand(term)
        if e is not None and term not in rest and all(_is_reduced(other, elements) for other in rest):
            yield e, reduce(Node.__add__, rest) / divisor if rest else const(0)


def _summand(total: Node) -> Node | None:
    """What is summed: as it is, or squares of a vector by its scale."""
    if total.op == "reduce_sum":
        return total.args[0]
    if total.op == "sum_of" and total.args[0].op == "scaled_sum":
        vector, power, _ = total.args[0].args
        if power == const(2):
            return node("square", vector * (const(1) / node("scale_of", total.args[0])))
    return None


def _is_reduced(current: Node, elements: Collection[str]) -> bool:
    """Whether it is the same for all elements."""
    if current.op in REDUCING:
        return True
    if current.op == "var":
        return current.name not in elements
    return all(_is_reduced(arg, elements) for arg in current.args)


def _terms(total: Node) -> list[Node]:
    if total.op != "add":
        return [total]
    return [term for arg in total.args for term in _terms(arg)]


def _without(factors: Sequence[Node], others: Sequence[Node]) -> list[Node]:
    """``factors`` less the ``others``; none where it lacks one of those."""
    rest = list(factors)
    for other in others:
        if other not in rest:
            return []
        rest.remove(other)
    return rest


def _same(factors: Sequence[Node], others: Sequence[Node]) -> bool:
    return sorted(map(id, factors)) == sorted(map(id, others))


def _factors(product: Node) -> list[Node]:
    if product.op != "mul":
        return [product]
    return [factor for arg in product.args for factor in _factors(arg)]
