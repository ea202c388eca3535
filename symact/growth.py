"""Growth: functions in sums as bounded ones times exponentials, which can be shifted.

    cosh(x)         = exp(|x|)·(cosh(x)·exp(-|x|))
    1/(1 + exp(-x)) = exp(Min(x, 0))·(exp(-Min(x, 0))/(1 + exp(-x)))

A sum of the left sides overflows, or all its terms vanish; the right sides are weighted exponentials, of
which the largest is taken out. The rate that is exponentiated is measured, far out on both sides. It is a
constant to the derivation: what is derived is the bounded function alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import sympy as sp
from flint import arb, ctx

from symact.compound import compound_argument
from symact.expressions import dag, rewrite
from symact.program import Map, Program, Rate, Reduce, Stage, has_any
from symact.rescale.questions import is_added, is_divided_by, is_quotient, must_not_vanish, sums_of, terms
from symact.stabilize.truth import Truth

# Where a function is measured, and by what its logarithm's slopes may differ from each other and from a
# multiple of 1/8: powers of x beside the exponential change it by 1/x.
_FAR = (600, 1200, 2400)
_NEAR, _DENOMINATOR = 0.02, 8
_BITS = 8192


def with_growth(program: Program) -> Program:
    """``program`` with what is summed, where the sum must neither vanish nor overflow, in that form."""
    sums = [*sums_of(program)]
    new = _Growth(elements=set(program.elementwise))
    divisors = {
        stage.target
        for stage, symbol, body, later in sums
        if must_not_vanish(symbol, later) and new.matters(symbol, body, later)
    }
    if not divisors:
        return program
    bodies = {
        stage.source
        for stage, symbol, _, later in sums
        if stage.target in divisors or is_divided_by(symbol, divisors, later)
    }
    for stage in program.stages:
        if isinstance(stage, Reduce):
            new.stages.append(stage)
            continue
        expression = new.summed(stage.expression) if stage.target in bodies else stage.expression
        new.stages.append(Map(stage.target, new.divided(expression, divisors)))
    return replace(
        program,
        stages=tuple(new.stages),
        constants=program.constants | {symbol.name for symbol in new.rates.values()},
        rates=tuple(Rate(symbol, expression) for expression, symbol in new.rates.items()),
    )


@dataclass
class _Growth:
    """The stages so far; rates and arguments by what they are, and functions as products of bounded ones.

    A rate is a stage of its own: another one of the same expression is no constant.
    """

    elements: set[str]
    stages: list[Stage] = field(default_factory=list)
    rates: dict[sp.Expr, sp.Symbol] = field(default_factory=dict)
    arguments: dict[sp.Expr, sp.Symbol] = field(default_factory=dict)
    known: dict[sp.Expr, sp.Expr] = field(default_factory=dict)

    def parts(self, body: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
        """The terms of ``body``, or all of it where it is of one element: each as ``factors``."""
        return [self.factors(term) for term in ([body] if self.is_of_one(body) else terms(body))]

    def matters(self, symbol: sp.Symbol, body: sp.Expr, later: tuple[Stage, ...]) -> bool:
        """Whether every term grows or falls exponentially, and not all are exponentials as it is.

        Where all fall, and the sum is added to something else, that is left of it.
        """
        functions = [function for function, _ in self.parts(body)]
        found = [self.of_one(f) if f.has(sp.Function) else None for f in functions]
        rates = [_rate(*of_one[:2]) if of_one else None for of_one in found]
        if not all(rate and any(rate) for rate in rates) or all(map(_is_exponential, functions)):
            return False
        falls = all(rate and rate[0] >= 0 >= rate[1] for rate in rates)
        return not (falls and is_added(symbol, later))

    def summed(self, body: sp.Expr) -> sp.Expr:
        """``body``, a function of one element or a sum of such times others, as weighted exponentials."""
        return sp.Add(*(self.grown(function) * rest for function, rest in self.parts(body)))

    def divided(self, expression: sp.Expr, sums: set[str]) -> sp.Expr:
        """``expression`` with what is divided by ``sums`` in the form that their terms have."""

        def visit(part: sp.Basic) -> sp.Basic:
            if not is_quotient(part, sums):
                return part
            function, rest = self.factors(part)
            return self.grown(function) * rest if function.has(sp.Function) else part

        return rewrite(expression, visit) if has_any(expression, sums) else expression

    def factors(self, term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """The product of a term's functions of one element, and the rest of it."""
        if self.is_of_one(term):
            return term, sp.S.One
        inside = [f for f in sp.Mul.make_args(term) if self.is_of_one(f) and f.has(sp.Function)]
        vectors = {next(iter(self.vectors(f))) for f in inside}
        function = sp.Mul(*inside) if len(vectors) == 1 else sp.S.One
        return function, term / function

    def vectors(self, expression: sp.Expr) -> set[sp.Symbol]:
        return {s for s in expression.free_symbols if s.name in self.elements}

    def is_of_one(self, expression: sp.Expr) -> bool:
        return len(self.vectors(expression)) == 1 and self.of_one(expression) is not None

    def of_one(self, function: sp.Expr) -> tuple[sp.Expr, sp.Symbol, sp.Expr] | None:
        """A function of one variable, the variable, and its argument."""
        if len(function.free_symbols) == 1:
            (symbol,) = function.free_symbols
            return function, symbol, symbol
        return compound_argument(function) if function.has(sp.Function) else None

    def grown(self, function: sp.Expr) -> sp.Expr:
        """``function`` as a bounded one times an exponential; as it is where it has no rate."""
        if function in self.known:
            return self.known[function]
        found = self.of_one(function)
        slopes = _rate(*found[:2]) if found else None
        if found is None or slopes is None or not any(slopes) or _is_exponential(function):
            return function
        of_one, variable, argument = found
        if argument != variable:
            argument = self.stage("argument", argument, self.arguments)
            of_one = of_one.xreplace({variable: argument})
        below, above = slopes
        rate = self.stage("rate", above * sp.Max(argument, 0) + below * sp.Min(argument, 0), self.rates)
        bounded = self.stage("bounded", of_one * sp.exp(-rate), {})
        self.known[function] = bounded * sp.exp(rate)
        return self.known[function]

    def stage(self, kind: str, expression: sp.Expr, known: dict[sp.Expr, sp.Symbol]) -> sp.Symbol:
        """The symbol of ``expression``, a new stage where it is not ``known`` yet."""
        if expression in known:
            return known[expression]
        symbol = known[expression] = sp.Symbol(f"{kind}_{len(self.stages)}", real=True)
        self.stages.append(Map(symbol.name, expression))
        self.elements.add(symbol.name)
        return symbol


def _is_exponential(function: sp.Expr) -> bool:
    """Whether its only functions are exponentials that are factors: those are shifted as they are."""
    rest = sp.Mul(*(f for f in sp.Mul.make_args(function) if not isinstance(f, sp.exp)))
    return not any(isinstance(part, sp.Function) for part in dag(rest))


@lru_cache(maxsize=512)
def _rate(function: sp.Expr, variable: sp.Symbol) -> tuple[sp.Rational, sp.Rational] | None:
    """The slopes of the logarithm of its size far below 0 and far above; None where it has none."""
    truth = Truth(function.xreplace({variable: sp.Symbol("x", real=True)}))
    with ctx.workprec(_BITS):
        below, above = (_slope([*_logarithms(truth, side)], side) for side in (-1, 1))
    return None if below is None or above is None else (below, above)


def _logarithms(truth: Truth, side: int) -> Iterator[arb]:
    for far in _FAR:
        yield abs(truth.ball(arb(side * far), {}, _BITS)).log()


def _slope(logarithms: list[arb], side: int) -> sp.Rational | None:
    if not any(logarithm.is_finite() for logarithm in logarithms):
        return sp.S.Zero  # it is 0 there
    if not all(logarithm.is_finite() for logarithm in logarithms):
        return None
    near, far = (
        float((logarithms[i + 1] - logarithms[i]).mid()) / (side * (_FAR[i + 1] - _FAR[i])) for i in (0, 1)
    )
    slope = sp.Rational(round(far * _DENOMINATOR), _DENOMINATOR)
    return slope if abs(far - float(slope)) < _NEAR and abs(near - far) < _NEAR else None
