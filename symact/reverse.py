"""Reverse: the vector–Jacobian product of a program over an axis, itself a program.

One walk over the stages, last first. A Map passes its cotangent on through its partial derivatives,
summed over the axis where an element-shaped Map reads a reduced value; a Reduce passes its cotangent
to every element (sum), or to those that reach the extremum. No Jacobian is ever formed: every stage
has the input's shape or the reduced one. The result has the same form as what it was derived from, so
the second derivative is the same walk over the first one's program.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import sympy as sp

from symact.derive import differentiate
from symact.expressions import rewrite
from symact.program import COUNT, POSITION, Kind, Map, Program, Reduce, Stage, has_any, names_in


def vjp(program: Program, variables: tuple[str, ...], upstreams: tuple[str, ...], ties: str) -> Program:
    """The program that maps inputs and ``upstreams`` to the cotangents of ``variables``.

    Args:
        program: what is derived.
        variables: names of the inputs whose cotangents are wanted, in order.
        upstreams: a name for the cotangent of each of the program's outputs.
        ties: where several elements reach a maximum or minimum: "share" gives each an equal part
            of the cotangent, "first" gives the first one all of it.
    """
    walk = _Walk(program, variables, upstreams, ties)
    for stage in reversed(program.stages):
        walk.step(stage)
    outputs = []
    for name in variables:
        target = f"cotangent_{walk.level}_{name}"
        ways = walk.cotangents.get(name, [])
        cotangent = sp.factor_terms(sp.Add(*(walk.apart(way) for way in ways) if len(ways) > 1 else ways))
        cotangent = walk.with_functions_inside(walk.with_numbers_cancelled(cotangent))
        walk.stages.append(Map(target, cotangent))
        outputs.append(target)
    return replace(
        program,
        stages=(*program.stages, *walk.stages),
        outputs=tuple(outputs),
        vectors=walk.vectors,
        constants=program.constants | walk.constants,
    )


class _Walk:
    """The cotangents collected so far, by name, each a list of terms; and the stages they needed."""

    def __init__(
        self, program: Program, variables: tuple[str, ...], upstreams: tuple[str, ...], ties: str
    ) -> None:
        self.program, self.ties = program, ties
        elementwise = program.elementwise
        self.vectors = program.vectors | {
            upstream
            for upstream, output in zip(upstreams, program.outputs, strict=True)
            if _is_vector(output, program)
        }
        self.elements = set(elementwise) | self.vectors
        self.balanced = _balanced(program, self.elements)
        self.constants: set[str] = set()
        self.stages: list[Stage] = []
        self.level = upstreams[0].rpartition("_")[2] if "_" in upstreams[0] else "1"
        self.wanted = _dependents(program, variables)
        self.varying = _dependents(program, program.formula.variables)
        self.known = {**_by_output(program, self.elements), **_unscaled_signs(program)}
        self.cotangents: dict[str, list[sp.Expr]] = {}
        for upstream, output in zip(upstreams, program.outputs, strict=True):
            cotangent: sp.Expr = sp.Symbol(upstream, real=True)
            if upstream in self.vectors and output not in elementwise:
                cotangent = self.summed(cotangent)  # every element is given the one value
            self.cotangents.setdefault(output, []).append(cotangent)

    def step(self, stage: Stage) -> None:
        terms = self.cotangents.pop(stage.target, None)
        if terms is None or stage.target not in self.wanted:
            return
        cotangent = sp.Add(*terms)
        if cotangent == 0:
            return
        if isinstance(stage, Reduce):
            self.reduce(stage, cotangent)
        else:
            self.map(stage, cotangent)

    def map(self, stage: Map, cotangent: sp.Expr) -> None:
        is_element = stage.target in self.elements
        symbols = stage.expression.free_symbols
        variables = {symbol for symbol in symbols if symbol.name in self.varying}
        for symbol in sorted((s for s in symbols if s.name in self.wanted), key=str):
            slope = differentiate(stage.expression, symbol, variables).xreplace(self.known)
            if self.program.is_bounded(stage.expression):
                slope = self.mapped(slope)
            product = _product(cotangent, slope)
            if is_element and symbol.name not in self.elements:
                product = self.summed(product)
            if product != 0:
                self.cotangents.setdefault(symbol.name, []).append(product)

    def apart(self, way: sp.Expr) -> sp.Expr:
        """What comes by one way as one term: its own terms may be far larger than what they leave."""
        factors = [*sp.Mul.make_args(sp.factor_terms(way))]
        for factor in [f for f in factors if self.is_sum_of_elements(f)]:
            # Functions of the same element stay together: one may vanish where the other overflows.
            whole = [f for f in factors if f is factor or self.is_of_same_element(f, factor)]
            if factor in whole:
                factors = [f for f in factors if f not in whole] + [self.mapped(sp.Mul(*whole))]
        return sp.Mul(*factors)

    def with_numbers_cancelled(self, cotangent: sp.Expr) -> sp.Expr:
        """(w + 1) - 1, the first term a way of its own, as w: it may be far smaller than 1."""
        maps = {stage.target: stage.expression for stage in self.stages if isinstance(stage, Map)}

        def visit(part: sp.Basic) -> sp.Basic:
            number = part.as_coeff_Add()[0] if part.is_Add else sp.S.Zero
            for way in part.args if number != 0 else ():
                expression = maps.get(str(way), way)
                if expression.as_coeff_Add()[0] == -number:
                    return part - number - way + self.mapped(expression + number)
            return part

        return rewrite(cotangent, visit)

    def with_functions_inside(self, product: sp.Expr) -> sp.Expr:
        """f·(g + h) as f·g + f·h, where g is a function of what f is: together they may be in range alone."""
        factors = sp.Mul.make_args(product)
        sums = [f for f in factors if self.is_sum_of_elements(f)]
        if len(sums) != 1 or len(sums[0].free_symbols) == 1:
            return product
        parts = [part for term in sums[0].args for part in sp.Mul.make_args(term) if self.is_function(part)]
        known = {symbol for part in parts for symbol in part.free_symbols}
        inside = [f for f in factors if self.is_function(f) and f.free_symbols <= known]
        outside = sp.Mul(*(f for f in factors if f not in inside and f is not sums[0]))
        return outside * sp.Add(*(sp.Mul(term, *inside) for term in sums[0].args)) if inside else product

    def is_of_same_element(self, function: sp.Expr, other: sp.Expr) -> bool:
        return self.is_function(function) and function.free_symbols == other.free_symbols

    def is_function(self, factor: sp.Expr) -> bool:
        """Whether it is a function of one element, of which exponentials are none below a shift: weights."""
        if len(factor.free_symbols) != 1 or not factor.has(sp.Function) or factor.has(sp.Piecewise, sp.sign):
            return False
        return not isinstance(factor, sp.exp) or not names_in(factor).isdisjoint(self.program.vectors)

    def is_sum_of_elements(self, factor: sp.Expr) -> bool:
        return bool(factor.is_Add) and has_any(factor, self.elements)

    def is_weight(self, factor: sp.Expr) -> bool:
        return isinstance(factor, sp.exp) and has_any(factor, self.elements)

    def is_deviation(self, factor: sp.Expr) -> bool:
        return self.is_sum_of_elements(factor) and not all(has_any(t, self.elements) for t in factor.args)

    def mapped(self, expression: sp.Expr) -> sp.Symbol:
        target = f"way_{self.level}_{len(self.stages)}"
        self.stages.append(Map(target, expression))
        self.elements.add(target)
        return sp.Symbol(target, real=True)

    def summed(self, product: sp.Expr) -> sp.Expr:
        """The sum of ``product`` over the axis, factors without elements taken out of it.

        Σ w·a - b·Σ w, w exponentials, as Σ w·(a - b): b may be the mean of a with these weights.
        """
        together = sp.factor_terms(product)
        if together.is_Mul and any(map(self.is_weight, together.args)):
            product = sp.Mul(*(self.mapped(f) if self.is_deviation(f) else f for f in together.args))
        total = []
        for term in sp.Add.make_args(product):
            inside: list[sp.Expr] = []
            outside: list[sp.Expr] = []
            for factor in sp.Mul.make_args(term):
                (inside if has_any(factor, self.elements) else outside).append(factor)
            if not inside:
                total.append(sp.Mul(*outside, COUNT))
                continue
            if len(inside) == 1 and inside[0] in self.balanced:
                continue
            total.append(sp.Mul(*outside, self.reduced(sp.Mul(*inside), "sum")))
        return sp.Add(*total)

    def reduced(self, expression: sp.Expr, kind: Kind, *, constant: bool = False) -> sp.Symbol:
        known = [*self.program.stages, *self.stages]
        for one, two in pairwise(known):
            same = Map(one.target, expression), Reduce(two.target, kind, one.target)
            if (one, two) == same and (not constant or two.target in self.constants):
                return sp.Symbol(two.target, real=True)
        target = f"back_{self.level}_{len(self.stages)}"
        source = f"of_{target}"
        self.stages += [Map(source, expression), Reduce(target, kind, source)]
        self.elements.add(source)
        if constant:
            self.constants |= {target, source}
        return sp.Symbol(target, real=True)

    def reduce(self, stage: Reduce, cotangent: sp.Expr) -> None:
        if stage.kind == "sum":
            share: sp.Expr = sp.S.One
        else:
            reaches = sp.Eq(sp.Symbol(stage.source, real=True), sp.Symbol(stage.target, real=True))
            if self.ties == "share":
                one = sp.Piecewise((1, reaches), (0, True))
                share = one / self.reduced(one, "sum", constant=True)
            else:
                first = self.reduced(sp.Piecewise((POSITION, reaches), (sp.oo, True)), "min", constant=True)
                share = sp.Piecewise((1, sp.Eq(POSITION, first)), (0, True))
        self.cotangents.setdefault(stage.source, []).append(cotangent * share)


def _is_vector(output: str, program: Program) -> bool:
    """Whether a result has an element for each of the axis; a cotangent is shaped as its variable."""
    if output == program.formula.result:
        return program.formula.keeps_axis
    return output.split("_", 2)[2] in program.vectors


def _balanced(program: Program, elements: set[str]) -> set[sp.Expr]:
    """Elements whose sum over the axis is 0: deviations d - Sum(d/length), and multiples of them."""
    found: set[sp.Expr] = set()
    summed = {stage.target: program.maps.get(stage.source) for stage in program.reductions("sum")}
    for target, expression in program.maps.items():
        factors = [f for f in sp.Mul.make_args(expression) if has_any(f, elements)]
        means = [s for s in expression.free_symbols if summed.get(s.name) == (expression + s) / COUNT]
        if (expression.is_Add and means) or (len(factors) == 1 and factors[0] in found):
            found.add(sp.Symbol(target, real=True))
    return found


def _by_output(program: Program, elements: set[str]) -> dict[sp.Expr, sp.Expr]:
    """The exponential that the result is a multiple of, in terms of the result, which is kept anyway."""
    name = program.formula.result
    result = program.maps.get(name)
    if result is None or name not in elements:
        return {}
    factors = sp.Mul.make_args(result)
    inside = [f for f in factors if has_any(f, elements)]
    if len(inside) != 1 or not isinstance(inside[0], sp.exp):
        return {}
    outside = sp.Mul(*(f for f in factors if f is not inside[0]))
    if not all(f.is_number or (f.is_Pow and f.exp.is_negative) for f in sp.Mul.make_args(outside)):
        return {}  # it may be 0, and the exponential is not
    return {inside[0]: sp.Symbol(name, real=True) / outside}


def _unscaled_signs(program: Program) -> dict[sp.Expr, sp.Expr]:
    """The sign of a scaled element is that of the element, which scaling may flush to 0."""
    scales = {sp.Symbol(name, positive=True) for name in program.reduced("scale")}
    return {
        sp.sign(sp.Symbol(target, real=True)): sp.sign(expression * scale)
        for target, expression in program.maps.items()
        for scale in scales & expression.free_symbols
        if (expression * scale).is_Symbol
    }


def _product(cotangent: sp.Expr, slope: sp.Expr) -> sp.Expr:
    return sp.Add(*(term * slope for term in sp.Add.make_args(cotangent)))


def _dependents(program: Program, variables: tuple[str, ...]) -> set[str]:
    """Everything that depends on ``variables`` by ways that are derived."""
    found = set(variables)
    for stage in program.stages:
        if stage.target in program.constants:
            continue
        reads = (
            {stage.source} if isinstance(stage, Reduce) else {s.name for s in stage.expression.free_symbols}
        )
        if reads & found:
            found.add(stage.target)
    return found
