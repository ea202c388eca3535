"""Divisors: quotients by reductions that are not scaled themselves, with their size taken out.

    v/D = (v/s)/(D/s)        s a power of two next to |D|

The derivatives of a quotient divide by D², which overflows or vanishes long before D does.
"""

from __future__ import annotations

import sympy as sp

from symact.expressions import rewrite
from symact.program import COUNT, Reduce, has_any
from symact.rescale.rewriting import Rewriting, add_map


def with_scaled_divisors(new: Rewriting, expression: sp.Expr) -> sp.Expr:
    """``expression`` with v/D as z/d, both new stages, where D is a sum of unscaled reductions."""
    known: dict[sp.Expr, tuple[sp.Symbol, sp.Symbol]] = {}

    def visit(part: sp.Basic) -> sp.Basic:
        if not (part.is_Mul or part.is_Pow):
            return part
        factors = list(sp.Mul.make_args(part))
        for at, factor in enumerate(factors):
            if not (factor.is_Pow and factor.exp == -1 and is_unscaled(new, factor.base)):
                continue
            above = [f for f in factors if has_any(f, new.elements) and (f.is_Add or f.is_Symbol)]
            if len(above) == 1:
                if factor.base not in known:
                    known[factor.base] = _scaled(new, factor.base)
                scale, divisor = known[factor.base]
                half = _half(factor.base)
                z = add_map(new, f"ratio_{len(new.stages)}", half * above[0] / scale)
                rest = [f for i, f in enumerate(factors) if i != at and f is not above[0]]
                return sp.Mul(*rest, z, 1 / divisor)
        return part

    return rewrite(expression, visit)


def is_unscaled(new: Rewriting, divisor: sp.Expr) -> bool:
    """Whether ``divisor`` is a sum of reductions as they are, such as a range."""
    return all(
        (symbols := term.free_symbols - {COUNT})
        and all(s.name in new.unscaled for s in symbols)
        and sp.Mul(*symbols) == term.as_independent(*symbols)[1]
        for term in sp.Add.make_args(divisor)
    )


def _half(divisor: sp.Expr) -> sp.Expr:
    """1/2 for a difference, such as a range, which may be twice the largest number."""
    return sp.S.Half if divisor.is_Add else sp.S.One


def _scaled(new: Rewriting, divisor: sp.Expr) -> tuple[sp.Symbol, sp.Symbol]:
    """A power of two next to the size of ``divisor``, and the quotient of the two."""
    name = f"divisor_{len(new.stages)}"
    whole = add_map(new, name, _half(divisor) * divisor)
    add_map(new, f"size_{name}", sp.Abs(whole))
    scale = sp.Symbol(f"scale_{name}", positive=True)
    new.stages.append(Reduce(scale.name, "scale", f"size_{name}"))
    new.constants |= {f"size_{name}", scale.name}
    quotient = add_map(new, f"scaled_{name}", whole / scale)
    new.divisors.add(quotient.name)
    return scale, quotient
