"""Grammar: text to SymPy by a whitelist over Python's syntax tree; nothing is ever evaluated."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import sympy as sp

from symact.errors import FormulaError, UnsupportedError
from symact.expressions import is_long
from symact.reductions import WORDS as REDUCTIONS
from symact.slips import described, hint, nearest
from symact.vocabulary import ALL_NAMES, CONDITIONS, CONSTANTS, FUNCTIONS, Word

# Limits, so that no text costs more than a moment: characters, nested levels, syntax nodes, digits
# of a number, and size of an exponent.
MOST_CHARACTERS = 10_000
MOST_LEVELS = 120
MOST_NODES = 2_000
MOST_DIGITS = 60
LARGEST_EXPONENT = 512

_BINARY: dict[type[ast.operator], Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
# The same for long operands, which are not evaluated (see ``expressions.composed``).
_JOINED: dict[type[ast.operator], Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    ast.Add: lambda a, b: sp.Add(a, b, evaluate=False),
    ast.Sub: lambda a, b: sp.Add(a, sp.Mul(-1, b, evaluate=False), evaluate=False),
    ast.Mult: lambda a, b: sp.Mul(a, b, evaluate=False),
    ast.Div: lambda a, b: sp.Mul(a, sp.Pow(b, -1, evaluate=False), evaluate=False),
}
_COMPARE: dict[type[ast.cmpop], Callable[[sp.Expr, sp.Expr], sp.Basic]] = {
    ast.Lt: sp.Lt,
    ast.LtE: sp.Le,
    ast.Gt: sp.Gt,
    ast.GtE: sp.Ge,
    ast.Eq: sp.Eq,
    ast.NotEq: sp.Ne,
}
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


def parse_text(text: str) -> sp.Expr:
    """The SymPy expression that ``text`` spells, over real symbols; numbers are exact.

    Raises:
        FormulaError: the text is not a formula; the message names the place.
        UnsupportedError: it is one, of a kind that is not compiled.
    """
    result = _Reader(text).read()
    if not isinstance(result, sp.Expr):
        raise FormulaError(text, "this is a condition; a formula must be a number at every input")
    return result


class _Reader:
    """One text on its way to SymPy."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> sp.Basic:
        self._check_size()
        # The caret is power: in Python's syntax it would bind less tightly than +.
        self.python = re.sub(r"\^", "**", self.text.strip())
        try:
            tree = ast.parse(self.python, mode="eval")
        except SyntaxError as error:
            offset = (error.offset or 1) - 1
            problem = f"not a formula: {error.msg}{hint(self.text)}"
            raise FormulaError(self.text, problem, self._position(offset)) from None
        except (ValueError, RecursionError, MemoryError):
            raise FormulaError(self.text, "not a formula: it cannot be read") from None
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            raise FormulaError(self.text, f"longer than {MOST_NODES} operations; split it up")
        return self._visit(tree.body, 0)

    def _check_size(self) -> None:
        if not self.text.strip():
            raise FormulaError(self.text, "the formula is empty; write one such as 'x*tanh(x)'")
        if len(self.text) > MOST_CHARACTERS:
            raise FormulaError(self.text, f"longer than {MOST_CHARACTERS} characters")
        if "\0" in self.text or "#" in self.text or "\\" in self.text:
            raise FormulaError(self.text, "not a formula: NUL, '#' and '\\' have no meaning here")
        depth = 0
        for at, character in enumerate(self.text):
            depth += (character in "([{") - (character in ")]}")
            if depth > MOST_LEVELS:
                raise FormulaError(self.text, f"nested deeper than {MOST_LEVELS} levels", at)

    def _position(self, column: int) -> int:
        """Where character ``column`` of the translated text stands in the user's."""
        lead = len(self.text) - len(self.text.lstrip())
        at = column + lead
        seen = 0
        for i, character in enumerate(self.text):
            if seen >= column + lead:
                return i
            seen += 2 if character == "^" else 1
        return min(at, max(len(self.text) - 1, 0))

    def _refuse(self, node: ast.AST, problem: str, kind: type[FormulaError] = FormulaError) -> FormulaError:
        # ast counts columns in UTF-8 bytes.
        line = self.python.encode()[: getattr(node, "col_offset", 0)]
        return kind(self.text, problem, self._position(len(line.decode(errors="ignore"))))

    def _visit(self, node: ast.expr, depth: int) -> sp.Basic:
        if depth > MOST_LEVELS:
            raise self._refuse(node, f"nested deeper than {MOST_LEVELS} levels")
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                value = self._number(operand, depth)
                return -value if isinstance(node.op, ast.USub) else value
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                return sp.Not(self._condition(operand, depth))
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                return self._power(node, self._number(left, depth), self._number(right, depth))
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr(), left=left, right=right):
                join = sp.And if isinstance(node.op, ast.BitAnd) else sp.Or
                return join(self._condition(left, depth), self._condition(right, depth))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return self._arithmetic(node, op, left, right, depth)
            case ast.BoolOp(op=op, values=values):
                join = sp.And if isinstance(op, ast.And) else sp.Or
                return join(*(self._condition(value, depth) for value in values))
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.Subscript():
                return self._element(node)
            case _:
                raise self._refuse(
                    node,
                    f"{described(node)} has no place in a formula; "
                    "use numbers, names, + - * / ^, comparisons and functions",
                )

    def _number(self, node: ast.expr, depth: int) -> sp.Expr:
        value = self._visit(node, depth + 1)
        if not isinstance(value, sp.Expr):
            raise self._refuse(node, "a condition stands where a number is needed")
        return value

    def _condition(self, node: ast.expr, depth: int) -> sp.Basic:
        value = self._visit(node, depth + 1)
        if isinstance(value, sp.Expr):
            raise self._refuse(node, "a number stands where a condition such as x > 0 is needed")
        return value

    def _arithmetic(
        self, node: ast.BinOp, op: ast.operator, left: ast.expr, right: ast.expr, depth: int
    ) -> sp.Expr:
        a, b = self._number(left, depth), self._number(right, depth)
        if is_long(a) or is_long(b):
            return _JOINED[type(op)](a, b)
        if isinstance(op, ast.Div) and b.is_zero:
            raise self._refuse(node, "division by zero")
        return self._checked(node, _BINARY[type(op)](a, b))

    def _constant(self, node: ast.expr, value: object) -> sp.Basic:
        if value is True or value is False:
            return sp.true if value else sp.false
        if not isinstance(value, int | float):
            raise self._refuse(node, f"{described(node)} has no place in a formula")
        # The digits as written: a float would already be rounded.
        literal = (ast.get_source_segment(self.python, node) or "").replace("_", "")
        parts = _NUMBER.match(literal)
        if parts is None:
            raise self._refuse(node, f"the number {literal} is not decimal")
        if len(literal) > MOST_DIGITS or abs(int((parts[2] or "e0")[1:])) > LARGEST_EXPONENT:
            raise self._refuse(node, f"the number {literal[:20]}… has too many digits")
        return sp.Rational(literal)

    def _name(self, node: ast.expr, name: str) -> sp.Basic:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in FUNCTIONS or name in CONDITIONS or name == "Piecewise":
            raise self._refuse(node, f"the function {name!r} needs an argument: {name}(x)")
        if name.startswith("_"):
            raise self._refuse(node, f"the name {name!r} starts with an underscore")
        if name == "I":
            raise self._refuse(node, "the imaginary unit I has no real value")
        return sp.Symbol(name, real=True)

    def _power(self, node: ast.expr, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        if is_long(base) or is_long(exponent):
            return sp.Pow(base, exponent, evaluate=False)
        if exponent.is_number:
            if exponent.is_infinite or abs(exponent.evalf(5, maxn=60)) > LARGEST_EXPONENT:
                raise self._refuse(node, f"an exponent above {LARGEST_EXPONENT}")
            if exponent.is_Rational and max(len(str(exponent.p)), len(str(exponent.q))) > 20:
                raise self._refuse(node, "an exponent of more than 20 digits")
            if base.is_zero and not exponent.is_positive:
                raise self._refuse(node, "zero to a power that is not positive")
        if base.is_number and exponent.is_number and base.is_Rational:
            digits = max(len(str(base.p)), len(str(base.q))) * max(1, abs(float(exponent)))
            if digits > 2000:
                raise self._refuse(node, "a number of more than 2,000 digits")
        return self._checked(node, base**exponent)

    def _checked(self, node: ast.AST, value: sp.Expr) -> sp.Expr:
        if value.is_Rational and max(value.p.bit_length(), value.q.bit_length()) > 8000:
            raise self._refuse(node, "a number of more than 2,000 digits")
        if value.is_number and (value.has(sp.zoo, sp.nan) or value.has(sp.I)):
            raise self._refuse(node, "this has no real value")
        return value

    def _comparison(self, node: ast.Compare, depth: int) -> sp.Basic:
        operands = [self._number(item, depth) for item in (node.left, *node.comparators)]
        parts = []
        for op, a, b in zip(node.ops, operands[:-1], operands[1:], strict=True):
            if type(op) not in _COMPARE:
                raise self._refuse(node, "only < <= > >= == != compare numbers")
            parts.append(_COMPARE[type(op)](a, b))
        return sp.And(*parts)

    def _call(self, node: ast.Call, depth: int) -> sp.Basic:
        if not isinstance(node.func, ast.Name):
            raise self._refuse(node, "only named functions can be called, such as exp(x)")
        name = node.func.id
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise self._refuse(node, f"{name} takes plain arguments only")
        if name == "Piecewise":
            return self._piecewise(node, depth)
        if name in REDUCTIONS:
            return self._reduction(node, name, depth)
        word = FUNCTIONS.get(name) or CONDITIONS.get(name)
        if word is None:
            problem = f"unknown function {name!r}{nearest(name, ALL_NAMES - set(CONSTANTS))}"
            raise self._refuse(node, problem, UnsupportedError)
        self._check_count(node, name, word)
        read = self._condition if name in ("And", "Or", "Not") else self._number
        arguments = [read(arg, depth) for arg in node.args]
        if isinstance(word.build, type) and any(map(is_long, arguments)):
            return word.build(*arguments, evaluate=False)
        built = word.build(*arguments)
        return self._checked(node, built) if isinstance(built, sp.Expr) else built

    def _check_count(self, node: ast.Call, name: str, word: Word) -> None:
        count = len(node.args)
        if count < word.fewest or (word.most is not None and count > word.most):
            takes = f"{word.fewest}" if word.most == word.fewest else f"{word.fewest} or more"
            plural = "" if takes == "1" else "s"
            raise self._refuse(node, f"{name} takes {takes} argument{plural}, not {count}")

    def _element(self, node: ast.Subscript) -> sp.Expr:
        if not (isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Name)):
            raise self._refuse(node, "an element is written with names, as in x[i]")
        base = self._name(node.value, node.value.id)
        return sp.Indexed(sp.IndexedBase(base, real=True), self._name(node.slice, node.slice.id))

    def _reduction(self, node: ast.Call, name: str, depth: int) -> sp.Expr:
        if len(node.args) != 2:
            raise self._refuse(node, f"{name} takes an expression and an index: {name}(x[j]**2, j)")
        body, index = node.args
        if isinstance(index, ast.Tuple) and len(index.elts) == 3:  # SymPy's own spelling
            limits = sp.Tuple(*(self._number(item, depth) for item in index.elts))
            return sp.Sum(self._number(body, depth), limits) if name == "Sum" else self._no_limits(node, name)
        if not isinstance(index, ast.Name):
            raise self._refuse(node, f"the index of {name} is a name, as in {name}(x[j]**2, j)")
        return REDUCTIONS[name](self._number(body, depth), self._name(index, index.id))

    def _no_limits(self, node: ast.Call, name: str) -> sp.Expr:
        raise self._refuse(node, f"{name} runs over the whole axis; give it the index alone")

    def _piecewise(self, node: ast.Call, depth: int) -> sp.Expr:
        pairs = []
        for pair in node.args:
            if not (isinstance(pair, ast.Tuple) and len(pair.elts) == 2):
                raise self._refuse(pair, "Piecewise takes pairs: Piecewise((x, x > 0), (0, True))")
            value, condition = pair.elts
            pairs.append((self._number(value, depth), self._condition(condition, depth)))
        if not pairs:
            raise self._refuse(node, "Piecewise takes at least one (value, condition) pair")
        built = sp.Piecewise(*pairs)
        if built is sp.nan:
            raise self._refuse(node, "no branch of this Piecewise ever holds")
        return built
