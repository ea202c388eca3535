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
from symact.program import COUNT, Map, Program, Reduce, Stage, has_any

# Functions in which a sum of powers is a whole (tanh of a norm), not a factor that may cancel.
_ALGEBRAIC = (sp.Add, sp.Mul, sp.Pow, sp.Symbol, sp.Number, sp.NumberSymbol, sp.Abs, sp.log, sp.sign)


@dataclass
class _Rewriting:
    """The stages made so far, and what later stages must replace."""

    program: Program
    stages: list[Stage] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    functions_of: set[str] = field(default_factory=set)
    positive: set[str] = field(default_factory=set)
    # Symbols by what stands for them now; factors taken out, by the exponent they are exp of, or None.
    exchanged: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    factors: dict[sp.Symbol, sp.Expr | None] = field(default_factory=dict)
    elements: set[str] = field(default_factory=set)
    differences: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    # Exponentials of the same exponents share their shift, powers of the same vector their scale.
    shifts: dict[tuple[sp.Expr, ...], tuple[sp.Symbol, sp.Symbol]] = field(default_factory=dict)
    scales: dict[sp.Expr, tuple[sp.Symbol, sp.Symbol]] = field(default_factory=dict)

    def rewritten(self, expression: sp.Expr) -> sp.Expr:
        """``expression`` in terms of the rewritten stages, with its factors brought together."""
        return _gathered(_exchanged(expression, self.exchanged), self.factors)


def rescale(program: Program) -> Program:
    """``program`` with the sums of exponentials and of powers among its reductions rewritten."""
    new = _Rewriting(program, elements=set(program.vectors))
    for at, stage in enumerate(program.stages):
        if isinstance(stage, Map):
            following = program.stages[at + 1] if at + 1 < len(program.stages) else None
            if isinstance(following, Reduce) and following.kind == "sum":
                continue  # rewritten together with its sum
            expression = _with_shifted_elements(new, new.rewritten(stage.expression))
            _map(new, stage.target, expression)
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
        functions_of=program.functions_of | new.functions_of,
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
        inside, outside = _for_a_mean(body, symbol, later)
        _map(new, f"of_{stage.target}", inside)
        new.stages.append(Reduce(stage.target, "sum", f"of_{stage.target}"))
        new.exchanged[symbol] = outside
        return
    if vector not in new.scales:
        floor = degree != 1 and _is_added(symbol, later)
        _scale(new, stage.target, vector, floor)
    scale, z = new.scales[vector]
    _map(new, f"of_{stage.target}", _without(body.xreplace({vector: scale * z}), scale, degree))
    new.stages.append(Reduce(stage.target, "sum", f"of_{stage.target}"))
    positive = sp.Symbol(stage.target, nonnegative=True) if _is_nonnegative(body) else symbol
    if _is_a_whole(symbol, later) and _is_nonnegative(body) and degree.is_number:
        # The formula is a function of the norm itself; scales do not cancel there, and need not.
        norm = sp.Symbol(f"norm_{stage.target}", positive=True)
        new.stages.append(Map(norm.name, scale * positive ** (1 / degree)))
        new.functions_of.add(norm.name)
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
    return factor == symbol or (factor.is_Pow and factor.base == symbol)


def _is_a_whole(symbol: sp.Symbol, later: tuple[Stage, ...]) -> bool:
    """Whether ``symbol`` occurs below anything but arithmetic."""
    return any(
        symbol in part.free_symbols and not (isinstance(part, _ALGEBRAIC) and not _is_exponential(part))
        for stage in later
        if isinstance(stage, Map)
        for part in dag(stage.expression)
        if isinstance(part, sp.Expr)
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
        new.factors[factor] = m
        new.shifts[exponents] = m, factor
        for exponent in exponents:
            if has_any(exponent, new.elements):
                d = _map(new, f"below_{m.name}_{len(new.stages)}", exponent - m)
                new.exchanged[sp.exp(exponent)] = factor * sp.exp(d)
                new.exchanged[exponent] = d + m
    m, factor = new.shifts[exponents]
    shifted = sp.Add(*(_without(_exchanged(t, new.exchanged, only=sp.exp), factor, 1) for t in _terms(body)))
    _map(new, f"of_{stage.target}", _unfolded(shifted, new.factors))
    new.stages.append(Reduce(stage.target, "sum", f"of_{stage.target}"))
    new.exchanged[sp.Symbol(stage.target, real=True)] = factor * sp.Symbol(stage.target, real=True)
    if not floor and shifted.is_positive:
        new.positive.add(stage.target)  # the largest term is 1


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


def _for_a_mean(body: sp.Expr, symbol: sp.Symbol, later: tuple[Stage, ...]) -> tuple[sp.Expr, sp.Expr]:
    """The body and what stands for its sum; a mean is the sum of elements divided by their number."""
    whole = [s.expression for s in later if isinstance(s, Map) and symbol in s.expression.free_symbols]
    meant = symbol / COUNT
    probe = sp.Dummy()
    if whole and all(symbol not in e.subs(meant, probe).free_symbols for e in whole):
        return body / COUNT, symbol * COUNT
    return body, symbol


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


def _exchanged(expression: sp.Expr, table: dict[sp.Expr, sp.Expr], only: type | None = None) -> sp.Expr:
    """``expression`` with the parts in ``table`` replaced, whole subexpressions before symbols."""
    known = {k: v for k, v in table.items() if only is None or isinstance(k, only)}
    known = {k: v for k, v in known.items() if not _is_sum_of_shift(k, v)}
    own = {k: v for k, v in known.items() if k.is_Symbol and k in v.free_symbols}
    expression = expression.xreplace(own)
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
        if _is_sum_of_shift(key, value):
            tried = expression.xreplace({key: value})
            (m,) = value.free_symbols & set(new.factors.values())
            if m in expression.free_symbols and m not in tried.free_symbols:
                expression = tried
    return expression


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
