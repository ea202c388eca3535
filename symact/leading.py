"""Leading: what a sum of positive terms is beyond its largest one, where that is almost all of it.

    log(Sum(exp(x)))    =  m + log1p(R)       R = Sum(exp(x - m)) without the largest term, which is 1
    1 - Sum(p·v)        =  Sum(p·(1 - v))     p = exp(x)/Sum(exp(x)), which add up to 1
    1 - ReduceMax(p)    =  Sum of the others

The sum is its largest term in all digits where the others are smaller by 1e16: of an entropy, a cross
entropy, an uncertainty of a saturated softmax nothing, or not all, would be left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp

from symact.convert import FUNCTIONS
from symact.expressions import is_long, rewrite
from symact.log1p import Log1p
from symact.others import PositiveSum, positive_sum, with_others
from symact.program import Kind, Map, Program, Reduce, Stage
from symact.rescale.extrema import with_bare_extrema
from symact.rescale.questions import sums_of


class Evaluated(sp.Function):  # type: ignore[misc]
    """The first argument, with the derivatives of the second, which is the same number."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(argindex - 1)


FUNCTIONS[Evaluated] = lambda value, _: value


def with_leading_terms(program: Program) -> Program:
    """``program`` with logarithms of such sums, and what weights leave of 1, in that form."""
    program = with_bare_extrema(_with_extrema_of_elements(_with_complements(program)))
    return with_others(_with_logarithms(program), everywhere=True)


def _with_extrema_of_elements(program: Program) -> Program:
    """max(e/S) as e(max)/S, of terms e of the sum S: the largest weight is that of the largest element."""
    sums = _positive_sums(program)
    exchanged: dict[sp.Expr, sp.Expr] = {}
    opened: dict[str, sp.Expr] = {}
    for extremum in program.reductions("max"):
        for total in sums:
            if program.maps[extremum.source] == total.body / total.symbol:
                symbol = sp.Symbol(extremum.target, real=True)
                opened[extremum.source] = total.size
                exchanged[symbol] = total.body.xreplace({total.element: symbol}) / total.symbol
    stages = [
        Map(stage.target, opened.get(stage.target, stage.expression.xreplace(exchanged)))
        if isinstance(stage, Map)
        else stage
        for stage in program.stages
    ]
    return replace(program, stages=tuple(stages))


def _with_logarithms(program: Program) -> Program:
    """``program`` with logarithms of positive sums as those of their largest terms and of the rests."""
    sums = _positive_sums(program)
    stages: list[Stage] = []
    extrema: dict[sp.Expr, sp.Symbol] = {}  # so far, by what they are of
    leaders: dict[sp.Symbol, sp.Symbol] = {}
    for stage in program.stages:
        if isinstance(stage, Reduce):
            if stage.kind == "max":
                extrema[program.maps[stage.source]] = sp.Symbol(stage.target, real=True)
        elif not is_long(stage.expression):
            expression = stage.expression
            for total in sums:
                known = extrema.get(total.size, total.named("leader"))
                leader = leaders.get(total.symbol, known)
                expression = _logarithms_apart(expression, total, leader)
                if expression.has(total.named("rest")) and total.symbol not in leaders:
                    leaders[total.symbol] = leader
                    stages += _stages(total, leader)
            expression, distances = _distances_apart(expression, stage.target)
            stages += distances
            stage = Map(stage.target, expression)
        stages.append(stage)
    constants = {f"{part}_{symbol}" for symbol in leaders for part in ("leader", "of_ties", "ties")}
    return replace(program, stages=tuple(stages), constants=program.constants | constants)


def _positive_sums(program: Program) -> list[PositiveSum]:
    found = (positive_sum(symbol, body) for _, symbol, body, _ in sums_of(program))
    return [total for total in found if total is not None]


def _stages(total: PositiveSum, leader: sp.Symbol) -> Iterator[Stage]:
    """The largest size, how many terms have it besides one, and the sum of the others in units of it."""
    size, ties, more, below, rest = (total.named(p) for p in ("level", "ties", "more", "below", "rest"))
    leads = sp.Ge(size, leader)
    yield Map(size.name, total.size)
    if leader == total.named("leader"):
        yield Reduce(leader.name, "max", size.name)
    yield Map(f"of_{ties}", sp.Piecewise((1, leads), (0, True)))
    yield Reduce(ties.name, "sum", f"of_{ties}")
    yield Map(more.name, ties - 1)  # by itself: next to 1 nothing is left of what is below
    yield Map(f"of_{below}", sp.Piecewise((0, leads), (total.share(size, leader), True)))
    yield Reduce(below.name, "sum", f"of_{below}")
    yield Map(rest.name, below + more)


def _logarithms_apart(expression: sp.Expr, total: PositiveSum, leader: sp.Symbol) -> sp.Expr:
    """``expression`` with logarithms of ``total`` as that of its largest term and of the rest."""
    top, rest = total.logarithm(leader), total.named("rest")
    beyond = Evaluated(Log1p(rest), sp.log(total.symbol) - top)
    is_own = leader == total.named("leader")
    if not is_own:
        # The formula's own maximum takes its part of the derivatives, which is hardly more than the sum's.
        beyond = sp.Piecewise((Log1p(rest), total.named("ties") <= 1), (beyond, True))

    def visit(part: sp.Basic) -> sp.Basic:
        if not isinstance(part, sp.log):
            return part
        power = dict(f.as_base_exp() for f in sp.Mul.make_args(part.args[0])).get(total.symbol)
        if power is None or not power.is_number:
            return part
        others = part.args[0] / total.symbol**power
        exponents = [f.args[0] for f in sp.Mul.make_args(others) if isinstance(f, sp.exp)]
        size = [f for f in sp.Mul.make_args(others) if f == total.body**-power]
        if others not in (1, *size, *map(sp.exp, exponents)):
            return part  # next to other logarithms that of the rest is not seen
        apart = sp.Add(*exponents) if exponents else sp.log(others)
        if exponents and is_own:
            return Evaluated(apart + power * (top + Log1p(rest)), part)
        return apart + power * (top + beyond)

    return rewrite(expression, visit) if expression.has(sp.log) else expression


def _distances_apart(expression: sp.Expr, target: str) -> tuple[sp.Expr, list[Stage]]:
    """``expression`` with x - m - log1p(R) as d - log1p(R), and the stages of such d: 0 at the largest, and
    m - log1p(R) were m."""
    distances: dict[sp.Expr, sp.Symbol] = {}

    def visit(part: sp.Basic) -> sp.Basic:
        small = [term for term in part.args if term.has(Evaluated, Log1p)] if part.is_Add else []
        if not small or len(part.args) - len(small) < 2:
            return part
        distance = sp.Add(*(term for term in part.args if term not in small))
        name = f"distance_{len(distances)}_{target}"
        return distances.setdefault(distance, sp.Symbol(name, real=True)) + sp.Add(*small)

    expression = rewrite(expression, visit) if expression.has(Log1p) else expression
    return expression, [Map(symbol.name, distance) for distance, symbol in distances.items()]


def _with_complements(program: Program) -> Program:
    """``program`` with what sums and maxima of weights leave of 1 as reductions of what each leaves."""
    sums = _positive_sums(program)
    maps = program.maps
    sources = {sp.Symbol(r.target, real=True): r for r in program.reductions("sum", "max")}
    stages: list[Stage] = []
    written: set[str] = set()
    for stage in program.stages:
        if isinstance(stage, Map) and not is_long(stage.expression):
            expression = stage.expression
            for symbol in sorted(expression.free_symbols & {*sources}, key=str):
                reduction = sources[symbol]
                left = sp.Symbol(f"left_of_{symbol}", real=True)
                is_sum = reduction.kind == "sum"
                rewritten = _complements_apart(expression, symbol, left, is_sum=is_sum)
                if rewritten == expression:
                    continue
                found = (_weights(maps[reduction.source], t, reduction.kind) for t in sums)
                parts = next((parts for parts in found if parts is not None), None)
                if parts is None:
                    continue
                expression = rewritten
                if left.name not in written:
                    written.add(left.name)
                    weights, factor = parts
                    kind: Kind = "sum" if is_sum else "min"
                    # By itself: derivatives would add 1 to what is left before they subtract the factor.
                    less = sp.Symbol(f"less_{symbol}", real=True)
                    stages.append(Map(less.name, 1 - factor))
                    stages += [Map(f"of_{left}", weights * less), Reduce(left.name, kind, f"of_{left}")]
            stage = Map(stage.target, expression)
        stages.append(stage)
    return replace(program, stages=tuple(stages))


def _complements_apart(expression: sp.Expr, symbol: sp.Symbol, left: sp.Symbol, *, is_sum: bool) -> sp.Expr:
    """``expression`` with c·``left`` for c - c·``symbol``, and in logarithms of what is almost 1."""

    def visit(part: sp.Basic) -> sp.Basic:
        if part == sp.log(symbol) and is_sum:
            return sp.Piecewise((Log1p(-left), left < sp.Rational(1, 2)), (part, True))
        factor = -part.coeff(symbol) if part.is_Add else sp.S.Zero
        if factor == 0 or factor not in part.args:
            return part
        return part - factor + factor * symbol + factor * left

    return rewrite(expression, visit)


def _weights(body: sp.Expr, total: PositiveSum, kind: str) -> tuple[sp.Expr, sp.Expr] | None:
    """Weights of ``total`` that are factors of what is summed to ``body``, and the other factors; 1 and the
    weights themselves where they are what the extremum is of; else None."""
    weights = total.body / total.symbol
    if kind == "max":
        return (sp.S.One, body) if body == weights else None
    size = sp.Dummy(positive=True)  # |x|, for x² = |x|·|x|

    def by_size(part: sp.Basic) -> sp.Basic:
        if part.is_Pow and part.base == total.element and part.exp.is_even:
            return size**part.exp
        return size if part == sp.Abs(total.element) else part

    factor = (rewrite(body, by_size) / rewrite(weights, by_size)).xreplace({size: sp.Abs(total.element)})
    if factor == 1 or {total.symbol, 1 / total.body} & {*sp.Mul.make_args(factor)}:
        return None
    return weights, factor
