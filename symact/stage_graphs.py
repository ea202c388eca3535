"""Stage graphs: the stages of a program over an axis as graph nodes, reductions among them.

Functions of one variable inside a stage are stabilized as every activation is; a reduction that is a
denominator is guarded against 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
import sympy as sp

from symact.convert import to_graph
from symact.expressions import rewrite
from symact.formula import Formula
from symact.graph import Node, const, node, var
from symact.log1p import Log1p
from symact.numbers import as_float
from symact.program import COUNT, Map, Program, Reduce, has_any
from symact.stabilize import Task
from symact.stabilize.formats import Format
from symact.stabilize.rules import rewrite as on_sight
from symact.stabilize.separate import NO_VARIABLES, Product, separated
from symact.stage_exponents import below_shifts, times_and_distance, with_whole_exponents
from symact.stage_guards import guarded, has_denominators
from symact.stage_rewrites import (
    added,
    reduced,
    with_means_near_one,
    with_numbers_last,
    with_one_exponential,
    with_quotients,
    with_stages,
)
from symact.stage_sums import with_whole_sums
from symact.worth import joint_parameters, variables_in, worth_stabilizing

# The exponential of this is 0 in every format.
_VANISHED = sp.Integer(-2000)
# What was stabilized, by the function and its variable.
Memo = dict[tuple[sp.Expr, str], Node]
REDUCTIONS = {"sum": "reduce_sum", "max": "reduce_max", "min": "reduce_min", "first": "first"}


class Builder:
    """Programs to graphs in one format; what was stabilized once is remembered."""

    def __init__(
        self, formula: Formula, fmt: Format, at_zero: str, prefer: str, memo: Memo | None = None
    ) -> None:
        self.formula, self.fmt, self.at_zero, self.prefer, self.order = formula, fmt, at_zero, prefer, 0
        self.memo = {} if memo is None else memo
        self.nodes: dict[str, Node] = {}

    def graph(self, program: Program, output: str, order: int) -> Node:
        """The graph of one result of ``program``, of which ``order`` derivatives have been taken."""
        self.order = order
        for stage in program.stages:
            if stage.target in self.nodes:
                continue
            if isinstance(stage, Map):
                self.nodes[stage.target] = self.map(stage.expression, program)
            else:
                self.nodes[stage.target] = self.reduce(stage, program)
        return with_one_exponential(with_means_near_one(self.nodes[output]))

    def reduce(self, stage: Reduce, program: Program) -> Node:
        for powers in program.powers:
            if stage.target in (powers.scale, powers.total):
                vector = self.nodes.get(str(powers.vector)) or var(str(powers.vector))
                pair = node("scaled_sum", vector, const(powers.power), const(powers.least))
                if stage.target == powers.scale:
                    return node("scale_of", pair)
                total = node("sum_of", pair)
                return total if powers.factor == 1 else const(powers.factor) * total
        source = self.nodes.get(stage.source) or var(stage.source)
        if stage.kind in ("shift", "scale"):
            whole = stage.source not in program.elementwise
            return node(stage.kind, source if whole else node("reduce_max", source))
        return reduced(REDUCTIONS[stage.kind], source)

    def map(self, expression: sp.Expr, program: Program) -> Node:
        if program.is_bounded(expression):
            return self.bounded(expression, program)
        scales = program.reduced("scale")
        last = sp.Mul(*(f for f in sp.Mul.make_args(expression) if f.is_Symbol and f.name in scales))
        if last != 1 and COUNT in (expression / last).as_numer_denom()[1].free_symbols:
            # The scale times a sum may be beyond the range where the scale times the mean is not.
            return self.map(expression / last, program) * self.map(last, program)
        sums = [f for f in expression.args if f.is_Add and f.has(sp.Function)] if expression.is_Mul else []
        if len(sums) == 1 and COUNT**-1 in expression.args:
            rest, elements = expression / sums[0], program.elementwise
            if has_any(sums[0], elements) and not has_any(rest, elements):
                # Not term by term: XLA adds to a product before it is rounded, and equal terms do not cancel.
                return self.map(sums[0], program) * self.map(rest, program)
        expression = self.with_inverse_scales(self.with_reduced_quotients(expression, program), program)
        expression = self.with_finite_weights(with_whole_exponents(expression, program), program)
        joint = self.is_stabilized_jointly(expression)
        expression = expression if joint else self.with_finite_logarithms(expression, program)
        norms = {norm.symbol for norm in program.functions_of}
        worth = worth_stabilizing(expression) or norms & expression.free_symbols
        expression = self.with_whole_sums(expression, program) if worth and not joint else expression
        products = self.products(expression) if worth else None
        if worth and products is None:
            products = self.products(self.with_reduced_factors(expression, program))
        if products:
            terms = [self.product(product, program) for product in products]
            graph = reduce(added, terms)
        elif expression.is_Add and any(worth_stabilizing(t) and self.products(t) for t in expression.args):
            graph = reduce(added, [self.map(term, program) for term in expression.args])
        else:
            graph, _ = on_sight(
                to_graph(guarded(expression, program, self.at_zero), formula=self.formula.text)
            )
        return with_quotients(with_stages(with_numbers_last(graph), self.nodes))

    def bounded(self, expression: sp.Expr, program: Program) -> Node:
        """A function of one element, with its rate as a function of that."""
        function = expression.xreplace({rate.symbol: rate.expression for rate in program.rates})
        (element,) = function.free_symbols
        return with_stages(self.stable(function, element.name, program), self.nodes)

    def with_reduced_quotients(self, expression: sp.Expr, program: Program) -> sp.Expr:
        """e·r/S as e·(r/S), S a sum of terms of which the largest is about 1: a division less an element."""
        elements, scales = program.elementwise, program.reduced("scale")
        sums = program.positive | {powers.total for powers in program.powers}

        def visit(part: sp.Basic) -> sp.Basic:
            reduced = [f for f in part.args if not has_any(f, elements | scales)] if part.is_Mul else []
            below = [f for f in reduced if f.is_Pow and f.exp.is_negative and str(f.base) in sums]
            above = [f for f in reduced if f not in below and f.free_symbols]
            if not below or not above or not has_any(part, elements):
                return part
            quotient = sp.Symbol(f"quotient_{len(self.nodes)}", real=True)
            self.nodes[quotient.name] = self.map(sp.Mul(*above, *below), program)
            return sp.Mul(quotient, *(f for f in part.args if f not in (*above, *below)))

        return rewrite(expression, visit)

    def with_inverse_scales(self, expression: sp.Expr, program: Program) -> sp.Expr:
        """1/s as a factor: XLA would make x/(s·r) of (x/s)/r, where s·r overflows; and s² does, too.

        And 1/n in the terms of a mean, one quotient instead of one for each.
        """
        scales = program.reduced("scale")
        if expression.is_Mul and COUNT**-1 in expression.args and len(expression.args) == 2:
            scales |= {COUNT.name} if has_any(expression, program.elementwise) else set()

        def visit(part: sp.Basic) -> sp.Basic:
            if not (isinstance(part, sp.Pow) and part.base.is_Symbol and part.base.name in scales):
                return part
            if not (part.exp.is_number and part.exp < 0):
                return part
            inverse = sp.Symbol(f"inverse_{part.base}", positive=True)
            self.nodes[inverse.name] = const(1) / self.nodes.get(part.base.name, var(part.base.name))
            return inverse ** (-part.exp)

        return rewrite(expression, visit) if has_denominators(expression) else expression

    def with_finite_weights(self, expression: sp.Expr, program: Program) -> sp.Expr:
        """d·exp(d), d below a shift, with no d that is beyond the range: -∞·0 would be undefined."""
        maps, below = program.maps, below_shifts(program)

        def visit(part: sp.Basic) -> sp.Basic:
            for factor in part.args if part.is_Mul else ():
                # The result stands for its exponential in the derivatives.
                for inside in sp.Mul.make_args(maps.get(str(factor), factor)):
                    found = times_and_distance(inside, below)
                    rest = sp.Mul(*(other for other in part.args if other != factor))
                    if found and found[1] in rest.free_symbols:
                        # Functions of it are in range themselves, of what is between it and others.
                        functions = {f: sp.Dummy(real=True) for f in rest.atoms(sp.Function)}
                        outside = rest.xreplace(functions)
                        if found[1] not in outside.free_symbols:
                            continue
                        outside = outside.xreplace({found[1]: self.near(*found, program)})
                        return factor * outside.xreplace({d: f for f, d in functions.items()})
            return part

        return rewrite(expression, visit) if below else expression

    def near(self, times: sp.Expr, d: sp.Symbol, program: Program) -> sp.Symbol:
        """d, or where exp(times·d) has vanished something as good that is in range."""
        bound = const(_VANISHED / times) if times.is_number else self.map(_VANISHED / times, program)
        near = sp.Symbol(f"near_{d}_{len(self.nodes)}", real=True)
        self.nodes[near.name] = node("max", self.nodes[d.name], bound)
        return near

    def with_whole_sums(self, expression: sp.Expr, program: Program) -> sp.Expr:
        """Factors x - m - s, of elements and others, as nodes of their own."""
        whole, sums = with_whole_sums(expression, program.elementwise, len(self.nodes))
        for symbol, total in sums.items():
            self.nodes[symbol.name] = self.map(total, program)
        return whole

    def with_reduced_factors(self, expression: sp.Expr, program: Program) -> sp.Expr:
        """Factors of several reduced values as one symbol each: nothing is stabilized in them here."""
        elements = program.elementwise
        known: dict[sp.Expr, sp.Symbol] = {}

        def visit(part: sp.Basic) -> sp.Basic:
            for factor in part.args if part.is_Mul else ():
                if len(factor.free_symbols) > 1 and not has_any(factor, elements) and factor not in known:
                    known[factor] = sp.Symbol(f"reduced_{len(self.nodes)}", real=True)
                    self.nodes[known[factor].name] = self.map(factor, program)
            return sp.Mul(*(known.get(f, f) for f in part.args)) if part.is_Mul else part

        return rewrite(expression, visit)

    def with_finite_logarithms(self, expression: sp.Expr, program: Program) -> sp.Expr:
        """v^p·log(v) with log(1) where v^p is 0, as the product is: ∞·0 would be undefined."""

        def visit(part: sp.Basic) -> sp.Basic:
            if not (part.is_Mul and part.has(sp.log)):
                return part
            bases = ((f, *f.as_base_exp()) for f in part.args if f.free_symbols)
            powers = {base: f for f, base, exp in bases if base is not sp.E and not exp.is_negative}

            def finite(inner: sp.Basic) -> sp.Basic:
                for base in (
                    (*inner.args, *sp.Mul.make_args(*inner.args)) if isinstance(inner, sp.log) else ()
                ):
                    # x·log(x) itself is stabilized as a function of x.
                    if base in powers and (powers[base].is_Pow or inner.args[0].is_Mul):
                        power = sp.Symbol(f"power_{len(self.nodes)}", real=True)
                        self.nodes[power.name] = self.map(powers[base], program)
                        number, rest = inner.args[0].as_coeff_Add()
                        if number == 1:
                            return Log1p(sp.Piecewise((0, sp.Eq(power, 0)), (rest, True)))
                        return sp.log(sp.Piecewise((1, sp.Eq(power, 0)), (inner.args[0], True)))
                return inner

            return sp.Mul(*(rewrite(f, finite) if f.has(sp.log) else f for f in part.args))

        return rewrite(expression, visit) if expression.has(sp.log) else expression

    def products(self, expression: sp.Expr) -> list[Product] | None:
        """``expression`` as a sum of products of functions of one variable each; None if it is none."""
        products = separated(expression, self.variables(expression))
        functions = [f for p in products or () for name, f in p.items() if name not in NO_VARIABLES]
        return products if all(len(self.variables(function)) <= 1 for function in functions) else None

    def is_stabilized_jointly(self, expression: sp.Expr) -> bool:
        """Whether it has functions of one variable and of parameters besides, and of nothing else."""
        parameters = joint_parameters(expression, self.formula.defaults)
        return bool(parameters) and self.products(expression) is not None

    def variables(self, expression: sp.Expr) -> frozenset[str]:
        """Names in ``expression`` but those of parameters that are stabilized together with variables."""
        return variables_in(expression, self.formula.defaults)

    def product(self, product: Product, program: Program) -> Node:
        factors = []
        norms = {norm.symbol for norm in program.functions_of}
        for name, function in _with_direction(product, program).items():
            if function == 1:
                continue
            univariate = len(self.variables(function)) == 1 and name not in NO_VARIABLES
            if univariate and (worth_stabilizing(function) or _is_of(function, norms)):
                factors.append(self.stable(function, name, program))
            else:
                factors.append(to_graph(guarded(function, program, self.at_zero)))
        return reduce(lambda a, b: a * b, factors) if factors else const(1)

    def stable(self, function: sp.Expr, name: str, program: Program) -> Node:
        number, function = function.as_coeff_Mul()
        if number != 1:  # multiples have one search in common
            return const(number) * self.stable(function, name, program)
        parameters = joint_parameters(function, self.formula.defaults)
        (symbol,) = (s for s in function.free_symbols if s.name not in parameters)
        defaults = {parameter: self.formula.defaults[parameter] for parameter in parameters}
        key = function, name
        if key not in self.memo:
            low, high = -np.inf, np.inf
            if name in self.formula.inputs:
                low, high = map(as_float, self.formula.domain)
            elif not _is_real_at(function, {symbol.name: -2, **defaults}):
                # Elsewhere beyond 0, so that a gap at 0, of a norm, is filled by its limit.
                low = 0.0
            own = sp.Symbol(name, real=True)
            plain = rewrite(function, lambda part: own if part == symbol else part)
            task = Task(plain, name, self.fmt, (low, high), max(self.order, 1), defaults, prefer=self.prefer)
            self.memo[key] = task.run().graph
        return self.memo[key]


def _is_of(function: sp.Expr, norms: set[sp.Symbol]) -> bool:
    """Whether it is a function of a norm, and more than a power of it."""
    return bool(function.free_symbols & norms) and not (function.is_Symbol or function.is_Pow)


def _is_real_at(function: sp.Expr, point: Mapping[str, float]) -> bool:
    value = function.xreplace({s: sp.sympify(point[s.name]) for s in function.free_symbols}).evalf(15)
    return bool(value.is_real and value.is_finite)


def _with_direction(product: Product, program: Program) -> Product:
    """v·f(N) as v/N·(N·f(N)): the direction of a vector is in range where v or f(N) is not."""
    for norm in program.functions_of:
        vector, name = str(norm.vector), norm.symbol.name
        if product.get(vector) == norm.vector and product.get(name, 1) != 1:
            function = sp.expand(product[name] * norm.symbol)
            rest = {k: f for k, f in product.items() if k not in (vector, name)}
            return {**rest, name: function, f"{vector} direction": norm.direction}
    return product
