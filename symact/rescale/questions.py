"""Questions about sums: what their terms are made of, and how later stages use them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import sympy as sp

from symact.expressions import dag, rewrite
from symact.program import COUNT, Map, Program, Reduce, Stage, has_any, names_in

# Functions in which a sum of powers is a factor that may cancel; below any other it is a whole.
_ALGEBRAIC = (sp.Add, sp.Mul, sp.Pow, sp.Symbol, sp.Number, sp.NumberSymbol, sp.Abs, sp.log, sp.sign)


def sums_of(program: Program) -> Iterator[tuple[Reduce, sp.Symbol, sp.Expr, tuple[Stage, ...]]]:
    """Every sum of ``program``, its symbol, what is summed, and the stages that come later."""
    for at, stage in enumerate(program.stages):
        if isinstance(stage, Reduce) and stage.kind == "sum":
            source = program.stages[at - 1]
            assert isinstance(source, Map)
            symbol = sp.Symbol(stage.target, real=True)
            yield stage, symbol, source.expression, program.stages[at + 1 :]


def terms(body: sp.Expr) -> tuple[sp.Expr, ...]:
    return tuple(sp.Add.make_args(body))


def exponent(term: sp.Expr) -> sp.Expr:
    """e of a term a·exp(e); 0 where it has no exponential."""
    exponents = [f.exp for f in sp.Mul.make_args(term) if f.is_Pow and f.base is sp.E]
    exponents += [f.args[0] for f in sp.Mul.make_args(term) if isinstance(f, sp.exp)]
    return sp.Add(*exponents)


def is_added(symbol: sp.Symbol, later: tuple[Stage, ...], parameters: AbstractSet[str] = frozenset()) -> bool:
    """Whether ``symbol``, or a ratio of it to ``parameters``, is a term of some later sum, next to terms
    without it."""
    return bool(_terms_beside(symbol, later, parameters))


def exponents_beside(
    symbol: sp.Symbol,
    own: tuple[sp.Expr, ...],
    others: AbstractSet[str],
    later: tuple[Stage, ...],
    elements: AbstractSet[str],
) -> set[sp.Expr]:
    """The exponents, without elements, of terms to which a sum of exponentials ``symbol`` is added later.

    But for its ``own`` exponents, of which none is larger than the largest, and for ``others``, sums of
    exponentials that have shifts of their own. Exponentials of elements have offsets where they are larger.
    """
    beside = (term for term in _terms_beside(symbol, later) if not has_any(term, others))
    found = {exponent(term) for term in beside} - {*own}
    return {e for e in found if not has_any(e, elements)}


def sums_of_exponentials(program: Program) -> frozenset[str]:
    """The targets of sums whose terms are all exponentials of elements."""
    return frozenset(
        stage.target
        for stage, _, body, _ in sums_of(program)
        if all(has_any(exponent(term), program.elementwise) for term in terms(body))
    )


def must_not_vanish(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether ``symbol`` is a divisor, or has its logarithm taken."""
    logarithms = (part for part in _parts(later) if isinstance(part, sp.log))
    return is_divisor(symbol, later) or any(symbol in part.free_symbols for part in logarithms)


def is_divided_by(symbol: sp.Symbol, sums: AbstractSet[str], later: tuple[Stage, ...]) -> bool:
    """Whether a multiple of ``symbol`` is divided by one of ``sums``."""
    return any(symbol in part.free_symbols and is_quotient(part, sums) for part in _parts(later))


def is_quotient(part: sp.Basic, sums: AbstractSet[str]) -> bool:
    """Whether ``part`` is something divided by one of ``sums``, or by an expression of it."""
    divisors = [f.base for f in part.args if f.is_Pow and f.exp.is_negative] if part.is_Mul else []
    return any(has_any(divisor, sums) for divisor in divisors)


def is_multiplied(symbol: sp.Symbol, later: tuple[Stage, ...], sums: AbstractSet[str]) -> bool:
    """Whether ``symbol`` is only added to something times another of ``sums``: its own size says nothing."""
    sums_later = [part for part in _parts(later) if part.is_Add]
    terms_of_it = [term for part in sums_later for term in part.args if symbol in term.free_symbols]
    return bool(terms_of_it) and all(
        _is_multiple(symbol, term) and has_any(term, sums - {symbol.name}) for term in terms_of_it
    )


def _terms_beside(
    symbol: sp.Symbol, later: tuple[Stage, ...], parameters: AbstractSet[str] = frozenset()
) -> set[sp.Expr]:
    found: set[sp.Expr] = set()
    for part in _parts(later):
        if part.is_Add:
            rest = {term for term in part.args if not _is_multiple(symbol, term, parameters)}
            found |= rest if len(rest) < len(part.args) else set()
    return found


def _parts(later: tuple[Stage, ...]) -> Iterator[sp.Basic]:
    """Every part of the expressions of ``later``."""
    return (part for stage in later if isinstance(stage, Map) for part in dag(stage.expression))


def _is_multiple(symbol: sp.Symbol, term: sp.Expr, parameters: AbstractSet[str] = frozenset()) -> bool:
    """Whether ``term`` grows with ``symbol``: a ratio of it to other sums or elements need not."""
    factors = sp.Mul.make_args(term)
    constants = {COUNT.name, *parameters}
    ratio = any(f.is_Pow and f.exp.is_negative and names_in(f) - constants for f in factors)
    return not ratio and any(_is_factor(symbol, f) for f in factors)


def _is_factor(symbol: sp.Symbol, factor: sp.Expr) -> bool:
    return factor == symbol or bool(factor.is_Pow and factor.base == symbol and factor.exp.is_positive)


def wholes(symbol: sp.Symbol, later: tuple[Stage, ...]) -> list[sp.Expr]:
    """The functions of ``symbol`` that are more than arithmetic."""
    divided = is_divisor(symbol, later)
    return [
        part
        for part in _parts(later)
        if isinstance(part, sp.Expr) and symbol in part.free_symbols
        if not isinstance(part, _ALGEBRAIC)
        or _is_exponential(part)
        or _is_beside_numbers(symbol, part, divided)
    ]


def _is_beside_numbers(symbol: sp.Symbol, part: sp.Expr, divided: bool) -> bool:
    """log(1 + s), which has the digits of a small s; sqrt(s) - 1, whose slope has a direction at any size.

    Where something is ``divided`` by sqrt(s) + 1, the scale cancels.
    """
    if part.free_symbols != {symbol}:
        return False
    if isinstance(part, sp.log):
        return bool(part.args[0].is_Add)
    return not divided and part.is_Add and any(p.is_Pow and not p.exp.is_integer for p in part.args)


def is_divisor(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether something is divided by ``symbol`` or by an expression of it."""
    return any(
        isinstance(part, sp.Pow) and part.exp.is_negative and symbol in part.base.free_symbols
        for part in _parts(later)
    )


def is_bare(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether ``symbol`` occurs as a factor as well, outside sums with other terms."""

    def without(part: sp.Basic) -> sp.Basic:
        return sp.S.One if part.is_Add and not all(symbol in a.free_symbols for a in part.args) else part

    return any(
        symbol in rewrite(stage.expression, without).free_symbols for stage in later if isinstance(stage, Map)
    )


def _is_exponential(part: sp.Expr) -> bool:
    return bool(isinstance(part, sp.exp) or (part.is_Pow and part.exp.free_symbols and part.base is sp.E))


def degree_in(body: sp.Expr, vector: sp.Expr) -> sp.Expr:
    degree = sp.S.Zero
    for factor in sp.Mul.make_args(body):
        base, power = (
            (factor.base, factor.exp) if factor.is_Pow and factor.base is not sp.E else (factor, sp.S.One)
        )
        if isinstance(base, sp.Abs):
            base = base.args[0]
        if vector in base.free_symbols:
            degree += power
    signed = any(f == vector for f in sp.Mul.make_args(body))
    # Sums of the elements themselves overflow only with the result, and a mean is taken care of.
    return sp.S.Zero if signed and degree == 1 else degree


def is_nonnegative(body: sp.Expr) -> bool:
    return bool(body.is_nonnegative)
