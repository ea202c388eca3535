"""Rescale: rewritings of a program's stages that keep its reductions within the format's range.

Each replaces a reduction by one of shifted or scaled terms, and writes the factor that this takes out
into every later stage, where it meets its like and cancels:

    Sum(a·exp(e))    = M·Sum(a·exp(e - m))        m the largest e, M = exp(m)
    Sum(c·|v|^p)     = s^p·Sum(c·|v/s|^p)         s a power of two next to the largest |v|

So softmax becomes exp(x - m)/Sum(exp(x - m)), and x/norm becomes z/sqrt(Sum(z²)) with z = x/s. The
factors m, M and s are constants to the derivation: the result does not depend on their values.
Where a factor would be added to something else (1 + Sum(exp(x)), Mean(x²) + eps) it is kept at 1 or
above, so that its reciprocal cannot overflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import sympy as sp

from symact.expressions import dag, rewrite
from symact.program import COUNT, Map, Norm, Program, Reduce, Stage, has_any

# Functions in which a sum of powers is a whole (tanh of a norm), not a factor that may cancel.
_ALGEBRAIC = (sp.Add, sp.Mul, sp.Pow, sp.Symbol, sp.Number, sp.NumberSymbol, sp.Abs, sp.log, sp.sign)


@dataclass
class _Rewriting:
    """The stages made so far, and what later stages must replace."""

    program: Program
    stages: list[Stage] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    functions_of: list[Norm] = field(default_factory=list)
    positive: set[str] = field(default_factory=set)
    # Symbols by what stands for them now; factors taken out, by the exponent they are exp of, or None.
    exchanged: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    factors: dict[sp.Symbol, sp.Expr | None] = field(default_factory=dict)
    elements: set[str] = field(default_factory=set)
    differences: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    # Exponentials of the same exponents share their shift, powers of the same vector their scale.
    offsets: set[sp.Symbol] = field(default_factory=set)
    shifts: dict[tuple[sp.Expr, ...], tuple[sp.Symbol, sp.Symbol]] = field(default_factory=dict)
    scales: dict[sp.Expr, tuple[sp.Symbol, sp.Symbol]] = field(default_factory=dict)

    def rewritten(self, expression: sp.Expr) -> sp.Expr:
        """``expression`` in terms of the rewritten stages, with its factors brought together."""
        exchanged = _with_shifted_elements(self, _exchanged(expression, self.exchanged))
        gathered = _gathered(_exchanged(exchanged, self.exchanged, again=True), self.factors)
        if self.offsets & gathered.free_symbols:
            gathered = rewrite(gathered, self.without_products_of_offsets)
        return _with_shifted_elements(self, gathered)

    def without_products_of_offsets(self, current: sp.Basic) -> sp.Basic:
        """(D + m·S)/S as D/S + m, where the offset m can meet its like."""
        if current.is_Mul and any(f.is_Add and self.offsets & f.free_symbols for f in current.args):
            return sp.expand_mul(current, deep=False)
        return current


def rescale(program: Program) -> Program:
    """``program`` with the sums of exponentials and of powers among its reductions rewritten."""
    new = _Rewriting(program, elements=set(program.vectors))
    for at, stage in enumerate(program.stages):
        if isinstance(stage, Map):
            following = program.stages[at + 1] if at + 1 < len(program.stages) else None
            if isinstance(following, Reduce) and following.kind == "sum":
                continue  # rewritten together with its sum
            _map(new, stage.target, new.rewritten(stage.expression))
        elif stage.kind == "sum":
            source = program.stages[at - 1]
            assert isinstance(source, Map)
            _sum(new, stage, source.expression, program.stages[at + 1 :])
        else:
            new.stages.append(stage)
    return replace(
        program,
        stages=tuple(new.stages),
        constants=program.constants | new.constants,
        functions_of=(*program.functions_of, *new.functions_of),
        positive=program.positive | new.positive,
    )


def _map(new: _Rewriting, target: str, expression: sp.Expr) -> sp.Symbol:
    new.stages.append(Map(target, expression))
    if has_any(expression, new.elements):
        new.elements.add(target)
    return sp.Symbol(target, real=True)


def _sum(new: _Rewriting, stage: Reduce, body: sp.Expr, later: tuple[Stage, ...]) -> None:
    """The sum ``stage`` of ``body``: shifted, scaled, or as it is."""
    symbol = sp.Symbol(stage.target, real=True)
    # Exponentials are left as they are at first: those of one exponent share one shift.
    bare = _exchanged(body, {k: v for k, v in new.exchanged.items() if not isinstance(k, sp.exp)})
    exponents = tuple(sorted({_exponent(term) for term in _terms(bare)}, key=str))
    if any(has_any(exponent, new.elements) for exponent in exponents):
        _shifted(new, stage, bare, exponents, floor=_is_added(symbol, later))
        return
    body = new.rewritten(body)
    vector = _base(body, new)
    body = body.xreplace(new.differences)
    degree = _degree(body, vector) if vector is not None else sp.S.Zero
    if vector is None or degree == 0:
        inside, outside = _for_a_mean(new, body, symbol, later)
        _map(new, f"of_{stage.target}", inside)
        new.stages.append(Reduce(stage.target, "sum", f"of_{stage.target}"))
        new.exchanged[symbol] = outside
        return
    if vector not in new.scales:
        floor = degree != 1 and _is_added(symbol, later) and not _is_bare(symbol, later)
        _scale(new, stage.target, vector, floor)
    scale, z = new.scales[vector]
    _map(new, f"of_{stage.target}", _without(body.xreplace({vector: scale * z}), scale, degree))
    new.stages.append(Reduce(stage.target, "sum", f"of_{stage.target}"))
    positive = sp.Symbol(stage.target, nonnegative=True) if _is_nonnegative(body) else symbol
    whole = _is_a_whole(symbol, later) or (_is_added(symbol, later) and _is_bare(symbol, later))
    if whole and _is_nonnegative(body) and degree.is_number:
        # The formula is a function of the norm itself; scales do not cancel there, and need not.
        norm = sp.Symbol(f"norm_{stage.target}", positive=True)
        new.stages.append(Map(norm.name, scale * positive ** (1 / degree)))
        new.functions_of.append(Norm(norm, vector, z * positive ** (-1 / degree)))
        new.exchanged[symbol] = norm**degree
        return
    new.exchanged[vector] = scale * z
    new.exchanged[symbol] = scale**degree * positive


def _terms(body: sp.Expr) -> tuple[sp.Expr, ...]:
    return sp.Add.make_args(body)


def _exponent(term: sp.Expr) -> sp.Expr:
    """e of a term a·exp(e); 0 where it has no exponential."""
    exponents = [f.exp for f in sp.Mul.make_args(term) if f.is_Pow and f.base is sp.E]
    exponents += [f.args[0] for f in sp.Mul.make_args(term) if isinstance(f, sp.exp)]
    return sp.Add(*exponents)


def _is_added(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether ``symbol`` is a term of some later sum, next to terms without it."""
    for stage in later:
        if isinstance(stage, Map):
            for part in dag(stage.expression):
                if part.is_Add:
                    inside = [any(_is_factor(symbol, f) for f in sp.Mul.make_args(t)) for t in part.args]
                    if any(inside) and not all(inside):
                        return True
    return False


def _is_factor(symbol: sp.Symbol, factor: sp.Expr) -> bool:
    return factor == symbol or bool(factor.is_Pow and factor.base == symbol and factor.exp.is_positive)


def _is_a_whole(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether ``symbol`` occurs below anything but arithmetic."""
    return any(
        symbol in part.free_symbols and not (isinstance(part, _ALGEBRAIC) and not _is_exponential(part))
        for stage in later
        if isinstance(stage, Map)
        for part in dag(stage.expression)
        if isinstance(part, sp.Expr)
    )


def _is_bare(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether ``symbol`` occurs as a factor as well, outside sums with other terms."""

    def without(part: sp.Basic) -> sp.Basic:
        return sp.S.One if part.is_Add and not all(symbol in a.free_symbols for a in part.args) else part

    return any(
        symbol in rewrite(stage.expression, without).free_symbols for stage in later if isinstance(stage, Map)
    )


def _is_exponential(part: sp.Expr) -> bool:
    return bool(isinstance(part, sp.exp) or (part.is_Pow and part.exp.free_symbols and part.base is sp.E))


def _shifted(
    new: _Rewriting, stage: Reduce, body: sp.Expr, exponents: tuple[sp.Expr, ...], floor: bool
) -> None:
    if floor:
        exponents = tuple(sorted({*exponents, sp.S.Zero}, key=str))
    if exponents not in new.shifts:
        name = f"exponent_{stage.target}"
        _map(new, name, sp.Max(*exponents, evaluate=False) if len(exponents) > 1 else exponents[0])
        m = sp.Symbol(f"shift_{stage.target}", real=True)
        new.stages.append(Reduce(m.name, "shift", name))
        factor = sp.Symbol(f"factor_{stage.target}", positive=True)
        new.constants |= {name, m.name}
        new.offsets.add(m)
        new.factors[factor] = m
        new.shifts[exponents] = m, factor
        for exponent in exponents:
            if has_any(exponent, new.elements):
                d = _map(new, f"below_{m.name}_{len(new.stages)}", exponent - m)
                new.exchanged[sp.exp(exponent)] = factor * sp.exp(d)
                new.exchanged[exponent] = d + m
    m, factor = new.shifts[exponents]
    shifted = sp.Add(*(_without(_exchanged(t, new.exchanged, only=sp.exp), factor, 1) for t in _terms(body)))
    shifted = _unfolded(shifted, new.factors)
    # Weights are taken relative to m as well: Sum(x·exp(x)) = M·(Sum(d·exp(d)) + m·Sum(exp(d))).
    weighted = sp.expand_mul(
        shifted.xreplace({k: v for k, v in new.exchanged.items() if m in v.free_symbols})
    )
    parts = sp.Poly(weighted, m).all_coeffs()[::-1] if weighted.is_polynomial(m) else [shifted]
    total = sp.Add(
        *(_total(new, stage.target, part, at) * m**at for at, part in enumerate(parts) if part != 0)
    )
    new.exchanged[sp.Symbol(stage.target, real=True)] = factor * total
    if not floor and len(parts) == 1 and shifted.is_positive:
        new.positive.add(str(total))  # the largest term is 1


def _total(new: _Rewriting, target: str, body: sp.Expr, at: int) -> sp.Symbol:
    """The symbol of the sum of ``body``, of an earlier one where that is the same."""
    maps = {stage.expression: stage.target for stage in new.stages if isinstance(stage, Map)}
    for stage in new.stages:
        if isinstance(stage, Reduce) and stage.kind == "sum" and stage.source == maps.get(body):
            return sp.Symbol(stage.target, real=True)
    name = target if at == 0 else f"{target}_{at}"
    _map(new, f"of_{name}", body)
    new.stages.append(Reduce(name, "sum", f"of_{name}"))
    return sp.Symbol(name, real=True)


def _without(expression: sp.Expr, factor: sp.Symbol, power: sp.Expr | int) -> sp.Expr:
    return sp.Mul(expression, factor ** (-power))


def _base(body: sp.Expr, new: _Rewriting) -> sp.Expr | None:
    """The vector whose powers ``body`` is made of: an input, an earlier stage, or a difference x - c."""
    if body.is_Add and not _is_difference(body, new):
        return None
    vectors: set[sp.Expr] = set()
    for factor in sp.Mul.make_args(body):
        base = factor.base if factor.is_Pow and factor.base is not sp.E else factor
        base = base.args[0] if isinstance(base, sp.Abs) else base
        if not has_any(base, new.elements):
            continue
        if base.is_Add and _is_difference(base, new):
            d = _map(new, f"difference_{len(new.stages)}", base)
            new.exchanged[base] = d
            new.exchanged[sp.expand(-base)] = -d
            new.differences[base] = d
            base = d
        vectors.add(base)
    if len(vectors) != 1:
        return None
    (vector,) = vectors
    return vector if vector.is_Symbol else None


def _is_difference(base: sp.Expr, new: _Rewriting) -> bool:
    return bool(base.is_Add) and not any(part.is_Function for part in dag(base))


def _degree(body: sp.Expr, vector: sp.Expr) -> sp.Expr:
    degree = sp.S.Zero
    for factor in sp.Mul.make_args(body):
        base, power = (
            (factor.base, factor.exp) if factor.is_Pow and factor.base is not sp.E else (factor, sp.S.One)
        )
        if isinstance(base, sp.Abs):
            base = base.args[0]
        if vector in base.free_symbols:
            degree += power
    signed = any(f == vector for f in sp.Mul.make_args(body))
    # Sums of the elements themselves overflow only with the result, and a mean is taken care of.
    return sp.S.Zero if signed and degree == 1 else degree


def _for_a_mean(
    new: _Rewriting, body: sp.Expr, symbol: sp.Symbol, later: tuple[Stage, ...]
) -> tuple[sp.Expr, sp.Expr]:
    """The body and what stands for its sum; a mean is the sum of elements divided by their number.

    The mean of a vector is taken relative to its first element, so that deviations from it keep
    their digits where the elements are close together, and are 0 where they are equal.
    """
    whole = [s.expression for s in later if isinstance(s, Map) and symbol in s.expression.free_symbols]
    probe = sp.Dummy()
    if not whole or any(symbol in e.subs(symbol / COUNT, probe).free_symbols for e in whole):
        return body, symbol
    if not (body.is_Symbol and body.name in new.elements):
        return body / COUNT, symbol * COUNT
    first = sp.Symbol(f"first_{symbol}", real=True)
    new.stages.append(Reduce(first.name, "first", body.name))
    new.constants.add(first.name)
    new.offsets.add(first)
    d = _map(new, f"beyond_{first}", body - first)
    new.exchanged[body] = d + first
    return d / COUNT, (symbol + first) * COUNT


def _is_nonnegative(body: sp.Expr) -> bool:
    return bool(body.is_nonnegative)


def _scale(new: _Rewriting, target: str, vector: sp.Expr, floor: bool) -> None:
    name = f"size_{target}"
    _map(new, name, sp.Max(sp.Abs(vector), 1) if floor else sp.Abs(vector))
    scale = sp.Symbol(f"scale_{target}", positive=True)
    new.stages.append(Reduce(scale.name, "scale", name))
    new.constants |= {name, scale.name}
    new.factors[scale] = None
    z = _map(new, f"scaled_{vector}_{target}", vector / scale)
    new.scales[vector] = scale, z


def _exchanged(
    expression: sp.Expr, table: dict[sp.Expr, sp.Expr], only: type | None = None, *, again: bool = False
) -> sp.Expr:
    """``expression`` with the parts in ``table`` replaced, whole subexpressions before symbols."""
    known = {k: v for k, v in table.items() if only is None or isinstance(k, only)}
    known = {k: v for k, v in known.items() if not _is_sum_of_shift(k, v)}
    own = {k: v for k, v in known.items() if k.is_Symbol and k in v.free_symbols}
    expression = expression if again else expression.xreplace(own)
    for _ in range(4):
        before = expression
        composite = {k: v for k, v in known.items() if not k.is_Symbol}
        expression = expression.xreplace(composite)
        expression = expression.xreplace(
            {k: v for k, v in known.items() if k.is_Symbol and k not in v.free_symbols}
        )
        if expression == before:
            break
    return expression


def _is_sum_of_shift(key: sp.Expr, value: sp.Expr) -> bool:
    """Whether an entry says exponent = d + m, which is right only where m cancels."""
    return bool(value.is_Add) and not isinstance(key, sp.exp)


def _with_shifted_elements(new: _Rewriting, expression: sp.Expr) -> sp.Expr:
    """x as d + m where m cancels then: log-softmax is d - log(S), and never x - (m + log(S))."""
    for key, value in new.exchanged.items():
        offsets = value.free_symbols & new.offsets
        if _is_sum_of_shift(key, value) and offsets & expression.free_symbols:
            plain = expression.xreplace({key: value})
            for tried in (plain, rewrite(plain, _expanded_sum)):
                if not offsets & tried.free_symbols:
                    expression = tried
                    break
    return expression


def _expanded_sum(current: sp.Basic) -> sp.Basic:
    """Products of sums inside a sum multiplied out, so that what cancels meets."""
    return sp.expand_mul(current, deep=False) if current.is_Add or current.is_Mul else current


def _gathered(expression: sp.Expr, factors: dict[sp.Symbol, sp.Expr | None]) -> sp.Expr:
    """``expression`` with every factor pulled out of the sums and logarithms that hold it."""
    if not factors:
        return expression

    def visit(current: sp.Basic) -> sp.Basic:
        if isinstance(current, sp.Add):
            for factor in factors:
                powers = [term.as_powers_dict().get(factor, sp.S.Zero) for term in current.args]
                if any(p != 0 for p in powers):
                    top = _largest(powers)
                    if top is not None and top != 0:
                        inside = sp.Add(*(term * factor ** (-top) for term in current.args))
                        current = sp.Mul(factor**top, inside, evaluate=inside.is_Add is not True)
                        return sp.Mul(factor**top, inside) if not inside.is_Add else current
        if isinstance(current, sp.log):
            return _split_logarithm(current, factors)
        if isinstance(current, sp.Pow) and current.base.is_Mul and current.base is not sp.E:
            inside = [a for a in current.base.args if a.is_positive]
            rest = sp.Mul(*(a for a in current.base.args if not a.is_positive))
            return sp.Mul(*(a**current.exp for a in inside), rest**current.exp)
        return current

    gathered = rewrite(expression, visit)
    # Rebuilt, so that factors which stood apart meet and cancel.
    gathered = rewrite(gathered, lambda c: sp.Mul(*c.args) if c.is_Mul else c)
    return _unfolded(gathered, factors)


def _largest(powers: list[sp.Expr]) -> sp.Expr | None:
    top = powers[0]
    for power in powers[1:]:
        larger = sp.Max(top, power)
        if larger not in (top, power):
            return None
        top = larger
    return top


def _split_logarithm(current: sp.log, factors: dict[sp.Symbol, sp.Expr | None]) -> sp.Expr:
    inside = sp.Mul.make_args(current.args[0])
    taken, rest = sp.S.Zero, []
    for factor in inside:
        base, power = factor.as_base_exp()
        if base in factors:
            m = factors[base]
            taken += power * (m if m is not None else sp.log(base))
        else:
            rest.append(factor)
    return taken + sp.log(sp.Mul(*rest)) if taken != 0 else current


def _unfolded(expression: sp.Expr, factors: dict[sp.Symbol, sp.Expr | None]) -> sp.Expr:
    """M as exp(m) where it has not cancelled; exponentials of one product become one."""
    unfolded = expression.xreplace({factor: sp.exp(m) for factor, m in factors.items() if m is not None})
    return rewrite(unfolded, _one_exponential)


def _one_exponential(current: sp.Basic) -> sp.Basic:
    if not current.is_Mul:
        return current
    exponentials = [f for f in current.args if isinstance(f, sp.exp)]
    if len(exponentials) < 2:
        return current
    rest = [f for f in current.args if not isinstance(f, sp.exp)]
    return sp.Mul(*rest, sp.exp(sp.Add(*(f.args[0] for f in exponentials))))
