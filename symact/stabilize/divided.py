"""Divided: quotients of sums of exponentials, divided through by one of these.

    (exp(a·x) - exp(-x))/(exp(a·x) + exp(-x))  =  (exp(t) - 1)/(exp(t) + 1)  with  t = (a + 1)·x

What depends on the differences of the exponents only is seen to, then.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

# Larger ones are left as they are: multiplied out they would be larger still.
_MOST_OPERATIONS = 120


def divided(expression: sp.Expr) -> Iterator[sp.Expr]:
    """``expression`` divided through by each of the exponentials in its denominator."""
    if len(expression.atoms(sp.exp)) < 2 or expression.count_ops() > _MOST_OPERATIONS:
        return
    over, under = sp.fraction(sp.together(expression))
    powers = {_combined(base): power for base, power in under.as_powers_dict().items()}
    sums = {base: power for base, power in powers.items() if base.is_Add and power.is_Integer}
    exponents = {e.args[0] for base in sums for e in base.atoms(sp.exp)}
    for exponent in [sp.S.Zero, *sorted(exponents, key=sp.default_sort_key)]:
        divisor = sp.exp(-exponent)
        shared = [base for base in sums if sp.exp(exponent) in base.atoms(sp.exp)]
        numerator = _combined(over * divisor ** sum(sums[base] for base in shared))
        rest = [(_combined(base * divisor) if base in shared else base) ** p for base, p in powers.items()]
        yield sp.factor_terms(numerator) / sp.Mul(*rest)


def _combined(expression: sp.Expr) -> sp.Expr:
    """``expression`` multiplied out, with products of exponentials as exponentials of sums."""
    expanded = sp.powsimp(sp.expand(expression), combine="exp")
    return expanded.replace(sp.exp, lambda exponent: sp.exp(sp.factor_terms(exponent)))
