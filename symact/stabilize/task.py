"""Task: one function in one format, to be stabilized: looked up in the cache, or searched for."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from symact.stabilize import cache
from symact.stabilize.formats import Format
from symact.stabilize.search import TARGET, stabilize
from symact.stabilize.stable import Stable

# The error aimed at (ULP) by what is preferred: speed ends at forms a digit and a half short, accuracy at
# what a few roundings leave.
_TARGETS = {"balanced": TARGET, "fast": 64.0, "accurate": 1.5}
PREFERENCES = tuple(_TARGETS)
# Sample points; and points and the error aimed at for second derivatives and above: they serve Hessian
# penalties and the like, where a digit more or less is nothing.
_POINTS = 700
_LATER = (250, 4096.0)


@dataclass(frozen=True)
class Task:
    """What decides the outcome of a search, and what another process needs to know.

    Attributes:
        expression: what is stabilized.
        name: its variable.
        fmt: what it is computed in.
        domain: where the variable lies.
        order: how often the function was differentiated.
        parameters: values of the other symbols, at which forms are judged.
        primal: what the function is the derivative of, where that is known.
        prefer: one of ``PREFERENCES``.
    """

    expression: sp.Expr
    name: str
    fmt: Format
    domain: tuple[float, float]
    order: int
    parameters: dict[str, float] = field(default_factory=dict)
    primal: sp.Expr | None = None
    prefer: str = "balanced"

    def run(self) -> Stable:
        """What is found for it: from the cache, or by the search."""
        effort, target = (_POINTS, _TARGETS[self.prefer]) if self.order < 2 else _LATER
        key = cache.key(*vars(self).values(), effort, target)
        stable = cache.load(key)
        if stable is None:
            stable = self._search(effort, target)
            cache.store(key, stable)
        return stable

    def _search(self, effort: int, target: float) -> Stable:
        return stabilize(
            self.expression,
            self.name,
            self.fmt,
            domain=self.domain,
            parameters=self.parameters,
            derivative=self.order > 0,
            effort=effort,
            target=target,
            primal=self.primal,
        )
