"""Pairs: an elementwise formula of several inputs, and its partial derivatives, stabilized.

``a*b/(1+exp(-a))`` is b times a function of a, and so are its derivatives: functions of one variable are
stabilized as every activation is. What does not separate, such as ``tanh(w*a)/(1+exp(-b-c))``, is derived
and rewritten in stages as formulas over an axis are, compound arguments among them; it has no reductions,
and every variable has an element for each result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import sympy as sp

from symact.agreement import agrees
from symact.axis import in_stages
from symact.cancelled import over_one_denominator
from symact.convert import to_graph
from symact.graph import Node, var
from symact.numbers import as_float
from symact.program import Family, Map, Program, Wrt, lower, names_in
from symact.reverse import vjp
from symact.stabilize import Score, Stable, StableFamily, Task
from symact.stabilize.formats import FLOAT32_IN_FLOAT64, FORMATS, Format
from symact.stabilize.regimes import Candidate, Regime
from symact.stabilize.sampling import sample
from symact.stabilize.score import bits_of_error, ulp_error
from symact.stabilize.separate import NO_VARIABLES, Product, separated
from symact.stabilize.simulate import simulate
from symact.stabilize.truth import Truth
from symact.stage_functions import with_functions
from symact.stage_graphs import Builder
from symact.stage_shifts import with_rounded_exponents
from symact.width import float32_serves
from symact.worth import joint_parameters, parameters_between_exponents
from symact.zero_factors import with_zero_factors

# The values of other inputs at which a formula is judged.
_OTHERS = (-30.0, -1.5, 0.25, 1.0, 100.0)
_POINTS = 250


def stabilize_pair(family: Family, *, prefer: str = "balanced") -> StableFamily:
    """Every partial derivative of a family of several inputs, stabilized in every format.

    ``prefer`` is as for ``stabilize_family``.
    """
    pair = _Pair(family, prefer, {})
    found = {wrt: {fmt.name: pair.stable(wrt, fmt) for fmt in FORMATS.values()} for wrt in family.programs}
    return StableFamily(found, {})


@dataclass(frozen=True)
class _Pair:
    """A family, what is preferred, and functions of one variable that have been stabilized."""

    family: Family
    prefer: str
    memo: dict[tuple[sp.Expr, str, Format], Stable]

    def stable(self, wrt: Wrt, fmt: Format) -> Stable:
        formula, expression = self.family.formula, self.family.programs[wrt].expression
        names = frozenset([*formula.inputs, *formula.defaults])
        joint = joint_parameters(expression, formula.defaults)
        products = separated(expression, names - joint)
        if products is None:
            joint |= parameters_between_exponents(expression, formula.defaults)
            products = separated(expression, names - joint)
        if products is not None:
            return self.of_products(expression, products, joint, len(wrt), fmt)
        if self.stages:
            return self.of_stages(wrt, fmt)
        first, *rest = formula.inputs
        others = {**dict.fromkeys(rest, 1.0), **formula.defaults}
        return self.univariate(expression, first, len(wrt), fmt, others)

    def of_products(
        self, expression: sp.Expr, products: list[Product], joint: Collection[str], order: int, fmt: Format
    ) -> Stable:
        """A sum of products of functions of one variable, and of ``joint`` parameters, each stabilized by
        itself."""
        terms: list[Node] = []
        several: list[Regime] = []
        for product in products:
            factors = []
            for name, function in product.items():
                if name in NO_VARIABLES:
                    factors.append(to_graph(function))
                    continue
                others = names_in(function).intersection(joint)
                part = self.univariate(function, name, order, fmt, self.at_defaults(others))
                factors.append(part.graph)
                several += part.regimes if len(part.regimes) > 1 else ()
            terms.append(_product(factors))
        graph = reduce(lambda a, b: a + b, terms) if terms else to_graph(sp.S.Zero)
        graph = with_zero_factors(graph, self.family.formula, fmt)
        return self.judged(expression, graph, "separated", fmt, tuple(several))

    def of_stages(self, wrt: Wrt, fmt: Format) -> Stable:
        expression, graph = self.family.programs[wrt].expression, self.stages[fmt.name][wrt]
        if fmt.name == "float32" and len(wrt) < 2 and not self.float32_serves:
            wide = self.stages["float64"][wrt]
            return replace(self.judged(expression, wide, "stages", FLOAT32_IN_FLOAT64), in_float64=True)
        return self.judged(expression, graph, "stages", fmt)

    def judged(
        self, expression: sp.Expr, graph: Node, label: str, fmt: Format, regimes: tuple[Regime, ...] = ()
    ) -> Stable:
        low, high = map(as_float, self.family.formula.domain)
        before, after = (_score(expression, g, self.family, fmt) for g in (to_graph(expression), graph))
        return Stable(graph, regimes or (Regime(low, high, Candidate(label, graph)),), 0, before, after)

    def at_defaults(self, names: Iterable[str]) -> dict[str, float]:
        return {name: self.family.formula.defaults[name] for name in sorted(names)}

    def univariate(
        self, part: sp.Expr, name: str, order: int, fmt: Format, others: Mapping[str, float]
    ) -> Stable:
        key = (part, name, fmt)
        if key not in self.memo:
            formula = self.family.formula
            low, high = map(as_float, formula.domain) if name in formula.inputs else (-np.inf, np.inf)
            self.memo[key] = Task(part, name, fmt, (low, high), order, dict(others), prefer=self.prefer).run()
        return self.memo[key]

    @cached_property
    def program(self) -> Program:
        """The formula with an element of every variable for each result."""
        formula = self.family.formula
        return lower(replace(formula, indexed=frozenset([*formula.inputs, *formula.defaults])))

    @cached_property
    def stages(self) -> dict[str, dict[Wrt, Node]]:
        """By format, the graphs of all partial derivatives; none if they do not agree with the formula."""
        found: dict[str, dict[Wrt, Node]] = {}
        partials = _partials(self.program, self.family)
        for name, fmt in FORMATS.items():
            memo: dict[tuple[sp.Expr, str], Node] = {}
            graphs = found[name] = {}
            for wrt, derived in partials.items():
                builder = Builder(self.program.formula, fmt, "zero", self.prefer, memo)
                graph = builder.graph(derived, derived.outputs[0], len(wrt))
                ((graph,),) = with_rounded_exponents([[graph]])
                graphs[wrt] = with_zero_factors(graph, self.program.formula, fmt)
        return found if agrees(self.program, "share", self.levels(found["float64"])) else {}

    @cached_property
    def float32_serves(self) -> bool:
        levels = (self.levels(self.stages[name]) for name in ("float32", "float64"))
        return self.prefer == "fast" or float32_serves(self.program.formula, *levels)

    def levels(self, graphs: Mapping[Wrt, Node]) -> list[list[Node]]:
        """The graphs of the value, and of its vector-Jacobian product."""
        upstream = var("upstream")
        return [[graphs[()]], [upstream * graphs[(name,)] for name in self.family.formula.variables]]


def _partials(program: Program, family: Family) -> dict[Wrt, Program]:
    """The program of each partial derivative, derived from that of one order less."""
    found: dict[Wrt, Program] = {(): in_stages(program)}
    for wrt in sorted(filter(None, family.programs), key=len):
        base, upstream = found[wrt[:-1]], sp.Symbol(f"upstream_{len(wrt)}", real=True)
        derived = vjp(base, (wrt[-1],), (upstream.name,), "share")
        known = len(base.stages)
        own = [*derived.maps.items()][known:]
        new = [Map(target, _cancelled(part.xreplace({upstream: sp.S.One}))) for target, part in own]
        found[wrt] = with_functions(replace(derived, stages=(*base.stages, *new)), known)
    return found


def _cancelled(expression: sp.Expr) -> sp.Expr:
    """``expression`` over one denominator, where terms cancel then: p/s - p²/s² with s = p + q."""
    if not expression.is_Add:
        return expression.func(*map(_cancelled, expression.args)) if expression.is_Mul else expression
    numerator, denominator = over_one_denominator(expression)
    fewer = len(sp.Add.make_args(numerator)) < len(expression.args)
    return sp.factor_terms(numerator / denominator) if fewer else expression


def _product(factors: list[Node]) -> Node:
    plain = [f for f in factors if not (f.op == "const" and f.value == 1)]
    return reduce(lambda a, b: a * b, plain) if plain else to_graph(sp.S.One)


def _score(expression: sp.Expr, graph: Node, family: Family, fmt: Format) -> Score:
    """Errors of ``graph`` over the first input, at several values of the others."""
    formula = family.formula
    first, *rest = formula.inputs
    low, high = map(as_float, formula.domain)
    points = sample(fmt, (low, high), _POINTS, 3, around=[0.0])
    truth = Truth(expression, first)
    defaults = {name: float(fmt.round(np.float64(v))) for name, v in formula.defaults.items()}
    errors, inputs = [], []
    for other in _OTHERS:
        if low < other < high:
            values = {**dict.fromkeys(rest, other), **defaults}
            exact = truth.at(points, **values)
            computed = simulate(graph, {first: points, **values}, fmt)
            errors.append(ulp_error(computed, *exact, fmt))
            inputs.append(points)
    if not errors:
        return Score(0.0, 0.0, 0.0)
    everything, at = np.concatenate(errors), np.concatenate(inputs)
    worst = int(np.argmax(everything))
    return Score(float(everything[worst]), float(at[worst]), float(bits_of_error(everything).mean()))
