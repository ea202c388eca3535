"""Stage functions: functions of one compound argument, with the argument as a stage of its own.

    log(1 + exp((a - b)/s))  =  f(t)  with  t = (a - b)/s

f is a function of one variable then, and so are its derivatives: they are stabilized as every activation is.
Where an expression is no sum of products of such functions, each of them becomes a stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import sympy as sp

from symact.expressions import dag, rewrite
from symact.program import Map, Program, Stage, has_any
from symact.stabilize.separate import separated
from symact.worth import worth_stabilizing


def with_functions(program: Program, known: int = 0) -> Program:
    """``program`` with compound arguments, and functions in what does not separate, as stages.

    The first ``known`` stages stay as they are.
    """
    norms = {norm.symbol.name for norm in program.functions_of}
    new = _Stages([*program.stages[:known]], {}, norms)
    for stage in program.stages[known:]:
        if isinstance(stage, Map) and worth_stabilizing(stage.expression):
            expression = new.with_arguments(stage.expression)
            if not _is_separable(expression):
                expression = new.with_functions(expression)
            stage = Map(stage.target, expression)
        new.stages.append(stage)
    return replace(program, stages=tuple(new.stages))


def _is_separable(expression: sp.Expr) -> bool:
    products = separated(expression, frozenset(symbol.name for symbol in expression.free_symbols))
    return bool(products) and all(len(f.free_symbols) <= 1 for p in products for f in p.values())


@dataclass(frozen=True)
class _Stages:
    """The stages so far, arguments and functions that have become one, and the names of norms.

    Functions of a norm are stabilized together with the vector's direction.
    """

    stages: list[Stage]
    known: dict[sp.Expr, sp.Symbol]
    norms: set[str]

    def symbol(self, expression: sp.Expr, kind: str) -> sp.Symbol:
        if expression not in self.known:
            target = sp.Symbol(f"{kind}_{len(self.stages)}", real=True)
            self.stages.append(Map(target.name, expression))
            self.known[expression] = target
        return self.known[expression]

    def with_arguments(self, part: sp.Expr) -> sp.Expr:
        """``part`` with its largest functions of compound arguments as functions of a stage."""
        if not part.has(sp.Function) or len(part.free_symbols) < 2:
            return part
        for argument in _arguments(part):
            t = sp.Dummy(real=True)
            function = _in_terms_of(part, argument, t)
            if function.free_symbols == {t}:
                multiple = argument.is_Mul and has_any(argument, self.norms)
                if multiple or not worth_stabilizing(function):
                    return part
                return function.xreplace({t: self.symbol(argument, "argument")})
        return self.rebuilt(part, self.with_arguments)

    def with_functions(self, part: sp.Expr) -> sp.Expr:
        """``part`` with its largest functions of one variable as stages."""
        if not part.has(sp.Function):
            return part
        if len(part.free_symbols) == 1:
            extracted = worth_stabilizing(part) and not has_any(part, self.norms)
            return self.symbol(part, "function") if extracted else part
        return self.rebuilt(part, self.with_functions)

    def rebuilt(self, part: sp.Expr, visit: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        """``part`` with its terms or factors of one variable together, and each visited."""
        groups = _groups(part) if part.is_Add or part.is_Mul else []
        if len(groups) > 1:
            return part.func(*map(visit, groups))
        args = [visit(arg) if isinstance(arg, sp.Expr) else arg for arg in part.args]
        return part if args == list(part.args) else part.func(*args)


def _groups(part: sp.Expr) -> list[sp.Expr]:
    """The terms or factors, those of the same symbols as one."""
    groups: dict[frozenset[sp.Basic], list[sp.Expr]] = {}
    for arg in part.args:
        groups.setdefault(frozenset(arg.free_symbols), []).append(arg)
    return [part.func(*args) for args in groups.values()]


def _arguments(part: sp.Expr) -> list[sp.Expr]:
    """What functions in ``part`` are applied to, if it has several variables: the smallest first."""
    found = {
        _canonical(argument)[1]: sum(1 for _ in dag(argument))
        for function in dag(part)
        if isinstance(function, sp.Function) and not isinstance(function, sp.Piecewise)
        for argument in function.args
        if len(argument.free_symbols) > 1 and argument.is_real is not False
    }
    return sorted(found, key=lambda argument: (found[argument], str(argument)))


def _canonical(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A number, and the expression without it, of which the negative is written in the same way."""
    number, rest = sp.factor_terms(expression).as_coeff_Mul()
    factors = []
    for factor in sp.Mul.make_args(rest):
        if factor.is_Add and factor.could_extract_minus_sign():
            number, factor = -number, -factor
        factors.append(factor)
    return number, sp.Mul(*factors)


def _in_terms_of(part: sp.Expr, argument: sp.Expr, t: sp.Symbol) -> sp.Expr:
    """``part`` with ``t`` for ``argument``, for its multiples, and where it is a part of sums and products."""
    own = argument.free_symbols

    def visit(current: sp.Basic) -> sp.Basic:
        if not (isinstance(current, sp.Expr) and own <= current.free_symbols):
            return current
        number, rest = _canonical(current)
        if rest == argument:
            return number * t
        for sign in (1, -1):
            signed = argument if sign == 1 else -argument
            if current.func == signed.func and set(signed.args) <= set(current.args):
                return current.func(sign * t, *(arg for arg in current.args if arg not in signed.args))
        return current

    return rewrite(part, visit)
