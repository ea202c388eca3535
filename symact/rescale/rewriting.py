"""Rewriting: the stages made so far, and how later ones are written in terms of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from symact.expressions import dag, rewrite
from symact.log1p import Log1p
from symact.program import Map, Norm, Powers, Program, Reduce, Stage, has_any, names_in
from symact.rescale.questions import terms


@dataclass
class Rewriting:
    """The stages made so far, and what later stages must replace."""

    program: Program
    stages: list[Stage] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    functions_of: list[Norm] = field(default_factory=list)
    positive: set[str] = field(default_factory=set)
    powers: list[Powers] = field(default_factory=list)
    # Symbols by what stands for them now; factors taken out, by the exponent they are exp of, or None.
    exchanged: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    factors: dict[sp.Symbol, sp.Expr | None] = field(default_factory=dict)
    elements: set[str] = field(default_factory=set)
    differences: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    # Exponents that hold exponentials, stages of their own.
    inner: dict[sp.Expr, sp.Symbol] = field(default_factory=dict)
    # Reductions that are as they were, and quotients by the size of what is a divisor.
    unscaled: set[str] = field(default_factory=set)
    divisors: set[str] = field(default_factory=set)
    # Largest and smallest elements, by the vector that they are of.
    extrema: dict[sp.Symbol, sp.Symbol] = field(default_factory=dict)
    # Exponentials of the same exponents share their shift, powers of the same vector their scale. Distances
    # are exponents less their shift.
    offsets: set[sp.Symbol] = field(default_factory=set)
    distances: set[sp.Symbol] = field(default_factory=set)
    shifts: dict[tuple[sp.Expr, ...], tuple[sp.Symbol, sp.Symbol]] = field(default_factory=dict)
    largest: dict[tuple[sp.Expr, ...], tuple[sp.Symbol, list[sp.Expr]]] = field(default_factory=dict)
    scales: dict[sp.Expr, tuple[sp.Symbol, sp.Symbol]] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """Names of the formula's parameters that are numbers."""
        formula = self.program.formula
        return frozenset(p.name for p in formula.parameters) - formula.indexed

    def rewritten(self, expression: sp.Expr) -> sp.Expr:
        """``expression`` in terms of the rewritten stages, with its factors brought together."""
        own = {part: sp.Dummy(real=True) for part in dag(expression) if self.is_of_one_element(part)}
        if own:
            rest = self.rewritten(expression.xreplace(own))
            return rest.xreplace({dummy: part for part, dummy in own.items()})
        exchanged = _with_shifted_elements(self, in_new_terms(expression, self.exchanged))
        gathered = _gathered(in_new_terms(exchanged, self.exchanged, again=True), self.factors)
        if self.offsets & gathered.free_symbols:
            gathered = rewrite(gathered, self.without_products_of_offsets)
        return _with_shifted_elements(self, gathered)

    def is_of_one_element(self, part: sp.Basic) -> bool:
        """Whether it is the logarithm or reciprocal of a sum of exponentials of one element and others.

        The largest of all elements, by which exponents are shifted, may be far from this one. And the
        logarithm of a number and an element would lose all digits of a small one that is scaled.
        """
        if isinstance(part, sp.log):
            (total,) = part.args
            if total.is_Add and total.as_coeff_Add()[0] != 0 and not total.has(sp.exp):
                return len(names_in(total) & self.elements) == 1 and not total.free_symbols & self.reduced
        elif part.is_Pow and part.exp.is_negative and any(not term.has(sp.exp) for term in part.base.args):
            total = part.base
        else:
            return False
        if not total.is_Add or not total.has(sp.exp):
            return False
        return not total.free_symbols & self.reduced

    @cached_property
    def reduced(self) -> frozenset[sp.Symbol]:
        """The results of reductions."""
        return frozenset(sp.Symbol(name, real=True) for name in self.program.reduced())

    def without_scales(self, expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """The scales, and exponentials of shifts, that are factors of ``expression``, and what is left."""
        scales = {scale for scale, _ in self.scales.values()}
        outside, inside = [], []
        for factor in sp.Mul.make_args(expression):
            shifted = [f ** (factor.args[0] / m) for f, m in self.factors.items() if _is_power(factor, m)]
            if factor.as_base_exp()[0] in scales:
                outside.append(factor)
            elif shifted:
                outside.append(shifted[0])
            else:
                inside.append(factor)
        return sp.Mul(*outside), sp.Mul(*inside)

    def is_scaled(self, vector: sp.Expr) -> bool:
        """Whether ``vector`` is the result of a scaling: its powers neither overflow nor vanish."""
        return any(vector == z for _, z in self.scales.values())

    def is_shifted(self, expression: sp.Expr) -> bool:
        """Whether the exponentials in ``expression`` are of multiples of distances below a shift alone."""
        if any(self.offsets & term.free_symbols and term.has(sp.exp) for term in terms(expression)):
            return False
        exponents = [term for part in expression.atoms(sp.exp) for term in sp.Add.make_args(part.args[0])]
        multiples = [term.as_independent(*self.distances, as_Add=False) for term in exponents]
        return all(times.is_positive and distance in self.distances for times, distance in multiples)

    def with_logarithms(self, expression: sp.Expr) -> sp.Expr:
        """``expression`` with factors taken out of its logarithms, where offsets meet their like."""
        split = rewrite(
            expression, lambda c: _split_logarithm(c, self.factors) if isinstance(c, sp.log) else c
        )
        return _with_shifted_elements(self, split) if split != expression else expression

    def without_products_of_offsets(self, current: sp.Basic) -> sp.Basic:
        """(D + m·S)/S as D/S + m, where the offset m can meet its like."""
        if current.is_Mul and any(f.is_Add and self.offsets & f.free_symbols for f in current.args):
            return sp.expand_mul(current, deep=False)
        return current


def add_map(new: Rewriting, target: str, expression: sp.Expr) -> sp.Symbol:
    new.stages.append(Map(target, expression))
    if has_any(expression, new.elements):
        new.elements.add(target)
    return sp.Symbol(target, real=True)


def add_sum(new: Rewriting, target: str, body: sp.Expr) -> None:
    add_map(new, f"of_{target}", body)
    new.stages.append(Reduce(target, "sum", f"of_{target}"))


def with_distances(new: Rewriting, expression: sp.Expr) -> sp.Expr:
    """x - Max(x) + c with the difference as a stage: it is small where x + c would lose all of c."""

    def visit(part: sp.Basic) -> sp.Basic:
        for extremum, vector in new.extrema.items() if part.is_Add and len(part.args) > 2 else ():
            factor = part.coeff(vector)
            if factor.is_number and factor != 0 and part.coeff(extremum) == -factor:
                d = add_map(new, f"from_{extremum}_{len(new.stages)}", vector - extremum)
                return part - factor * (vector - extremum) + factor * d
        return part

    return rewrite(expression, visit) if new.extrema else expression


def without(expression: sp.Expr, factor: sp.Symbol, power: sp.Expr | int) -> sp.Expr:
    return sp.Mul(expression, factor ** (-power))


def in_new_terms(
    expression: sp.Expr, table: dict[sp.Expr, sp.Expr], only: type | None = None, *, again: bool = False
) -> sp.Expr:
    """``expression`` with the parts in ``table`` replaced, whole subexpressions before symbols."""
    expression = rewrite(expression, lambda part: _with_known_exponents(part, table))
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


def _with_known_exponents(part: sp.Basic, table: dict[sp.Expr, sp.Expr]) -> sp.Basic:
    """exp(a/2 + b/2) as exp(a)^(1/2)·exp(b)^(1/2), where those of a and b have been replaced."""
    if not isinstance(part, sp.exp) or part in table:
        return part
    product = sp.S.One
    for term in sp.Add.make_args(part.args[0]):
        number, exponent = term.as_coeff_Mul()
        if not number.is_positive or sp.exp(exponent) not in table:
            return part
        product *= table[sp.exp(exponent)] ** number
    return product


def _is_sum_of_shift(key: sp.Expr, value: sp.Expr) -> bool:
    """Whether an entry says exponent = d + m, which is right only where m cancels.

    A sum of elements of such a size holds its own name: what stands for it holds everywhere.
    """
    return bool(value.is_Add) and not isinstance(key, sp.exp) and key not in value.free_symbols


def _with_shifted_elements(new: Rewriting, expression: sp.Expr) -> sp.Expr:
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
            inside: sp.Expr = current
            taken: list[sp.Expr] = []
            for factor in factors:
                powers = [t.as_powers_dict().get(factor, sp.S.Zero) for t in sp.Add.make_args(inside)]
                top = _largest(powers)
                if top is not None and top != 0:
                    taken.append(factor**top)
                    inside = sp.Add(*(term * factor ** (-top) for term in sp.Add.make_args(inside)))
            return sp.Mul(*taken, inside, evaluate=not inside.is_Add) if taken else current
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
    return unfolded(gathered, factors)


def _is_power(factor: sp.Expr, exponent: sp.Expr | None) -> bool:
    """Whether ``factor`` is a power of exp(``exponent``)."""
    return exponent is not None and isinstance(factor, sp.exp) and bool((factor.args[0] / exponent).is_number)


def _largest(powers: list[sp.Expr]) -> sp.Expr | None:
    top = powers[0]
    for power in powers[1:]:
        larger = sp.Max(top, power)
        if larger not in (top, power):
            return None
        top = larger
    return top


def _split_logarithm(current: sp.log, factors: dict[sp.Symbol, sp.Expr | None]) -> sp.Expr:
    """log(s·r) as log(s) + log(r); log(s·(1/s + t)) has the digits of a small s·t."""
    inside = sp.Mul.make_args(current.args[0])
    taken, rest = sp.S.Zero, []
    for factor in inside:
        base, power = factor.as_base_exp()
        if base in factors:
            m = factors[base]
            taken += power * (m if m is not None else sp.log(base))
        elif isinstance(factor, sp.exp) and factor.args[0].is_real is not False:  # it may be undefined
            taken += factor.args[0]
        else:
            rest.append(factor)
    if taken == 0:
        return current
    split = taken + sp.log(sp.Mul(*rest))
    scales = current.args[0].free_symbols & {base for base, m in factors.items() if m is None}
    if len(scales) != 1:
        return split
    number, small = sp.expand_mul(current.args[0]).as_coeff_Add()
    return sp.Piecewise((Log1p(small), scales.pop() <= 1), (split, True)) if number == 1 else split


def unfolded(expression: sp.Expr, factors: dict[sp.Symbol, sp.Expr | None]) -> sp.Expr:
    """M as exp(m) where it has not cancelled; exponentials of one product become one."""
    unfolded = expression.xreplace({factor: sp.exp(m) for factor, m in factors.items() if m is not None})
    return rewrite(unfolded, one_exponential)


def one_exponential(current: sp.Basic) -> sp.Basic:
    """A product with one exponential instead of several."""
    if not current.is_Mul:
        return current
    exponentials = [f for f in current.args if isinstance(f, sp.exp)]
    if len(exponentials) < 2:
        return current
    rest = [f for f in current.args if not isinstance(f, sp.exp)]
    return sp.Mul(*rest, sp.exp(sp.Add(*(f.args[0] for f in exponentials))))
