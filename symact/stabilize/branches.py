"""Branches: a formula on an interval where none of its conditions changes, without them."""

from __future__ import annotations

import numpy as np
import sympy as sp

from symact.expressions import rewrite
from symact.stabilize.truth import Truth


def resolve(expression: sp.Expr, name: str, point: float) -> sp.Expr:
    """``expression`` as it reads around ``point``: Piecewise, Max, Abs … exchanged for their branch.

    ``point`` must not be a kink. A condition that depends on parameters is left as it is.
    """
    symbol = sp.Symbol(name, real=True)

    def sign_at_point(argument: sp.Expr) -> int | None:
        if argument.free_symbols - {symbol}:
            return None
        value, _ = Truth(argument, name).at(np.float64(point))
        return None if np.isnan(value) else int(np.sign(value))

    def holds(condition: sp.Basic) -> sp.Basic:
        if isinstance(condition, sp.core.relational.Relational):
            sign = sign_at_point(condition.lhs - condition.rhs)
            return condition if sign is None else condition.func(sp.Integer(sign), sp.S.Zero)
        return condition

    def visit(current: sp.Basic) -> sp.Basic:
        if isinstance(current, sp.core.relational.Relational):
            return holds(current)
        if isinstance(current, sp.Abs | sp.sign | sp.Heaviside):
            (argument, *_) = current.args
            sign = sign_at_point(argument)
            if sign is None or sign == 0:
                return current
            if isinstance(current, sp.Abs):
                return sign * argument
            return sp.Integer(sign if isinstance(current, sp.sign) else (sign + 1) // 2)
        if isinstance(current, sp.Max | sp.Min):
            best = current.args[0]
            for rival in current.args[1:]:
                sign = sign_at_point(rival - best)
                if sign is None:
                    return current
                if (sign > 0) == isinstance(current, sp.Max):
                    best = rival
            return best
        return current

    return rewrite(expression, visit)
