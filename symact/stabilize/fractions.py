"""Fractions: an expression as one reduced fraction of factored polynomials.

Computed in SymPy's sparse field of rational functions, term by term; ten times faster than
``together`` and ``cancel`` on whole expressions, with the same result.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.polys.fields import field

from symact.expressions import dag, rewrite

# A polynomial with more terms than this, no person would read, and it would round too often.
_MOST_TERMS = 250
# With more symbols SymPy's factorization takes seconds.
_MOST_SYMBOLS = 6


def over_one_denominator(expression: sp.Expr) -> sp.Expr:
    """``expression`` as one reduced fraction of factored polynomials, each in Horner form."""
    numerator, denominator = reduced_fraction(expression)
    return _with_one_power(sp.Mul(_factored(numerator), 1 / _factored(denominator)))


def multiplied_out(fraction: sp.Expr, symbols: set[sp.Symbol]) -> sp.Expr:
    """``fraction`` with powers like (1 + t)² below the line multiplied out, of one of the ``symbols`` and
    where all terms are positive: 1 + t·(2 + t) is rounded once where it is close to 1, and not twice.

    ``fraction`` itself where there are none.
    """
    numerator, denominator = sp.fraction(fraction)

    def visit(current: sp.Basic) -> sp.Basic:
        if not (current.is_Pow and current.exp.is_Integer and current.exp > 1 and current.base.is_Add):
            return current
        inside = current.free_symbols
        if len(inside) != 1 or not inside <= symbols or not current.base.is_polynomial(*inside):
            return current
        rising = all(c.is_positive for c in sp.Poly(current.base, *inside).coeffs())
        return _nested(sp.expand(current)) if rising else current

    product = rewrite(denominator, visit)
    return fraction if product is denominator else sp.Mul(numerator, 1 / product)


def _with_one_power(product: sp.Expr) -> sp.Expr:
    """x**k / x as x**(k - 1), which SymPy leaves apart: it is finite at 0."""
    powers: dict[sp.Expr, sp.Expr] = {}
    for factor in sp.Mul.make_args(product):
        base, exponent = (factor, sp.S.One) if isinstance(factor, sp.exp) else factor.as_base_exp()
        powers[base] = powers.get(base, sp.S.Zero) + exponent
    symbolic = any(not exponent.is_number for exponent in powers.values())
    return sp.Mul(*(base**exponent for base, exponent in powers.items())) if symbolic else product


def _factored(polynomial: sp.Expr) -> sp.Expr:
    if polynomial.is_number or len(polynomial.free_symbols) > _MOST_SYMBOLS:
        return polynomial
    # SymPy factors neither powers whose exponents hold a parameter nor what has coefficients like sqrt(pi).
    powers = {p: sp.Dummy(positive=True) for p in dag(polynomial) if _is_to_stand_for(p)}
    back = {stand_in: power for power, stand_in in powers.items()}
    try:
        coefficient, factors = sp.factor_list(polynomial.xreplace(powers))
    except (sp.PolynomialError, TypeError):  # exponentials
        return polynomial
    return sp.Mul(coefficient, *(_nested(factor.xreplace(back)) ** power for factor, power in factors))


def _is_to_stand_for(part: sp.Basic) -> bool:
    if not part.is_Pow:
        return False
    is_root = part.is_number and part.is_positive and not part.exp.is_Integer
    return bool(part.exp.free_symbols or is_root)


def _nested(polynomial: sp.Expr) -> sp.Expr:
    """Horner form, by the exponentials first: what multiplies a vanishing t may be large."""
    symbols = sorted(polynomial.free_symbols, key=lambda s: (not s.name.startswith("t"), s.name))
    if not symbols or not polynomial.is_polynomial(*symbols):
        return polynomial
    try:
        return sp.horner(polynomial, wrt=symbols[0])
    except sp.PolynomialError:  # coefficients with roots of numbers, which SymPy takes for variables
        return polynomial


def reduced_fraction(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Numerator and denominator of ``expression``, multiplied out and without common factor.

    Everything that is not arithmetic on rational numbers (roots, functions, pi) is taken for an
    indeterminate; of powers of one base whose exponents differ by a whole number, or in sign, one is.
    Fractions that grow too large come back as they are, undivided.
    """
    nodes = list(dag(expression))
    atoms = [current for current in nodes if not _is_arithmetic(current) and not current.is_Rational]
    needed = _reached(expression, set(atoms))
    needed_atoms = [atom for atom in atoms if atom in needed]
    # exp(-d) is a reciprocal where exp(d) is there too.
    reciprocals = {
        atom: inverse
        for atom in needed_atoms
        if isinstance(atom, sp.exp) and atom.args[0].could_extract_minus_sign()
        for inverse in [sp.exp(-atom.args[0])]
        if inverse in needed
    }
    generators = list(dict.fromkeys(_atom(atom)[0] for atom in needed_atoms if atom not in reciprocals))
    if not generators:
        return expression, sp.S.One
    names = [sp.Dummy(f"g{i}") for i in range(len(generators))]
    rational_functions, *elements = field(names, sp.QQ)
    values: dict[sp.Basic, Any] = dict(zip(generators, elements, strict=True))
    values |= {atom: 1 / values[inverse] for atom, inverse in reciprocals.items()}
    for current in nodes:
        if current in needed and current not in values:
            values[current] = _value(current, values, rational_functions)
            if len(values[current].numer) > _MOST_TERMS or len(values[current].denom) > _MOST_TERMS:
                return sp.fraction(expression)  # type: ignore[no-any-return]
    back = dict(zip(names, generators, strict=True))
    result = values[expression]
    return result.numer.as_expr().xreplace(back), result.denom.as_expr().xreplace(back)


def _atom(current: sp.Basic) -> tuple[sp.Basic, int, int]:
    """What ``current`` is a power of, which one, and the power of its base that is a factor besides.

    b**(1/q) for b**(p/q), so that powers of one root are one; b**k for b**(2 - k), as b**2 / b**k.
    """
    if current.is_Pow and current.exp.is_Rational:
        return sp.Pow(current.base, sp.Rational(1, current.exp.q)), int(current.exp.p), 0
    if current.is_Pow and current.base is not sp.E and not current.exp.is_number:
        number, rest = current.exp.as_coeff_Add()
        if number.is_Integer:
            sign = -1 if rest.could_extract_minus_sign() else 1
            return sp.Pow(current.base, sign * rest), sign, int(number)
    return current, 1, 0


def _is_arithmetic(current: sp.Basic) -> bool:
    return bool(current.is_Add or current.is_Mul or (current.is_Pow and current.exp.is_Integer))


def _reached(root: sp.Expr, leaves: set[sp.Basic]) -> set[sp.Basic]:
    """What is needed to compute ``root`` from ``leaves``."""
    seen: set[sp.Basic] = set()
    stack: list[sp.Basic] = [root]
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            if current not in leaves or _atom(current)[2]:
                stack.extend(current.args[:1] if current.is_Pow else current.args)
    return seen


def _value(current: sp.Basic, values: dict[sp.Basic, Any], rational_functions: Any) -> Any:
    if not _is_arithmetic(current) and not current.is_Rational:
        atom, power, whole = _atom(current)
        found = values[atom] ** power
        return found * values[current.base] ** whole if whole else found
    if current.is_Rational:
        return rational_functions(sp.QQ(int(current.p), int(current.q)))
    if current.is_Pow:
        return values[current.base] ** int(current.exp)
    result = values[current.args[0]]
    for arg in current.args[1:]:
        result = result + values[arg] if current.is_Add else result * values[arg]
    return result


def rationalized(expression: sp.Expr) -> sp.Expr:
    """A difference with a square root, a - sqrt(b), as (a² - b)/(a + sqrt(b)), where that frees the
    numerator of roots; ``expression`` itself where it does not."""
    numerator, denominator = sp.fraction(expression)
    stand_in = sp.Symbol("root_", positive=True)
    for root in [p for p in dag(numerator) if p.is_Pow and p.exp == sp.S.Half]:
        marked = numerator.xreplace({root: stand_in})
        if not marked.is_polynomial(stand_in) or sp.degree(marked, stand_in) != 1:
            continue
        slope, rest = sp.Poly(marked, stand_in).all_coeffs()
        top = sp.expand(rest**2 - slope**2 * root.base)
        if not any(p.is_Pow and not p.exp.is_Integer for p in dag(top)):
            return sp.Mul(sp.factor(top) / denominator, 1 / (rest - slope * root))
    return expression
