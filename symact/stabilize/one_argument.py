"""One argument: a formula of its input and parameters, times a power of them, as a function of one argument.

    x/(1 + exp(-w·x))    =  x·f(t)    with  t = w·x,  f(t) = 1/(1 + exp(-t))
    log(1 + exp(w·x))/w  =  f(t)/w    with  t = w·x,  f(t) = log(1 + exp(t))

f has no parameters, so it is searched for like any function of one variable: with thresholds, series
around its roots and limits far out, which hold for every value of the parameters. What rounding takes from
t is carried along to first order, where it matters: in exponentials, which amplify it, and in differences
to a number, which cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import sympy as sp

from symact.compound import arguments_in, in_terms_of
from symact.convert import to_graph
from symact.graph import Node, const, exact, node, rebuild, steps, var
from symact.stabilize.branches import resolve
from symact.stabilize.carried import carrying
from symact.stabilize.compensated import compensated, with_rest
from symact.stabilize.exponential import far_out
from symact.stabilize.exponents import is_power_of_two
from symact.stabilize.formats import Array, Format
from symact.stabilize.parametric import POINT
from symact.stabilize.reflect import times
from symact.stabilize.regimes import Candidate
from symact.stabilize.rests import ZERO, small
from symact.stabilize.separate import separated
from symact.stabilize.simulate import simulate

_FACTOR = var("(factor)")
# No input or parameter has that name.
_NAME = "(argument)"
# What is left to the factors and the argument of the error (ULP) that is aimed at.
_ROUNDINGS = 1.0
# From where on, by digits of the format, exponentials are shifted, and by how much: exp(-shift) is a number
# of the format but for a tenth of a rounding error.
_FAR_OUT = {24: (64, 71), 53: (600, 698)}
# The size of an exponent, for each digit, at which the exponential is nothing beside 1: log(2) and some more.
_NOTHING = 0.85
# How much further out a function may be told from 0 that a factor multiplies: it is off by more there.
_FURTHER = sp.Rational(17, 16)
# At how many sizes of its argument, moderate and large ones on either side, the function is looked at.
_FAR = 2000

# What finds a graph for a function of a variable of that name, aiming at an error in ULP.
Search = Callable[[sp.Expr, str, float], Node]


@dataclass(frozen=True)
class Separation:
    """A formula as ``factor``, a power of its input and parameters, times a function of ``argument``.

    Attributes:
        function: of a variable that stands for ``argument``.
    """

    factor: sp.Expr
    function: sp.Expr
    argument: sp.Expr

    def __str__(self) -> str:
        function = f"f({self.argument})"
        return function if self.factor == 1 else f"{self.factor}·{function}"

    @property
    def singularities(self) -> tuple[bool, bool]:
        """Whether its parts may be infinite where the whole is not: the function at 0, and the factor."""
        at_zero = self.function.xreplace({sp.Symbol(_NAME, real=True): sp.S.Zero})
        return at_zero.has(sp.zoo, sp.oo), sp.fraction(self.factor)[1] != 1


def of_one_argument(separation: Separation, fmt: Format, target: float, search: Search) -> Candidate:
    """The form by the function that ``search`` finds a graph for."""
    graph = search(separation.function, _NAME, target - _ROUNDINGS)
    rounded, rest = with_rest(to_graph(separation.argument), fmt)
    t, rest = var(_NAME), small(rest)
    if separation.argument.is_Add:  # next to its root it is not larger than its rest
        whole = node("rounded", rounded + rest)
        rounded, rest = whole, small(node("rest_of_sum", rounded, rest, whole))
    if separation.factor == 1:
        whole = carrying(graph, t, rest)
    else:
        whole = _multiplied(carrying(_reaching_out(graph, fmt), t, rest), separation.factor)
        for beyond, form in _merged([_far_out(separation, side, fmt) for side in (-1, 1)]):
            whole = node("where", beyond, carrying(form, t, rest), whole)
    return Candidate(str(separation), rebuild(whole, {t: rounded}))


def separated_by_argument(expression: sp.Expr) -> list[Separation]:
    """All ways to write ``expression``, of an input and parameters, like that: the best first."""
    t = sp.Symbol(_NAME, real=True)
    names = frozenset(symbol.name for symbol in expression.free_symbols) | {_NAME}
    found = []
    for argument in map(_root, arguments_in(expression)):
        within = in_terms_of(expression, argument, t)
        eliminated = [within] + [
            within.xreplace({symbol: inverse})
            for symbol in sorted(argument.free_symbols, key=str)
            if (inverse := _solved(argument, symbol, t)) is not None
        ]
        for form in eliminated:
            products = separated(form, names)
            if products is None or len(products) != 1:
                continue
            own = products[0].get(_NAME, sp.S.One)
            others = sp.Mul(*(part for key, part in products[0].items() if key != _NAME))
            number, factor = others.as_coeff_Mul()
            function = number * own
            if function.free_symbols == {t} and factor.is_rational_function():
                found.append(Separation(factor, function, argument))
    return sorted(dict.fromkeys(found), key=lambda separation: separation.singularities)


def _root(argument: sp.Expr) -> sp.Expr:
    """What ``argument`` is the square of; itself where it is none."""
    powers = argument.as_powers_dict()
    if not all(power.is_Integer and power % 2 == 0 for power in powers.values()):
        return argument
    return sp.Mul(*(base ** (power / 2) for base, power in powers.items()))


def _solved(argument: sp.Expr, symbol: sp.Symbol, t: sp.Symbol) -> sp.Expr | None:
    """``symbol`` for which ``argument`` is ``t``; None where it is not the only one."""
    numerator, denominator = sp.fraction(sp.together(argument - t))
    if not numerator.is_polynomial(symbol) or denominator.has(t):
        return None
    polynomial = sp.Poly(numerator, symbol)
    if polynomial.degree() != 1:
        return None
    slope, rest = polynomial.all_coeffs()
    return sp.factor_terms(-rest / slope)


def _multiplied(graph: Node, factor: sp.Expr) -> Node:
    """``graph`` times ``factor``: that goes with what its exponentials are multiplied by."""
    whole = times(_FACTOR, graph)
    return rebuild(
        whole,
        {
            current: _product(current.args[1], factor)
            for current in steps(whole)
            if current.op == "mul" and current.args[0] is _FACTOR
        },
    )


def _product(graph: Node, factor: sp.Expr) -> Node:
    """``graph`` times one part of ``factor`` after the other: their product may overflow by itself."""
    numerator, denominator = sp.fraction(factor)
    for part in _one_by_one(numerator):
        graph = to_graph(part) if graph is const(1) else to_graph(part) * graph
    for part in _one_by_one(denominator):
        graph = graph / to_graph(part)
    return graph


def _one_by_one(product: sp.Expr) -> Iterator[sp.Expr]:
    """The factors of ``product``, each as often as its power is."""
    for base, power in product.as_powers_dict().items():
        if base != 1:
            yield from [base] * int(power) if power.is_Integer else [base**power]


def _far_out(separation: Separation, side: int, fmt: Format) -> tuple[float, Node] | None:
    """From which argument on, on that side, exponentials of it leave the normal range, and the whole there:
    the factor may keep it in."""
    point = side * POINT
    found = far_out(resolve(separation.function, _NAME, point), _NAME, point)
    if found is None:
        return None
    exponent, power, limit = found
    far, shift = _FAR_OUT[fmt.digits]
    sizes = np.arange(1.0, 8 * far, 0.125)
    magnitudes = -simulate(exponent, {_NAME: side * sizes}, fmt)
    # Where the exponential is nothing beside 1, and its power about to leave the normal range.
    beyond = (magnitudes > _NOTHING * fmt.digits) & (max(power, 1) * magnitudes > far)
    if not beyond.any():
        return None
    begins = side * float(sizes[np.argmax(beyond)])
    if power == 0 and not limit.free_symbols:
        return None  # the number is reached by itself
    form = const(1)
    if power > 0:
        form = node("exp", (exponent if power == 1 else const(power) * exponent) + const(shift))
        form = form if _is_exact(exponent, power) else compensated(form, fmt)
    t = sp.Symbol(_NAME, real=True)
    whole = sp.expand(separation.factor * limit.xreplace({t: separation.argument}))
    if sp.fraction(separation.factor)[1] != 1 and not (whole.is_Add and power):
        # What it is divided by may cancel.
        form = _product(form, whole) if not whole.is_Add else to_graph(whole)
    else:
        # So far out that the exponential is 0, and four factors are finite.
        most = fmt.max**0.25
        finite = node("max", node("min", var(_NAME), most), -most) if power else var(_NAME)
        stand_in = var("(finite)")
        form = _product(form, limit.xreplace({t: sp.Symbol("(finite)", real=True)}))
        form = _product(rebuild(form, {stand_in: finite}), separation.factor)
    return begins, const(sp.exp(-shift)) * form if power else form


def _is_exact(exponent: Node, power: int) -> bool:
    """Whether that power of the exponential has an argument that is not rounded."""
    products = [n for n in steps(exponent) if n.op in ("mul", "div", "square")]
    factors = [arg.value for n in products for arg in n.args if arg.op == "const"]
    return len(factors) == len(products) and all(
        is_power_of_two(abs(f)) for f in [sp.Integer(power), *factors]
    )


def _merged(far: list[tuple[float, Node] | None]) -> Iterator[tuple[Node, Node]]:
    """Conditions and forms of the argument, those of both sides as one where they are alike."""
    t = var(_NAME)
    below, above = far
    if below and above and (-below[0], below[1]) == above:
        yield node("gt", node("abs", t), above[0]), above[1]
        return
    magnitude = node("abs", t)
    if below:
        yield node("lt", t, below[0]), rebuild(below[1], {magnitude: -t, -magnitude: t})
    if above:
        yield node("gt", t, above[0]), rebuild(above[1], {magnitude: t})


def _reaching_out(graph: Node, fmt: Format) -> Node:
    """``graph`` without the zeros that it has where it vanishes, or with fewer of them, as far as it does so
    by itself: a factor may bring it back."""
    far = fmt.round(np.concatenate([np.geomspace(1.0, 1e4, _FAR), np.geomspace(1e4, fmt.max / 2, _FAR)]))
    points = np.concatenate([[-np.inf], -far[::-1], far, [np.inf]])
    before = simulate(graph, {_NAME: points}, fmt)
    # From outside to inside: what is inside remains what it is.
    for choice in reversed(steps(graph)):
        if choice.op != "where" or choice.args[0].op == "eq" or ZERO not in choice.args[1:]:
            continue
        for other in _with_less_zeros(choice):
            changed = rebuild(graph, {choice: other})
            if _alike(before, simulate(changed, {_NAME: points}, fmt), fmt):
                graph = changed
                break
    return graph


def _with_less_zeros(choice: Node) -> Iterator[Node]:
    """What else than 0 a choice has; and that, further out."""
    condition, one, other = choice.args
    yield other if one is ZERO else one
    for limit in condition.args:
        if limit.op == "const" and limit is not ZERO:
            further = rebuild(condition, {limit: const(exact(limit) * _FURTHER)})
            yield node("where", further, one, other)


def _alike(before: Array, after: Array, fmt: Format) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(((before == after) | (np.abs(after) + np.abs(before) <= fmt.min_normal)).all())
