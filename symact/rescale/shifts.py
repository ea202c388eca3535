"""Shifts: sums of exponentials relative to the largest of them.

An exponent g·e, where g holds no element, is shifted as e: the largest or smallest e, by the sign of g, is
taken from every e before g multiplies what is left, so that no digit of e is lost to the product.
"""

from __future__ import annotations

import sympy as sp

from symact.program import Map, Reduce, has_any
from symact.rescale.questions import terms
from symact.rescale.rewriting import Rewriting, add_map, add_sum, in_new_terms, unfolded, without


class _Sign(sp.Symbol):  # type: ignore[misc]
    """A symbol for 1 or -1."""

    def _eval_power(self, exponent: sp.Expr) -> sp.Expr | None:
        if exponent.is_even:
            return sp.S.One
        return self if exponent.is_odd and exponent != 1 else None


def rewrite_exponentials(
    new: Rewriting, stage: Reduce, body: sp.Expr, exponents: tuple[sp.Expr, ...], beside: set[sp.Expr]
) -> None:
    """The sum ``stage`` of ``body``, terms a·exp(e): e less the largest, those in ``beside`` among them."""
    exponents = tuple(sorted({*exponents, *beside}, key=str))
    if exponents not in new.shifts:
        weight, sign = _weight(new, stage.target, exponents)
        times = weight * sign
        elements = [unfolded(exponent * sign / weight, new.factors) for exponent in exponents]
        m, rounded = _largest(new, stage.target, tuple(elements))
        factor = sp.Symbol(f"factor_{stage.target}", positive=True)
        new.factors[factor] = times * m
        new.shifts[exponents] = m, factor
        for exponent, part in zip(exponents, rounded, strict=True):
            if has_any(exponent, new.elements):
                # Halved where a small weight would bring a difference beyond the range back into it.
                whole = 1 if weight.is_number else 2
                d = add_map(new, f"below_{m.name}_{len(new.stages)}", part / whole - m / whole)
                new.distances.add(d)
                new.exchanged[sp.exp(exponent)] = factor * sp.exp(whole * times * d)
                bare, instead = exponent / weight, sp.expand_mul(sign * (whole * d + m))
                negative = (-bare).is_Symbol
                new.exchanged[-bare if negative else bare] = -instead if negative else instead
    m, factor = new.shifts[exponents]
    new_terms = [in_new_terms(t, new.exchanged, only=sp.exp) for t in terms(body)]
    powers = _powers(factor, new_terms)
    power = powers.pop() if len(powers) == 1 else sp.S.One
    shifted = sp.Add(*(new.with_logarithms(without(term, factor, power)) for term in new_terms))
    shifted = unfolded(shifted, new.factors)
    # Weights are taken relative to m as well: Sum(x·exp(x)) = M·(Sum(d·exp(d)) + m·Sum(exp(d))).
    in_distances = {
        k: v for k, v in new.exchanged.items() if m in v.free_symbols and not k.free_symbols & v.free_symbols
    }
    weighted = shifted.xreplace(in_distances)
    if m in weighted.free_symbols and (expanded := sp.expand_mul(weighted)).is_polynomial(m):
        parts = sp.Poly(expanded, m).all_coeffs()[::-1]
    else:
        parts = [shifted]
    total = sp.Add(
        *(_total(new, stage.target, part, at) * m**at for at, part in enumerate(parts) if part != 0)
    )
    symbol = sp.Symbol(stage.target, real=True)
    if total.is_Add and symbol not in total.free_symbols:  # made of earlier sums
        total = add_map(new, stage.target, total)
    new.exchanged[symbol] = factor**power * total
    if not beside and len(parts) == 1 and shifted.is_positive:
        new.positive |= {symbol.name for symbol in total.free_symbols}  # the largest term is 1


def _largest(new: Rewriting, target: str, parts: tuple[sp.Expr, ...]) -> tuple[sp.Symbol, list[sp.Expr]]:
    """The largest element of all ``parts``, found once, and each of these as it is rounded."""
    if parts not in new.largest:
        name = f"exponent_{target}"
        # A sum is rounded as it is in the shift, and not added up in another order.
        rounded = [
            add_map(new, f"{name}_{i}", p) if p.is_Add and has_any(p, new.elements) else p
            for i, p in enumerate(parts, 1)
        ]
        add_map(new, name, sp.Max(*rounded, evaluate=False) if len(parts) > 1 else rounded[0])
        m = sp.Symbol(f"shift_{target}", real=True)
        new.stages.append(Reduce(m.name, "shift", name))
        new.constants |= {name, m.name}
        new.offsets.add(m)
        new.largest[parts] = m, rounded
    return new.largest[parts]


def is_free_of_factor(new: Rewriting, body: sp.Expr, exponents: tuple[sp.Expr, ...]) -> bool:
    """Whether the terms of ``body`` are divided by a sum that holds the same factor as they do."""
    if exponents not in new.shifts:
        return False
    _, factor = new.shifts[exponents]
    new_terms = [in_new_terms(term, new.exchanged, only=sp.exp) for term in terms(body)]
    return _powers(factor, new_terms) == {sp.S.Zero}


def _powers(factor: sp.Symbol, products: list[sp.Expr]) -> set[sp.Expr]:
    return {product.as_powers_dict().get(factor, sp.S.Zero) for product in products}


def _weight(new: Rewriting, target: str, exponents: tuple[sp.Expr, ...]) -> tuple[sp.Expr, sp.Expr]:
    """g of the only exponent g·e, and its sign: g·e may be beyond the range, or have lost digits of e."""
    weight: sp.Expr = sp.S.One
    if len(exponents) == 1:
        elements = {s for s in exponents[0].free_symbols if s.name in new.elements}
        weight, _ = sp.factor_terms(exponents[0]).as_independent(*elements, as_Add=False)
    if weight.is_finite is False or weight.is_zero:
        return sp.S.One, sp.S.One
    if weight.is_number or weight.is_nonnegative:
        return weight, sp.sign(weight) if weight.is_number else sp.S.One
    # Not SymPy's sign, which is 0 for 0: there the exponentials still have a slope in g.
    sign = _Sign(f"sign_{target}", real=True)
    add_map(new, sign.name, sp.Piecewise((1, weight >= 0), (-1, True)))
    new.constants.add(sign.name)
    return weight, sign


def _total(new: Rewriting, target: str, body: sp.Expr, at: int) -> sp.Expr:
    """The sum of ``body``: a multiple of an earlier one where that is the same."""
    elements = {s for s in body.free_symbols if s.name in new.elements}
    outside, body = body.as_independent(*elements, as_Add=False)
    maps = {stage.expression: stage.target for stage in new.stages if isinstance(stage, Map)}
    for stage in new.stages:
        if isinstance(stage, Reduce) and stage.kind == "sum" and stage.source == maps.get(body):
            return outside * sp.Symbol(stage.target, real=True)
    name = target if at == 0 else f"{target}_{at}"
    add_sum(new, name, body)
    return outside * sp.Symbol(name, real=True)
