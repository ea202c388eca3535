"""Stage functions: functions of one compound argument, with the argument as a stage of its own.

    log(1 + exp((a - b)/s))  =  f(t)  with  t = (a - b)/s

f is a function of one variable then, and so are its derivatives: they are stabilized as every activation is.
Where an expression is no sum of products of such functions, each of them becomes a stage. Sums of several
variables with exponentials among their terms have the largest taken out:

    log(r + exp(a))  =  m + log(r·exp(-m) + exp(a - m))  with  m = Max(0, a)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import sympy as sp

from symact.compound import compound_argument, with_its_power
from symact.expressions import dag, rewrite
from symact.less_one import with_powers_less_one
from symact.log1p import Log1p
from symact.program import Map, Program, Stage, has_any, names_in
from symact.rescale.questions import exponent
from symact.rescale.rewriting import one_exponential
from symact.stabilize.separate import separated
from symact.worth import has_root_less_number, joint_parameters, variables_in, worth_stabilizing

# The exponent from which on exponentials have little room for their powers.
_FELT = 16


def with_functions(program: Program, known: int = 0) -> Program:
    """``program`` with compound arguments, and functions in what does not separate, as stages.

    The first ``known`` stages stay as they are.
    """
    norms = {norm.symbol.name for norm in program.functions_of}
    new = _Stages(
        [*program.stages[:known]],
        {},
        norms,
        {*program.constants},
        _largest_parts(program),
        frozenset(program.formula.defaults),
    )
    for stage in program.stages[known:]:
        if isinstance(stage, Map) and not known:
            stage = Map(stage.target, with_powers_less_one(stage.expression))
        bounded = isinstance(stage, Map) and program.is_bounded(stage.expression)
        if isinstance(stage, Map) and worth_stabilizing(stage.expression) and not bounded:
            new.bases = _bases(stage.expression)
            expression = new.with_arguments(stage.expression)
            if not (known or _is_separable(expression, new.parameters)):
                expression = new.with_offsets(expression)
            if not _is_separable(expression, new.parameters):
                expression = new.with_functions(expression)
            stage = Map(stage.target, expression)
        new.stages.append(stage)
    return replace(program, stages=tuple(new.stages), constants=frozenset(new.constants))


def _is_separable(expression: sp.Expr, parameters: frozenset[str]) -> bool:
    return separated(expression, variables_in(expression, parameters)) is not None


def _bases(expression: sp.Expr) -> frozenset[sp.Expr]:
    """What is raised to powers that are no numbers."""
    powers = (part for part in dag(expression) if part.is_Pow and part.base is not sp.E)
    return frozenset(power.base for power in powers if power.exp.free_symbols)


@dataclass
class _Stages:
    """The stages so far, and what has become one.

    Attributes:
        stages: so far.
        known: arguments, functions and offsets by their expressions.
        norms: names; functions of a norm are stabilized together with the vector's direction.
        constants: names of what nothing is derived by.
        shifts: what each is the largest of.
        parameters: names of the formula's.
        bases: of powers beside: their logarithms are left as they are, to be finite where the powers are 0.
    """

    stages: list[Stage]
    known: dict[sp.Expr, sp.Symbol]
    norms: set[str]
    constants: set[str]
    shifts: dict[sp.Symbol, tuple[sp.Expr, ...]]
    parameters: frozenset[str]
    bases: frozenset[sp.Expr] = frozenset()

    def symbol(self, expression: sp.Expr, kind: str) -> sp.Symbol:
        if expression not in self.known:
            target = sp.Symbol(f"{kind}_{len(self.stages)}", real=True)
            self.stages.append(Map(target.name, expression))
            self.known[expression] = target
        return self.known[expression]

    def constant(self, expression: sp.Expr, kind: str) -> sp.Symbol:
        """The symbol of what nothing is derived by."""
        symbol = self.symbol(expression, kind)
        self.constants.add(symbol.name)
        return symbol

    def with_arguments(self, part: sp.Expr) -> sp.Expr:
        """``part`` with its largest functions of compound arguments as functions of a stage."""
        if not (part.has(sp.Function) or has_root_less_number(part)):
            return part
        if self.is_of_one_variable(part) or self.is_beside_its_power(part):
            return part
        found = compound_argument(part, self.parameters)
        if found is None:
            rest, found = with_its_power(part, self.parameters) if part.is_Mul else (sp.S.One, None)
            if found is None:
                return self.rebuilt(part, self.with_arguments)
            return self.with_arguments(rest) * self.of_argument(*found)
        function, t, argument = found
        if not worth_stabilizing(function):
            return part
        return self.of_argument(function, t, argument)

    def of_argument(self, function: sp.Expr, t: sp.Symbol, argument: sp.Expr) -> sp.Expr:
        """``function`` of t with the argument's stage for that."""
        return function.xreplace({t: self.symbol(argument, "argument")})

    def is_of_one_variable(self, part: sp.Expr) -> bool:
        """Whether it is a function of one variable, and of parameters that are stabilized with it."""
        return len(variables_in(part, self.parameters)) < 2

    def is_beside_its_power(self, part: sp.Expr) -> bool:
        return isinstance(part, sp.log) and part.args[0] in self.bases

    def with_offsets(self, expression: sp.Expr) -> sp.Expr:
        """``expression`` with the largest term taken out of sums in logarithms and denominators."""
        offsets: set[sp.Symbol] = set()

        def visit(part: sp.Basic) -> sp.Basic:
            if isinstance(part, sp.log) and self.is_of_mixed_factors(part.args[0]):
                return sp.Add(*(power * visit(log) for log, power in self.logarithms(part.args[0])))
            if isinstance(part, sp.log) and self.is_mixed(part.args[0]):
                m, rest = self.without_largest(part.args[0])
                number, small = part.args[0].as_coeff_Add()
                if number != 1:
                    return m + sp.log(rest)
                return sp.Piecewise((Log1p(small), sp.Eq(m, 0)), (m + sp.log(rest), True))
            if isinstance(part, sp.log):
                factors = sp.Mul.make_args(part.args[0])
                taken = [f for f in factors if isinstance(f, sp.exp) and offsets & f.free_symbols]
                rest = sp.Mul(*(f for f in factors if f not in taken))
                return sp.Add(*(f.args[0] for f in taken), sp.log(rest))
            if part.is_Pow and part.exp.is_negative and self.is_mixed(part.base):
                m, rest = self.without_largest(part.base)
                offsets.add(m)
                return sp.exp(part.exp * m) * rest**part.exp
            if not offsets & part.free_symbols:
                return part
            return one_exponential(self.distributed(part, offsets) if part.is_Mul else part)

        return rewrite(expression, visit)

    def is_mixed_power(self, factor: sp.Expr) -> bool:
        return self.is_mixed(factor.as_base_exp()[0])

    def is_of_mixed_factors(self, product: sp.Expr) -> bool:
        return bool(product.is_Mul) and any(map(self.is_mixed_power, product.args))

    def logarithms(self, product: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
        """What log(``product``) is the sum of, and how often: p/q overflows for sums of exponentials."""
        mixed = [f for f in product.args if self.is_mixed_power(f)]
        rest = sp.Mul(*(f for f in product.args if f not in mixed))
        pairs = [f.as_base_exp() for f in mixed]
        return [(sp.log(base), power) for base, power in [*pairs, (rest, sp.S.One)] if base != 1]

    def distributed(self, product: sp.Expr, offsets: set[sp.Symbol]) -> sp.Expr:
        """The exponential of an offset taken into a sum of exponentials that it is a factor of."""
        taken = [f for f in product.args if isinstance(f, sp.exp) and offsets & f.free_symbols]
        sums = [f for f in product.args if f.is_Add and self.is_mixed(f)]
        if len(sums) != 1 or not taken:
            return product
        (total,) = sums
        terms = (one_exponential(sp.Mul(term, *taken)) for term in total.args)
        return sp.Mul(sp.Add(*terms), *(f for f in product.args if f not in (total, *taken)))

    def is_mixed(self, part: sp.Expr) -> bool:
        """Whether exponentials and something else are added, and it is no function of one variable."""
        if not part.is_Add or len(part.free_symbols) < 2:
            return False
        exponents = [exponent(term) for term in part.args]
        return not all(map(self.is_bounded, exponents)) or self.may_all_vanish(exponents)

    def is_bounded(self, distance: sp.Expr) -> bool:
        """Whether it is one below shifts: 0 for one of what they are the largest of."""
        shifts = sorted(self.shifts.keys() & distance.free_symbols, key=str)
        if any(distance.coeff(shift).is_nonnegative for shift in shifts):
            return False
        choices = product(*(self.shifts[shift] for shift in shifts))
        return any(distance.xreplace(dict(zip(shifts, found, strict=True))) == 0 for found in choices)

    def may_all_vanish(self, distances: list[sp.Expr]) -> bool:
        """Whether none of ``distances`` need be 0, whatever the shifts in them are the largest of."""
        shifts = sorted(self.shifts.keys() & sp.Add(*distances, evaluate=False).free_symbols, key=str)
        choices = (dict(zip(shifts, c, strict=True)) for c in product(*(self.shifts[s] for s in shifts)))
        return any(all(d.xreplace(chosen) != 0 for d in distances) for chosen in choices)

    def without_largest(self, part: sp.Expr) -> tuple[sp.Symbol, sp.Expr]:
        """The largest exponent in a sum, or 0, and the sum divided by its exponential.

        Next to a number it is one that would be felt: no digits are lost to small ones, nor to that of a term
        whose factor is 0.
        """
        exponents = [exponent(term) for term in part.args]
        if sp.S.Zero in exponents:
            factors = [term / sp.exp(e) for term, e in zip(part.args, exponents, strict=True)]
            exponents = [
                sp.Piecewise((e, sp.Ne(f, 0)), (0, True)) if e != 0 and f.free_symbols else e
                for f, e in zip(factors, exponents, strict=True)
            ]
        m = self.constant(sp.Max(*exponents, evaluate=False), "largest")
        if sp.S.Zero in exponents:
            m = self.constant(sp.Piecewise((m, m > _FELT), (0, True)), "offset")
        return m, sp.Add(*(one_exponential(sp.Mul(term, sp.exp(-m))) for term in part.args))

    def with_functions(self, part: sp.Expr) -> sp.Expr:
        """``part`` with its largest functions of one variable as stages."""
        if not part.has(sp.Function) or self.is_beside_its_power(part):
            return part
        if self.is_of_one_variable(part):
            extracted = worth_stabilizing(part) and not has_any(part, self.norms)
            return self.symbol(part, "function") if extracted else part
        if isinstance(part, sp.Piecewise):
            return sp.Piecewise(*((self.with_functions(branch), holds) for branch, holds in part.args))
        return self.rebuilt(part, self.with_functions)

    def rebuilt(self, part: sp.Expr, visit: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        """``part`` with its terms or factors of one variable together, and each visited."""
        groups = _groups(part, self.parameters) if part.is_Add or part.is_Mul else []
        if len(groups) > 1:
            return part.func(*map(visit, groups))
        if part.is_Pow and not part.exp.is_number and part.exp.could_extract_minus_sign():
            return visit(1 / part.base) ** -part.exp  # 1/(1 + exp(-x)) is in range where 1 + exp(-x) is not
        args = [visit(arg) if isinstance(arg, sp.Expr) else arg for arg in part.args]
        return part if args == list(part.args) else part.func(*args)


def _largest_parts(program: Program) -> dict[sp.Symbol, tuple[sp.Expr, ...]]:
    """By shift, what it is the largest of."""
    return {
        sp.Symbol(stage.target, real=True): source.args if isinstance(source, sp.Max) else (source,)
        for stage in program.reductions("shift")
        for source in [program.maps[stage.source]]
    }


def _groups(part: sp.Expr, parameters: frozenset[str]) -> list[sp.Expr]:
    """The terms or factors, those of the same variables as one."""
    besides = joint_parameters(part, parameters)
    groups: dict[frozenset[str], list[sp.Expr]] = {}
    for arg in part.args:
        groups.setdefault(names_in(arg) - besides, []).append(arg)
    return [part.func(*args) for args in groups.values()]
