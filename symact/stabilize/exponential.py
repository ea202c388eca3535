"""The exp(-|u|) form: a formula on a half line, every exponential in it at most 1.

On a half line exp(u) is written as t = exp(-|u|) or as 1/t, and the formula, now rational in x, t and
whatever else is in it, is brought over one denominator. Nothing in it can overflow through an
exponential, by construction. Where 1 - t cancels, t = 1 + m with m = expm1(-|u|) keeps the digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import sympy as sp

from symact.convert import to_graph
from symact.expressions import dag, rewrite
from symact.graph import Node, const, node, rebuild, var
from symact.log1p import Log1p
from symact.stabilize.exponential_families import Exponentials, families_of, minus_magnitude, to_exponentials
from symact.stabilize.fractions import multiplied_out, over_one_denominator, rationalized

# Above this size SymPy's polynomial arithmetic takes seconds.
_MOST_NODES = 150
# Keeps exponentials in range where results are that a polynomial multiplies them to. Of all about as large,
# exp(-37) is closest to a float32 and to a float64: a hundredth of a rounding error off.
_SHIFT = 37
_UNDEFINED = (sp.oo, -sp.oo, sp.zoo, sp.nan)


@lru_cache(maxsize=256)
def half_line(
    expression: sp.Expr, name: str, point: float, rough: bool = False, signs: tuple[int, ...] = ()
) -> tuple[tuple[str, Node], ...]:
    """Forms of a smooth ``expression`` that hold on the side of 0 where ``point`` lies, by name.

    Args:
        expression: without branches on that side (see ``branches.resolve``).
        name: the input.
        point: any number on the side meant, not near 0.
        rough: whether finite values are enough, and the forms that buy digits are left out.
        signs: those of exponents with parameters; that of ``point`` where there are none.
    """
    return tuple(_half_line(expression, name, point, rough, signs))


def far_out(expression: sp.Expr, name: str, point: float) -> tuple[Node, int, sp.Expr] | None:
    """``expression`` so far out on the side of ``point`` that its exponentials are nothing beside 1.

    Returns:
        What is exponentiated, the negative of a magnitude; to which power the exponential is in there; and
        what that is times. None where it has several exponentials, none, or grows like one.
    """
    families = families_of(to_exponentials(expression), name, point)
    if len(families) != 1:
        return None
    (family,) = families

    def first_order(current: sp.Basic) -> sp.Basic:
        vanishing = isinstance(current, Log1p) and current.args[0].subs(family.symbol, 0) == 0
        return current.args[0] if vanishing else current

    spelled = rewrite(_spell(to_exponentials(expression), families), first_order)
    power, limit = _leading(over_one_denominator(sp.factor_terms(spelled)), family.symbol)
    if limit is None or not (power.is_Integer and power >= 0):
        return None
    return minus_magnitude(family), int(power), limit


def _leading(fraction: sp.Expr, t: sp.Symbol) -> tuple[sp.Expr, sp.Expr | None]:
    """The power of ``t`` in ``fraction``, and what it is times, where t = 0; None where that is nothing."""
    numerator, denominator = sp.fraction(fraction)
    power = sp.Add(*(s * f.as_powers_dict().get(t, 0) for s, f in ((1, numerator), (-1, denominator))))
    limit = (fraction / t**power).subs(t, 0)
    return power, None if limit == 0 or limit.has(*_UNDEFINED) else limit


def _half_line(
    expression: sp.Expr, name: str, point: float, rough: bool, signs: tuple[int, ...]
) -> Iterator[tuple[str, Node]]:
    expression = to_exponentials(expression)
    if sum(1 for _ in dag(expression)) > _MOST_NODES:
        return
    families = families_of(expression, name, point, signs)
    if len(families) > 3:
        return
    spelled = _spell(expression, families)
    fraction = over_one_denominator(spelled)
    yield "exp(-|u|)", _graph(fraction, families, {})
    conjugated = rationalized(fraction)
    if conjugated is not fraction:
        yield "conjugate", _graph(conjugated, families, {})
    if families:
        yield "exp(-|u|), terms apart", _graph(spelled, families, {})
    if rough:
        return
    product = multiplied_out(fraction, {family.symbol for family in families})
    if product is not fraction:
        yield "exp(-|u|), multiplied out", _graph(product, families, {})
    for family in families:
        yield from _halved_exponent(fraction, families, family)
        shifted = fraction.subs(family.symbol, 1 + family.symbol)
        yield "expm1(-|u|)", _graph(over_one_denominator(shifted), families, {family: "expm1"})
    yield from _joint_exponent(fraction, families)
    symbol = sp.Symbol(name, real=True)
    if symbol in fraction.free_symbols:
        yield from _reciprocal(fraction, spelled, symbol, point, families)


def _halved_exponent(
    fraction: sp.Expr, families: list[Exponentials], family: Exponentials
) -> Iterator[tuple[str, Node]]:
    """t**k·g as s·(s·g) with s² = t**k: the power of t leaves the normal range before the whole does."""
    t = family.symbol
    power, limit = _leading(fraction, t)
    if power == 0 or not power.is_Integer:
        return
    rest = fraction / t**power
    root = node("exp", minus_magnitude(replace(family, exponent=family.exponent * abs(power) / 2)))
    if power < 0:
        root = const(1) / root
    yield "exp(-|u|/2)²", root * (root * _graph(rest, families, {}))
    # So far out that there is nothing left of t beside 1; the shift is exact there.
    if power > 0 and limit is not None:
        exponent = minus_magnitude(replace(family, exponent=family.exponent * power))
        far = _graph(limit, families, {})
        moderate = node("exp", exponent + const(_SHIFT)) * far
        yield "exp(s-|u|), far out", const(sp.exp(-_SHIFT)) * node("rounded", moderate)
        yield "exp(-|u|/2)², far out", root * (root * far)


def _joint_exponent(fraction: sp.Expr, families: list[Exponentials]) -> Iterator[tuple[str, Node]]:
    """t**j·u**k·g as s·(s·g), with s² = t**j·u**k as one exponential: where one overflows and the other
    vanishes the product may be a number."""
    powers = {family: _leading(fraction, family.symbol)[0] for family in families}
    powers = {family: power for family, power in powers.items() if power != 0}
    if len(powers) < 2 or not all(power.is_Integer for power in powers.values()):
        return
    rest = fraction / sp.Mul(*(family.symbol**power for family, power in powers.items()))
    first, *others = (const(power / 2) * minus_magnitude(family) for family, power in powers.items())
    root = node("exp", sum(others, first))
    yield "exp(u+v)", root * (root * _graph(rest, families, {}))


def _reciprocal(
    fraction: sp.Expr, spelled: sp.Expr, symbol: sp.Symbol, point: float, families: list[Exponentials]
) -> Iterator[tuple[str, Node]]:
    """The form in u = 1/|x|, whose powers vanish where those of x overflow."""
    reciprocal = sp.Symbol("u_", positive=True)
    rooted = any(p.is_Pow and not p.exp.is_Integer for p in dag(spelled))
    if families and not rooted:
        return  # what is left of a tail without its exponentials, the far limits cover
    forms = [("1/|x|", fraction)] + ([("1/|x|, terms apart", spelled)] if rooted else [])
    for name, form in forms:
        turned = form.xreplace({symbol: sp.Integer(1 if point > 0 else -1) / reciprocal})
        turned = rewrite(turned, lambda e: sp.powdenest(sp.together(e)) if e.is_Pow else e)
        turned = rationalized(over_one_denominator(turned))
        inverse = const(1) / node("abs", var(symbol.name))
        yield name, rebuild(_graph(turned, families, {}), {var(reciprocal.name): inverse})


def _spell(expression: sp.Expr, families: list[Exponentials]) -> sp.Expr:
    """``expression`` in powers of the families' symbols, logarithms freed of negative powers."""

    def visit(current: sp.Basic) -> sp.Basic:
        if isinstance(current, sp.exp):
            powers = (family.spelled(current.args[0]) for family in families)
            return next((power for power in powers if power is not None), current)
        if isinstance(current, sp.log):
            return _logarithm(current, families)
        if current.is_Pow and current.base is not sp.E and not current.exp.is_Integer:
            return _root(current, families)
        return current

    return rewrite(expression, visit)


def _logarithm(logarithm: sp.Expr, families: list[Exponentials]) -> sp.Expr:
    """log(t**-k · w) as k·|u| + log(w), with log1p where w tends to 1."""
    parts = _bounded(logarithm.args[0], families)
    if parts is None:
        return logarithm
    family, power, bounded = parts
    limit = bounded.subs(family.symbol, 0)
    rest = Log1p(over_one_denominator(bounded / limit - 1))
    return power * family.magnitude + rest + (sp.log(limit) if limit != 1 else 0)


def _root(root: sp.Expr, families: list[Exponentials]) -> sp.Expr:
    """(t**-k · w)**r as t**(-k·r) · w**r, which overflows where the root does and not before."""
    parts = _bounded(root.base, families)
    if parts is None:
        return root
    family, power, bounded = parts
    rest = over_one_denominator(bounded) ** root.exp
    if root.exp.is_number:
        return sp.exp(power * root.exp * family.magnitude) * rest
    # Its whole part joins other powers of t.
    return family.symbol ** (-power * root.exp) * rest


def _bounded(argument: sp.Expr, families: list[Exponentials]) -> tuple[Exponentials, int, sp.Expr] | None:
    """The family in ``argument``, and k and w of t**-k · w with w finite and not 0 at t = 0."""
    used = [family for family in families if family.symbol in argument.free_symbols]
    if len(used) != 1:
        return None
    (family,) = used
    t = family.symbol
    numerator, denominator = sp.fraction(sp.cancel(sp.together(argument)))
    if not (numerator.is_polynomial(t) and denominator.is_polynomial(t)):
        return None
    power = _lowest_power(denominator, t) - _lowest_power(numerator, t)
    bounded = sp.cancel(argument * t**power)
    limit = bounded.subs(t, 0)
    return None if limit == 0 or limit.has(*_UNDEFINED) else (family, power, bounded)


def _lowest_power(expression: sp.Expr, symbol: sp.Symbol) -> int:
    return int(min(monomial[0] for monomial in sp.Poly(expression, symbol).monoms()))


def _graph(expression: sp.Expr, families: list[Exponentials], kinds: dict[Exponentials, str]) -> Node:
    """The graph of ``expression``, each family's symbol exchanged for its exponential."""
    exchanged = {}
    for family in families:
        exponent = minus_magnitude(family)
        exchanged[var(family.symbol.name)] = node(kinds.get(family, "exp"), exponent)
        # exp(-p·|u|) for exp(-|u|)**p, which has vanished long before for p < 1.
        powers = [p for p in dag(expression) if p.is_Pow and p.base == family.symbol and p.exp.free_symbols]
        for i, power in enumerate(powers if family not in kinds else ()):
            stand_in = sp.Symbol(f"{family.symbol}_{i}", positive=True)
            expression = expression.xreplace({power: stand_in})
            exchanged[var(stand_in.name)] = node("exp", to_graph(power.exp) * exponent)
    return rebuild(to_graph(expression), exchanged)
