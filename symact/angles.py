"""Angles: functions of the cosine between two vectors that are steep where the vectors are parallel.

    acos(c)  =  2·atan(|u - v| / |u + v|)        1 - c  =  |u - v|²/2        1 + c  =  |u + v|²/2

u and v are the vectors' directions (W. Kahan, "How Futile are Mindless Assessments of Roundoff in
Floating-Point Computation?", 2006, section 12). The cosine of an angle of 1e-8 is 1 in any digits of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import sympy as sp

from symact.convert import FUNCTIONS
from symact.expressions import is_long, rewrite
from symact.graph import Node, const, node
from symact.program import Map, Program, Reduce, Stage
from symact.rescale.questions import sums_of


class Arc(sp.Function):  # type: ignore[misc]
    """The angle of this sine and this cosine, up to a right one, as a function of the sine."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 1 / self.args[1] if argindex == 1 else sp.S.Zero


def _graph(sine: Node, cosine: Node) -> Node:
    # Vectors without a direction are at a right angle to each other: half of it.
    return node("where", node("eq", cosine, const(0)), const(sp.pi / 4), node("atan", sine / cosine))


FUNCTIONS[Arc] = _graph

_COSINE = sp.Dummy("cosine", real=True)


@dataclass(frozen=True)
class _Cosine:
    """The sum of the products of two vectors, divided by their norms.

    Attributes:
        name: of the sum of products.
        expression: of the sums.
        directions: the vectors divided by their norms.
    """

    name: str
    expression: sp.Expr
    directions: tuple[sp.Expr, sp.Expr]

    @property
    def apart(self) -> sp.Symbol:
        """|u - v|²."""
        return sp.Symbol(f"apart_{self.name}", real=True)

    @property
    def together(self) -> sp.Symbol:
        """|u + v|²."""
        return sp.Symbol(f"together_{self.name}", real=True)

    def stages(self) -> list[Stage]:
        u, v = self.directions
        return [
            stage
            for total, vector in ((self.apart, u - v), (self.together, u + v))
            for stage in (Map(f"of_{total}", vector**2), Reduce(total.name, "sum", f"of_{total}"))
        ]


def with_angles(program: Program) -> Program:
    """``program`` with such functions of cosines in that form: arcs, and roots, logarithms and divisors of
    what is 0 where the cosine is 1 or -1."""
    bodies = {symbol: body for _, symbol, body, _ in sums_of(program)}
    stages: list[Stage] = []
    written: set[str] = set()
    for stage in program.stages:
        if isinstance(stage, Map) and not is_long(stage.expression):
            expression = stage.expression
            for cosine in _cosines(expression, bodies):
                steep, expression = expression, _in_distances(expression, cosine)
                if expression != steep and cosine.name not in written:
                    written.add(cosine.name)
                    stages += cosine.stages()
            stage = Map(stage.target, expression)
        stages.append(stage)
    return replace(program, stages=tuple(stages))


def _cosines(expression: sp.Expr, bodies: Mapping[sp.Symbol, sp.Expr]) -> list[_Cosine]:
    found: dict[sp.Symbol, _Cosine] = {}
    for part in expression.atoms(sp.Mul):
        powers = _powers(part)
        sums = [symbol for symbol in powers if symbol in bodies]
        for product in (symbol for symbol in sums if powers[symbol].is_positive):
            norms = [symbol for symbol in sums if powers[symbol] == -powers[product] / 2]
            for first, second in combinations(norms, 2):
                if bodies[product] ** 2 == bodies[first] * bodies[second]:
                    u = sp.sqrt(bodies[first])
                    u = u.args[0] if isinstance(u, sp.Abs) else u
                    v = bodies[product] / u
                    directions = u / sp.sqrt(first), v / sp.sqrt(second)
                    cosine = product / (sp.sqrt(first) * sp.sqrt(second))
                    found[product] = _Cosine(product.name, cosine, directions)
    return [*found.values()]


def _powers(product: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """The exponents of the factors of ``product``, of those in a root's product too."""
    found: dict[sp.Expr, sp.Expr] = {}
    for factor in sp.Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        for inner in sp.Mul.make_args(base):
            of_inner, power = inner.as_base_exp()
            found[of_inner] = found.get(of_inner, sp.S.Zero) + power * exponent
    return found


def _in_distances(expression: sp.Expr, cosine: _Cosine) -> sp.Expr:
    """``expression`` with what is steep where the cosine is 1 or -1 by distances of the directions."""
    own = _powers(cosine.expression)

    def named(part: sp.Basic) -> sp.Basic:
        powers = _powers(part) if part.is_Mul else {}
        times = {powers.get(base, 0) / power for base, power in own.items()}
        if len(times) != 1 or not (power := times.pop()).is_Integer or power <= 0:
            return part
        return _COSINE**power * sp.Mul(*(base**p for base, p in powers.items() if base not in own))

    def visit(part: sp.Basic) -> sp.Basic:
        if isinstance(part, (sp.acos, sp.asin)) and part.args[0] == _COSINE:
            angle = _angle(cosine)
            return angle if isinstance(part, sp.acos) else sp.pi / 2 - angle
        if isinstance(part, sp.atanh) and part.args[0] == _COSINE:
            return sp.log(cosine.together / cosine.apart) / 2
        is_root = part.is_Pow and not (part.exp.is_integer and part.exp.is_positive)
        if is_root or isinstance(part, sp.log):
            return part.func(_product(part.args[0], cosine), *part.args[1:])
        return part

    return rewrite(rewrite(expression, named), visit).xreplace({_COSINE: cosine.expression})


def _angle(cosine: _Cosine) -> sp.Expr:
    apart, together = sp.sqrt(cosine.apart) / 2, sp.sqrt(cosine.together) / 2
    acute, obtuse = 2 * Arc(apart, together), sp.pi - 2 * Arc(together, apart)
    return sp.Piecewise((acute, cosine.apart <= cosine.together), (obtuse, True))


def _product(polynomial: sp.Expr, cosine: _Cosine) -> sp.Expr:
    """A polynomial in the cosine with the factors 1 - c and 1 + c, which it has, as those distances."""
    if not polynomial.has(_COSINE) or not polynomial.is_polynomial(_COSINE):
        return polynomial
    for factor, distance in ((1 - _COSINE, cosine.apart), (1 + _COSINE, cosine.together)):
        quotient, rest = sp.div(polynomial, factor, _COSINE)
        if rest == 0:
            return distance / 2 * _product(quotient, cosine)
    return polynomial
