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

import numpy as np
import sympy as sp

from symact.compound import arguments_in, in_terms_of
from symact.convert import to_graph
from symact.graph import Node, const, exact, node, rebuild, steps, var
from symact.stabilize.branches import resolve
from symact.stabilize.compensated import with_rest
from symact.stabilize.exponential import far_out
from symact.stabilize.formats import Array, Format
from symact.stabilize.parametric import POINT
from symact.stabilize.reflect import times
from symact.stabilize.regimes import Candidate
from symact.stabilize.separate import NUMBER, separated
from symact.stabilize.simulate import simulate

_ZERO, _FACTOR = const(0), var("(factor)")
_NAME = "t"
# What is left to the factors and the argument of the error (ULP) that is aimed at.
_ROUNDINGS = 1.0
# From where on, by digits of the format, exponentials are shifted, and by how much: exp(-shift) is a number
# of the format but for a tenth of a rounding error.
_FAR_OUT = {24: (64, 71), 53: (600, 698)}
# A bound for infinities' sake alone.
_UNBOUNDED = 1e38
# How much further out a function may be told from 0 that a factor multiplies: it is off by more there.
_FURTHER = sp.Rational(17, 16)
# At how many sizes of its argument, on either side, the function is looked at.
_FAR = 2000

# What finds a graph for a function of a variable of that name, aiming at an error in ULP.
Search = Callable[[sp.Expr, str, float], Node]


def of_one_argument(
    expression: sp.Expr, name: str, fmt: Format, target: float, search: Search
) -> Iterator[Candidate]:
    """Forms of ``expression``, of the input ``name`` and parameters, by functions of one argument."""
    for factor, function, argument in _separations(expression, name):
        graph = search(function, _NAME, target - _ROUNDINGS)
        rounded, rest = with_rest(to_graph(argument), fmt)
        rest = _small(rest)
        if factor == 1:
            whole = _carrying(graph, rest)
        else:
            whole = _multiplied(_carrying(_reaching_out(graph, fmt), rest), factor)
            far = [_far_out(factor, function, argument, side, fmt) for side in (-1, 1)]
            for beyond, form in _merged(far):
                whole = node("where", beyond, _carrying(form, rest), whole)
        yield Candidate("of one argument", rebuild(whole, {var(_NAME): rounded}))


def _separations(expression: sp.Expr, name: str) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """A power of input and parameters, a function of ``_NAME``, and what that stands for: the best first."""
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
            parts = dict(products[0])
            function = parts.pop(_NAME, sp.S.One) * parts.pop(NUMBER, sp.S.One)
            factor = sp.Mul(*parts.values())
            if function.free_symbols == {t} and factor.is_rational_function():
                found.append((factor, function, argument))
    return sorted(dict.fromkeys(found), key=_singularities)


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


def _singularities(separation: tuple[sp.Expr, sp.Expr, sp.Expr]) -> tuple[bool, bool, int]:
    """Where the parts are infinite though the whole is not, or may not be."""
    factor, function, argument = separation
    at_zero = function.xreplace({sp.Symbol(_NAME, real=True): sp.S.Zero})
    return at_zero.has(sp.zoo, sp.oo), sp.fraction(factor)[1] != 1, len(str(argument))


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
    for part, is_divisor in ((numerator, False), (denominator, True)):
        for base, power in part.as_powers_dict().items():
            for one in [base] * int(power) if power.is_Integer else [base**power]:
                if one == 1:
                    continue
                if is_divisor:
                    graph = graph / to_graph(one)
                else:
                    graph = to_graph(one) if graph is const(1) else to_graph(one) * graph
    return graph


def _far_out(
    factor: sp.Expr, function: sp.Expr, argument: sp.Expr, side: int, fmt: Format
) -> tuple[float, Node] | None:
    """From which argument on, on that side, exponentials of it leave the normal range, and the whole there:
    ``factor`` may keep it in."""
    point = side * POINT
    found = far_out(resolve(function, _NAME, point), _NAME, point)
    if found is None:
        return None
    exponent, power, limit = found
    far, shift = _FAR_OUT[fmt.digits]
    sizes = np.arange(1.0, 8 * far, 0.125)
    magnitudes = -max(power, 1) * simulate(exponent, {_NAME: side * sizes}, fmt)
    if not (magnitudes > far).any():
        return None
    begins = side * float(sizes[np.argmax(magnitudes > far)])
    t = var(_NAME)
    whole = sp.expand(factor * limit.xreplace({sp.Symbol(_NAME, real=True): argument}))
    if power == 0:
        # A limit that is a number is reached by itself.
        return (begins, to_graph(whole)) if limit.free_symbols else None
    moderate = node("exp", (exponent if power == 1 else const(power) * exponent) + const(shift))
    if whole.is_Add:
        finite = node("max", node("min", t, fmt.max), -fmt.max)
        moderate, whole = rebuild(to_graph(limit), {t: finite}) * moderate, factor
    return begins, const(sp.exp(-shift)) * _product(moderate, whole)


def _merged(far: list[tuple[float, Node] | None]) -> Iterator[tuple[Node, Node]]:
    """Conditions and forms of the argument, those of both sides as one where they are alike."""
    t = var(_NAME)
    below, above = far
    if below and above and (-below[0], below[1]) == above:
        yield node("gt", node("abs", t), above[0]), above[1]
        return
    magnitude = node("abs", t)
    if below:
        yield node("lt", t, below[0]), _simplified(rebuild(below[1], {magnitude: -t}))
    if above:
        yield node("gt", t, above[0]), rebuild(above[1], {magnitude: t})


def _simplified(graph: Node) -> Node:
    """``graph`` without the negatives of negatives."""
    doubled = {n: n.args[0].args[0] for n in steps(graph) if n.op == "neg" == n.args[0].op}
    return rebuild(graph, doubled)


def _reaching_out(graph: Node, fmt: Format) -> Node:
    """``graph`` without the zeros that it has where it vanishes, or with fewer of them, as far as it does so
    by itself: a factor may bring it back."""
    far = fmt.round(np.geomspace(1.0, fmt.max, _FAR))
    points = np.concatenate([[-np.inf], -far[::-1], far, [np.inf]])
    before = simulate(graph, {_NAME: points}, fmt)
    for choice in [n for n in steps(graph) if n.op == "where" and _ZERO in n.args[1:]]:
        for other in _with_less_zeros(choice):
            changed = rebuild(graph, {choice: other})
            if _alike(before, simulate(changed, {_NAME: points}, fmt), fmt):
                graph = changed
                break
    return graph


def _with_less_zeros(choice: Node) -> Iterator[Node]:
    """What else than 0 a choice has; and that, further out."""
    condition, one, other = choice.args
    yield other if one is _ZERO else one
    for limit in condition.args:
        if limit.op == "const" and limit is not _ZERO:
            further = rebuild(condition, {limit: const(exact(limit) * _FURTHER)})
            yield node("where", further, one, other)


def _alike(before: Array, after: Array, fmt: Format) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(((before == after) | (np.abs(after) + np.abs(before) <= fmt.min_normal)).all())


def _carrying(graph: Node, rest: Node) -> Node:
    """``graph`` of the rounded argument and the ``rest`` of it, to first order in that."""
    if rest is _ZERO:
        return graph
    done: dict[Node, Node] = {}
    for current in steps(graph):
        args = tuple(done[arg] for arg in current.args)
        new = node(current.op, *args) if args else current
        if current.op in ("exp", "expm1"):
            (inside,) = current.args
            new = _exponential(current.op, inside, _carried(inside, rest))
        elif current.op in ("add", "sub") and _is_offset(current):
            new = new + _carried(current, rest)
        done[current] = new
    return done[graph]


def _exponential(op: str, argument: Node, carried: Node) -> Node:
    new = node(op, argument)
    if carried is _ZERO:
        return new
    return new * (const(1) + carried) if op == "exp" else new + (const(1) + new) * carried


def _is_offset(current: Node) -> bool:
    """Whether it is a multiple of the argument, or of its size, and a number."""
    number, other = sorted(current.args, key=lambda arg: arg.op != "const")
    while other.op in ("neg", "abs", "min", "max", "mul", "div"):
        rest = [arg for arg in other.args if arg.op != "const"]
        other = rest[0] if len(rest) == 1 else _ZERO
    return number.op == "const" and other is var(_NAME)


def _small(carried: Node) -> Node:
    """None is left where infinities meet, and far out it does not matter any more."""
    if carried is _ZERO:
        return carried
    return node("where", node("lt", node("abs", carried), 1), carried, 0)


def _carried(root: Node, rest: Node) -> Node:
    """What ``rest`` of the argument adds to ``root``, to first order; nothing through other functions than
    arithmetic."""
    parts: dict[Node, Node] = {}
    for current in steps(root):
        parts[current] = rest if current is var(_NAME) else _part(current, [parts[a] for a in current.args])
    return parts[root] if _is_linear(root) else _small(parts[root])


def _is_linear(root: Node) -> bool:
    """Whether what is carried is a multiple of the rest."""
    products = [n for n in steps(root) if n.op in ("mul", "div", "square")]
    return all(any(arg.op == "const" for arg in product.args) for product in products)


def _part(current: Node, parts: list[Node]) -> Node:
    if all(part is _ZERO for part in parts):
        return _ZERO
    args = current.args
    match current.op:
        case "neg":
            return _negated(parts[0])
        case "abs":
            return node("where", node("lt", args[0], 0), -parts[0], parts[0])
        case "add":
            return _sum(*parts)
        case "sub":
            return _sum(parts[0], _negated(parts[1]))
        case "mul":
            return _sum(_times(args[0], parts[1]), _times(args[1], parts[0]))
        case "div":
            return _sum(parts[0], _negated(_times(current, parts[1]))) / args[1]
        case "square":
            return const(2) * args[0] * parts[0]
        case "max" | "min":
            if parts[1] is _ZERO and args[1].op == "const" and abs(exact(args[1])) > _UNBOUNDED:
                return parts[0]
            return _chosen(node("gt" if current.op == "max" else "lt", *args), *parts)
        case "where":
            return _chosen(args[0], *parts[1:])
        case "rounded" | "keep":
            return parts[0]
    return _ZERO


def _chosen(condition: Node, one: Node, other: Node) -> Node:
    return one if one is other else node("where", condition, one, other)


def _sum(one: Node, other: Node) -> Node:
    return other if one is _ZERO else one if other is _ZERO else one + other


def _times(factor: Node, part: Node) -> Node:
    return part if part is _ZERO else factor * part


def _negated(part: Node) -> Node:
    return part if part is _ZERO else -part
