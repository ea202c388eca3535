"""SymPy → graph, term by term as written, and back. Nothing is rewritten for accuracy here."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symact.errors import UnsupportedError
from symact.expressions import dag
from symact.graph import FALSE, TRUE, Node, const, exact, node, var, walk

# Powers up to this are products; beyond it the pow kernel is the shorter way.
_LARGEST_PRODUCT = 64


def integer_power(base: Node, exponent: int) -> Node:
    """``base**exponent`` for ``exponent >= 1`` by repeated squaring."""
    if exponent == 1:
        return base
    if exponent > _LARGEST_PRODUCT:
        return node("pow", base, const(exponent))
    half = node("square", integer_power(base, exponent // 2))
    return half * base if exponent % 2 else half


def _add(args: list[Node], expression: sp.Add) -> Node:
    # A negative first term goes behind a positive one, so that it is subtracted and not negated.
    negative = [_is_negative_term(term) for term in expression.args]
    order = sorted(range(len(args)), key=lambda i: negative[i])
    total: Node | None = None
    for i in order:
        if total is None:
            total = args[i]
        elif negative[i]:
            total = total - negated(args[i])
        else:
            total = total + args[i]
    assert total is not None
    return total


def _is_negative_term(term: sp.Expr) -> bool:
    return bool(term.could_extract_minus_sign()) and (term.is_Mul or term.is_Number)


def negated(argument: Node) -> Node:
    """The negation of a term that starts with a minus, without the minus."""
    if argument.op == "const":
        return const(-exact(argument))
    if argument.op == "neg":
        return argument.args[0]
    if argument.op in ("mul", "div"):
        first, second = argument.args
        if argument.op == "mul" and first == const(-1):
            return second
        return node(argument.op, negated(first), second)
    return -argument


def _power(base: Node, exponent: sp.Expr, exponent_node: Node) -> tuple[Node, bool]:
    """``base**|exponent|``, and whether it belongs in a denominator."""
    if exponent.is_Integer:
        return integer_power(base, abs(int(exponent))), exponent < 0
    if exponent.is_Rational and exponent.q == 2:
        whole, below = abs(int(exponent.p)), exponent < 0
        root = node("sqrt", base)
        return (root if whole == 1 else integer_power(base, whole // 2) * root), below
    if exponent.is_number and exponent.is_negative:
        return node("pow", base, const(-exponent)), True
    return node("pow", base, exponent_node), False


def _mul(expression: sp.Mul, done: dict[sp.Basic, Node]) -> Node:
    coefficient, factors = expression.as_coeff_mul()
    above: list[Node] = []
    below: list[Node] = []
    for factor in factors:
        if factor.is_Pow and not factor.is_number and factor.base is not sp.E:
            powered, under = _power(done[factor.base], factor.exp, done[factor.exp])
            (below if under else above).append(powered)
        else:
            above.append(done[factor])
    negative = coefficient.is_negative
    magnitude = abs(coefficient)
    if magnitude.is_Rational and magnitude.p == 1 and magnitude.q != 1 and above:
        below.insert(0, const(magnitude.q))  # x/2 rather than 0.5 x: exact for every denominator
    elif magnitude is not sp.S.One:
        above.insert(0, const(magnitude))
    top = _product(above) if above else const(1)
    if negative:
        top = const(-exact(top)) if top.op == "const" else _leading_minus(top)
    return top / _product(below) if below else top


def _leading_minus(top: Node) -> Node:
    """Minus ``top``, the minus taken into its leading constant where it has one."""
    if top.op == "mul" and top.args[0].op == "const":
        return node("mul", const(-exact(top.args[0])), top.args[1])
    return -top


def _product(factors: list[Node]) -> Node:
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def _sinc(u: Node) -> Node:
    return node("where", node("eq", u, 0), const(1), node("sin", u) / u)


def _heaviside(u: Node, at_zero: Node) -> Node:
    return node("where", node("lt", u, 0), const(0), node("where", node("gt", u, 0), 1, at_zero))


def _reciprocal(op: str) -> Callable[[Node], Node]:
    return lambda u: const(1) / node(op, u)


def _named(op: str) -> Callable[..., Node]:
    return lambda *args: node(op, *args)


def _folded(op: str) -> Callable[..., Node]:
    def fold(*args: Node) -> Node:
        result = args[0]
        for arg in args[1:]:
            result = node(op, result, arg)
        return result

    return fold


def _either(condition: Node, yes: Node, no: Node) -> Node:
    """A condition by cases, which SymPy makes of a comparison with a Piecewise."""
    return node("or", node("and", condition, yes), node("and", node("not", condition), no))


# Every SymPy function that can be compiled, and its graph.
FUNCTIONS: dict[type[sp.Basic], Callable[..., Node]] = {
    sp.exp: _named("exp"),
    sp.log: _named("log"),
    sp.tanh: _named("tanh"),
    sp.sinh: _named("sinh"),
    sp.cosh: _named("cosh"),
    sp.coth: _reciprocal("tanh"),
    sp.sech: _reciprocal("cosh"),
    sp.csch: _reciprocal("sinh"),
    sp.sin: _named("sin"),
    sp.cos: _named("cos"),
    sp.tan: _named("tan"),
    sp.cot: _reciprocal("tan"),
    sp.sec: _reciprocal("cos"),
    sp.csc: _reciprocal("sin"),
    sp.asin: _named("asin"),
    sp.acos: _named("acos"),
    sp.atan: _named("atan"),
    sp.asinh: _named("asinh"),
    sp.acosh: _named("acosh"),
    sp.atanh: _named("atanh"),
    sp.erf: _named("erf"),
    sp.erfc: _named("erfc"),
    sp.Abs: _named("abs"),
    sp.sign: _named("sign"),
    sp.floor: _named("floor"),
    sp.ceiling: _named("ceil"),
    sp.Max: _folded("max"),
    sp.Min: _folded("min"),
    sp.sinc: _sinc,
    sp.Heaviside: _heaviside,
    sp.StrictLessThan: _named("lt"),
    sp.LessThan: _named("le"),
    sp.StrictGreaterThan: _named("gt"),
    sp.GreaterThan: _named("ge"),
    sp.Equality: _named("eq"),
    sp.Unequality: _named("ne"),
    sp.And: _folded("and"),
    sp.Or: _folded("or"),
    sp.Not: _named("not"),
    sp.ITE: _either,
}


def to_graph(root: sp.Basic, *, formula: str = "") -> Node:
    """The graph of a SymPy expression, operation for operation.

    Args:
        root: an expression over real symbols, or a condition.
        formula: the user's text, repeated in errors.

    Raises:
        UnsupportedError: ``root`` uses a function that is not in the table.
    """
    done: dict[sp.Basic, Node] = {}
    for current in dag(root):
        done[current] = _convert(current, done, formula)
    return done[root]


def is_supported(current: sp.Basic) -> bool:
    """Whether ``to_graph`` has a graph for this kind of node."""
    return bool(
        current.is_Symbol
        or current.is_Number
        or current.is_NumberSymbol
        or current.is_Add
        or current.is_Mul
        or current.is_Pow
        or current is sp.true
        or current is sp.false
        or isinstance(current, sp.Piecewise)
        or type(current).__name__ == "ExprCondPair"
        or type(current) in FUNCTIONS
    )


def _convert(current: sp.Basic, done: dict[sp.Basic, Node], formula: str) -> Node:
    if current is sp.true or current is sp.false:
        return TRUE if current is sp.true else FALSE
    if isinstance(current, sp.Expr) and current.is_number:
        return const(current)
    if current.is_Symbol:
        return var(current.name)
    if current.is_Add:
        return _add([done[arg] for arg in current.args], current)
    if current.is_Mul:
        return _mul(current, done)
    if current.is_Pow:
        powered, under = _power(done[current.base], current.exp, done[current.exp])
        return const(1) / powered if under else powered
    if isinstance(current, sp.Piecewise):
        return _piecewise(current, done)
    if type(current).__name__ == "ExprCondPair":
        return TRUE  # a pair has no value; its parts were converted and are read by _piecewise
    build = FUNCTIONS.get(type(current))
    if build is None:
        raise UnsupportedError(formula or str(current), f"{current.func} cannot be compiled")
    return build(*(done[arg] for arg in current.args))


def _piecewise(current: sp.Piecewise, done: dict[sp.Basic, Node]) -> Node:
    *pairs, (last, otherwise) = current.args
    # Outside every condition the formula has no value.
    result = done[last] if otherwise is sp.true else _undefined_unless(done[otherwise], done[last])
    for value, condition in reversed(pairs):
        result = node("where", done[condition], done[value], result)
    return result


def _undefined_unless(condition: Node, value: Node) -> Node:
    return node("where", condition, value, const(sp.nan))


_BACK: dict[str, Callable[..., sp.Basic]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "abs": sp.Abs,
    "sign": sp.sign,
    "max": sp.Max,
    "min": sp.Min,
    "floor": sp.floor,
    "ceil": sp.ceiling,
    "square": lambda a: a**2,
    "sqrt": sp.sqrt,
    "pow": sp.Pow,
    "expm1": lambda a: sp.exp(a) - 1,
    "log1p": lambda a: sp.log(1 + a),
    "lt": sp.Lt,
    "le": sp.Le,
    "gt": sp.Gt,
    "ge": sp.Ge,
    "eq": sp.Eq,
    "ne": sp.Ne,
    "and": sp.And,
    "or": sp.Or,
    "not": sp.Not,
    "keep": lambda a: a,
    "rounded": lambda a: a,
    "rest_of_product": lambda a, b, product: sp.S.Zero,
    "rest_of_sum": lambda a, b, total: sp.S.Zero,
    "where": lambda c, a, b: sp.Piecewise((a, c), (b, True)),
}


def is_known(current: Node) -> bool:
    """Whether SymPy has the operation: it has none that runs over an axis."""
    return current.op in _BACK or hasattr(sp, current.op)


def to_sympy(root: Node) -> sp.Basic:
    """The SymPy expression that ``root`` stands for; SymPy may order and evaluate it its own way."""
    done: dict[Node, sp.Basic] = {}
    for current in walk([root]):
        if current.op == "const":
            done[current] = current.value
        elif current.op == "var":
            done[current] = sp.Symbol(str(current.name), real=True)
        elif current.op in ("true", "false"):
            done[current] = sp.true if current.op == "true" else sp.false
        else:
            function = _BACK.get(current.op) or getattr(sp, current.op)
            done[current] = function(*(done[arg] for arg in current.args))
    return done[root]
