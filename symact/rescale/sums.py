"""Sums: each shifted, scaled, taken relative to an element, or left as it is."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from symact.program import COUNT, Map, Norm, Reduce, Stage, has_any
from symact.rescale.questions import (
    degree_in,
    exponent,
    exponents_beside,
    is_added,
    is_bare,
    is_divisor,
    is_multiplied,
    is_nonnegative,
    must_not_vanish,
    sums_of_exponentials,
    terms,
    wholes,
)
from symact.rescale.rewriting import Rewriting, add_map, add_sum, in_new_terms, without
from symact.rescale.scales import add_scale, add_scale_between, powers_of, vector_of
from symact.rescale.shifts import is_free_of_factor, rewrite_exponentials


def _with_inner_exponents(new: Rewriting, stage: Reduce, body: sp.Expr) -> sp.Expr:
    """``body`` with exponents that hold exponentials (a softmax of a softmax) as stages of their own."""
    for part in sorted(body.atoms(sp.exp), key=str):
        inner = part.args[0]
        if inner.has(sp.exp) and has_any(inner, new.elements) and inner not in new.inner:
            name = f"inner_{stage.target}_{len(new.stages)}"
            new.exchanged[inner] = new.inner[inner] = add_map(new, name, new.rewritten(inner))
    return body.xreplace(new.inner)


def rewrite_sum(new: Rewriting, stage: Reduce, body: sp.Expr, later: tuple[Stage, ...]) -> None:
    """The sum ``stage`` of ``body``: shifted, scaled, or as it is."""
    symbol = sp.Symbol(stage.target, real=True)
    body = _with_inner_exponents(new, stage, body)
    # Exponentials are left as they are at first: those of one exponent share one shift.
    bare = in_new_terms(body, {k: v for k, v in new.exchanged.items() if not isinstance(k, sp.exp)})
    exponents = tuple(sorted({exponent(term) for term in terms(bare)}, key=str))
    if any(has_any(exponent, new.elements) for exponent in exponents):
        if exponents not in new.shifts and new.is_shifted(shifted := new.rewritten(body)):
            _add_shifted(new, stage, shifted, later)
        else:
            # Terms that are divided by such a sum themselves need no other shift.
            free = is_free_of_factor(new, bare, exponents)
            free = free or is_multiplied(symbol, later, new.program.reduced("sum"))
            others = sums_of_exponentials(new.program)
            beside = set() if free else exponents_beside(symbol, exponents, others, later, new.elements)
            if beside == {sp.S.Zero} and all(exponent.is_nonpositive for exponent in exponents):
                add_sum(new, stage.target, new.rewritten(body))  # 0 is the largest
                return
            rewrite_exponentials(new, stage, bare, exponents, beside)
        return
    outside, body = new.without_scales(new.rewritten(body))
    if _may_vanish(new, body):
        _add_shifted(new, stage, outside * body, later)
        return
    if _is_logarithm(body, new):
        _of_logarithms(new, stage, body.args[0], later)
        return
    vector = vector_of(body, new)
    body = body.xreplace(new.differences)
    degree = degree_in(body, vector) if vector is not None else sp.S.Zero
    if vector is None or degree == 0 or has_any(degree, new.elements) or new.is_scaled(vector):
        inside, total = _for_a_mean(new, body, symbol, later)
        add_sum(new, stage.target, inside)
        new.exchanged[symbol] = outside * total
        if outside == 1 and (vector is None or not new.is_scaled(vector)):
            new.unscaled.add(stage.target)
        return
    if vector not in new.scales:
        floor = degree != 1 and is_added(symbol, later, new.parameters) and not is_bare(symbol, later)
        add_scale(new, stage.target, vector, degree, floor)
        new.powers += powers_of(body, vector, degree, new.scales[vector][0], stage.target, floor)
    scale, z = new.scales[vector]
    scaled_body = sp.expand_power_base(body.xreplace({vector: scale * z}))
    inside, total = without(scaled_body, scale, degree), symbol
    if degree.is_negative:  # few elements count, and n·s overflows where the mean, s·n/total, does not
        inside, total = _for_a_mean(new, inside, symbol, later)
    add_sum(new, stage.target, inside)
    positive = sp.Symbol(stage.target, nonnegative=True) if is_nonnegative(body) else symbol
    scaled = {vector: scale * z, symbol: outside * scale**degree * total.xreplace({symbol: positive})}
    whole = _keeps_scale(new, scaled, scale, wholes(symbol, later))
    if (
        (whole or (is_added(symbol, later, new.parameters) and is_bare(symbol, later)))
        and is_nonnegative(body)
        and degree.is_number
    ):
        # The formula is a function of the norm itself; scales do not cancel there, and need not.
        norm = sp.Symbol(f"norm_{stage.target}", positive=True)
        new.stages.append(Map(norm.name, scale * positive ** (1 / degree)))
        new.functions_of.append(Norm(norm, vector, z * positive ** (-1 / degree)))
        new.exchanged[symbol] = outside * norm**degree
        return
    new.exchanged |= scaled


def _may_vanish(new: Rewriting, shifted: sp.Expr) -> bool:
    """Whether terms are products of exponentials below several shifts: none of them need be 1."""
    return all(len(new.distances & exponent(term).free_symbols) > 1 for term in terms(shifted))


def _add_shifted(new: Rewriting, stage: Reduce, shifted: sp.Expr, later: tuple[Stage, ...]) -> None:
    """The sum of exponentials below shifts: below another one where it may vanish, and must not."""
    if _may_vanish(new, shifted) and must_not_vanish(sp.Symbol(stage.target, real=True), later):
        below = tuple(sorted({exponent(term) for term in terms(shifted)}, key=str))
        rewrite_exponentials(new, stage, shifted, below, set())
    else:
        add_sum(new, stage.target, shifted)


def _is_logarithm(body: sp.Expr, new: Rewriting) -> bool:
    return isinstance(body, sp.log) and body.args[0].is_Symbol and body.args[0].name in new.elements


def _of_logarithms(new: Rewriting, stage: Reduce, vector: sp.Symbol, later: tuple[Stage, ...]) -> None:
    """Sum(log(v)) = Sum(log(v/s)) + n·log(s): of huge elements the digits that tell them apart are left."""
    symbol = sp.Symbol(stage.target, real=True)
    if vector not in new.scales:
        add_scale_between(new, stage.target, vector)
    scale, z = new.scales[vector]
    inside, total = _for_a_mean(new, sp.log(z), symbol, later)
    add_sum(new, stage.target, inside)
    new.exchanged |= {vector: scale * z, symbol: COUNT * (total / COUNT + sp.log(scale))}


def _keeps_scale(
    new: Rewriting, scaled: dict[sp.Expr, sp.Expr], scale: sp.Symbol, functions: list[sp.Expr]
) -> bool:
    """Whether ``scale`` does not cancel inside some of ``functions``: they are functions of a norm then."""
    tried = replace(new, exchanged={**new.exchanged, **scaled})
    return any(scale in tried.rewritten(function).free_symbols for function in functions)


def rewrite_maximum(new: Rewriting, stage: Reduce, body: sp.Expr, later: tuple[Stage, ...]) -> None:
    """The maximum ``stage`` of ``body``: scaled where it is a size that something is divided by."""
    symbol = sp.Symbol(stage.target, real=True)
    body = new.rewritten(body)
    if body.is_Symbol:
        new.extrema[symbol] = body
    vector = body.args[0] if isinstance(body, sp.Abs) else None
    if vector is None or not vector.is_Symbol or not is_divisor(symbol, later):
        add_map(new, stage.source, body)
        new.stages.append(stage)
        new.unscaled.add(stage.target)
        return
    if vector not in new.scales:
        add_scale(new, stage.target, vector, sp.S.One, is_added(symbol, later, new.parameters))
    scale, z = new.scales[vector]
    size = add_map(new, stage.source, sp.Abs(z))
    new.stages.append(stage)
    new.exchanged |= {vector: scale * z, symbol: scale * symbol, size: scale * size}


def _for_a_mean(
    new: Rewriting, body: sp.Expr, symbol: sp.Symbol, later: tuple[Stage, ...]
) -> tuple[sp.Expr, sp.Expr]:
    """The body and what stands for its sum; a mean is the sum of elements divided by their number.

    The mean of a vector is taken relative to its first element, so that deviations from it keep
    their digits where the elements are close together, and are 0 where they are equal. Halved, no difference
    of two elements is beyond the range.
    """
    whole = [s.expression for s in later if isinstance(s, Map) and symbol in s.expression.free_symbols]
    probe = sp.Dummy()
    if not whole or any(symbol in e.subs(symbol / COUNT, probe).free_symbols for e in whole):
        return body, symbol
    if not (body.is_Symbol and body.name in new.elements):
        return body / COUNT, symbol * COUNT
    first = sp.Symbol(f"first_{symbol}", real=True)
    new.stages.append(Reduce(first.name, "first", body.name))
    new.constants.add(first.name)
    new.unscaled.add(first.name)
    new.offsets.add(first)
    half = add_map(new, f"beyond_{first}", body / 2 - first / 2)
    new.exchanged[body] = 2 * half + first
    return half / COUNT, (2 * symbol + first) * COUNT
