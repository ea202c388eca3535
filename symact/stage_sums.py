"""Stage sums: sums of elements and others in stages, which are not multiplied out."""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from symact.expressions import rewrite
from symact.program import has_any


def with_whole_sums(
    expression: sp.Expr, elements: Collection[str], known: int
) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """``expression`` with a symbol for each factor x - m - s of elements and others; and the sums.

    Multiplied out, what is left of such a deviation would be the difference of huge products. ``known`` is
    the number from which the symbols are counted.
    """
    sums: dict[sp.Expr, sp.Symbol] = {}

    def whole(part: sp.Expr) -> sp.Expr:
        if not part.is_Add or not has_any(part, elements) or not all(map(_is_multiple, part.args)):
            return part
        sign = -1 if part.could_extract_minus_sign() else 1
        symbol = sums.setdefault(sign * part, sp.Symbol(f"whole_{known + len(sums)}", real=True))
        return sign * symbol

    def visit(part: sp.Basic) -> sp.Basic:
        if part.is_Mul:
            return sp.Mul(*map(whole, part.args))
        return whole(part.base) ** part.exp if part.is_Pow and part.exp.is_number else part

    return rewrite(expression, visit), {symbol: total for total, symbol in sums.items()}


def _is_multiple(term: sp.Expr) -> bool:
    """Whether it is a symbol times a number."""
    return bool(term.as_coeff_Mul()[1].is_Symbol)
