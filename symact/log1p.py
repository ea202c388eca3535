"""log1p: log(1 + u) as a function of u, which may be too small for the sum to show it."""

from __future__ import annotations

import sympy as sp

from symact.convert import FUNCTIONS
from symact.graph import node


class Log1p(sp.Function):  # type: ignore[misc]
    """log(1 + u), kept by SymPy as it is."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 1 / (1 + self.args[0])


FUNCTIONS[Log1p] = lambda u: node("log1p", u)
