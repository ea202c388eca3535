"""Printer: a graph as Python statements over tensors, as a careful person would write them.

Shared subexpressions and long ones get names (the op table says what each op's result is called);
nothing is reassociated. Every line fits in 88 columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from symact.casts import wide_nodes
from symact.convert import is_known, to_sympy
from symact.graph import Node, const, rebuild, variables, walk
from symact.memory import is_written
from symact.numbers import as_float
from symact.ops import OPS, Op

_ATOM = 9
_LINE = 88
_WIDEST = 66
_SHORTEST_CHAIN = 4
_COMMUTATIVE = {"max", "min", "eq", "ne"}
# The function of the emitted module that evaluates polynomials.
POLYNOMIAL = "_polynomial"
# And the one that keeps XLA from writing an intermediate result to memory.
FUSED = "_fused"


def body(
    root: Node, input_name: str, taken: Iterable[str], *, narrow: bool, tensors: Collection[str] = ()
) -> list[str]:
    """The statements of a function that returns ``root``, without indentation.

    Args:
        root: the graph to compute.
        input_name: the tensor that decides shape and dtype of the result.
        taken: names that temporaries must not have.
        narrow: whether constants are needed in float32 only, which takes fewer digits.
        tensors: the inputs, where XLA is to make one kernel of the function.
    """
    printer = _Printer([_folded(root)], input_name, set(taken), narrow, tensors)
    return printer.statements()


def _folded(root: Node) -> Node:
    """``root`` with every elementwise operation on constants alone done beforehand, exactly."""
    varying: set[Node] = set()
    exchanged = {}
    for current in walk([root]):
        if current.op == "var" or not varying.isdisjoint(current.args):
            varying.add(current)
        elif current.args and not OPS[current.op].boolean and is_known(current):
            exchanged[current] = const(to_sympy(current))
    return rebuild(root, exchanged) if exchanged else root


def bodies(
    roots: Sequence[Node],
    input_name: str,
    taken: set[str],
    *,
    narrow: bool,
    wide: Collection[str] = (),
    unfused: Collection[Node] = (),
) -> tuple[list[str], list[str]]:
    """Statements that compute several ``roots``, and the expressions that stand for those then.

    ``wide`` variables are in float64, whatever the input is in; XLA is kept from writing ``unfused``
    nodes to memory; otherwise as for ``body``.
    """
    folded = [_folded(root) for root in roots]
    printer = _Printer(folded, input_name, taken, narrow, wide=wide)
    printer.unfused.update(unfused)
    texts = printer.assigned()
    return printer.lines, [texts[root][0] for root in folded]


class _Printer:
    def __init__(
        self,
        roots: Sequence[Node],
        input_name: str,
        taken: set[str],
        narrow: bool,
        tensors: Collection[str] = (),
        wide: Collection[str] = (),
    ) -> None:
        self.wide = wide_nodes(roots, wide)
        self.roots, self.input, self.taken, self.narrow = list(roots), input_name, taken, narrow
        self.uses = Counter(arg for current in walk(roots) for arg in current.args)
        if len(self.roots) > 1:
            self.uses.update(self.roots)
        self.lines: list[str] = []
        self.named: dict[Node, str] = {}
        self.polynomials, self.inside = _polynomials(self.roots, self.uses)
        self.unfused = {n for n in walk(roots) if self.uses[n] > 1 and is_written(n, tensors)}

    def statements(self) -> list[str]:
        (root,) = self.roots
        texts = self.assigned()
        self.lines.append(f"return {self._shaped(root, texts[root][0])}")
        return self.lines

    def assigned(self) -> dict[Node, tuple[str, int]]:
        """Every node's text, after the statements that it takes."""
        order = list(walk(self.roots))
        texts: dict[Node, tuple[str, int]] = {}
        for current in order:
            if current in self.inside:
                continue  # part of a polynomial, which is printed as one
            texts[current] = self._text(current, texts)
            is_named = current.args and (self.uses[current] > 1 or OPS[current.op].parts)
            if current in self.unfused:
                texts[current] = (f"{FUSED}({texts[current][0]})", _ATOM)
            if is_named and current not in self.named:
                texts[current] = (self._name(current, texts[current][0]), _ATOM)
        return texts

    def _shaped(self, root: Node, text: str) -> str:
        """The result in the input's shape, also where it does not depend on the input."""
        if self.input in variables(root):
            return text
        if root.op == "const" and root.value in (0, 1):
            return f"tf.{'ones' if root.value == 1 else 'zeros'}_like({self.input})"
        return f"{text} * tf.ones_like({self.input})"

    def _name(self, current: Node, text: str) -> str:
        op = OPS[current.op]
        taken = {OPS[n.op].part for n in walk(self.roots) if current in n.args} if op.parts else set()
        names = [self._fresh(noun) if i in taken else "_" for i, noun in enumerate(op.parts)]
        name = ", ".join(names or [self._fresh(op.noun)])
        self.lines.append(f"{name} = {text}")
        return name

    def _fresh(self, noun: str) -> str:
        name, count = noun, 1
        while name in self.taken:
            count += 1
            name = f"{noun}{count}"
        self.taken.add(name)
        return name

    def _text(self, current: Node, texts: dict[Node, tuple[str, int]]) -> tuple[str, int]:
        if current.op == "const":
            text = self._number(current)
            return text, 7 if text.startswith("-") else _ATOM
        if current.op == "var":
            return str(current.name), _ATOM
        if current.op in ("true", "false"):
            return f"tf.constant({current.op.capitalize()})", _ATOM
        if current in self.polynomials:
            variable, coefficients = self.polynomials[current]
            return self._polynomial(current, texts, variable, coefficients), _ATOM
        op = OPS[current.op]
        parts = [texts[arg] for arg in current.args]
        if op.part is not None:
            self.named[current] = parts[0][0].split(", ")[op.part]
            return self.named[current], _ATOM
        if current.op == "sub" and parts[1][0].startswith("-") and current.args[1].op == "const":
            op, parts[1] = OPS["add"], (parts[1][0][1:], _ATOM)  # x - -1 reads better as x + 1
        while True:
            text = op.tensorflow.format(*self._arguments(current, op, parts))
            longest = max(range(len(parts)), key=lambda i: len(parts[i][0]))
            arg = current.args[longest]
            if len(text) <= _WIDEST or not arg.args or arg in self.named:
                return text, op.precedence
            name = self._name(arg, parts[longest][0])
            self.named[arg] = name
            parts[longest] = (name, _ATOM)
            texts[arg] = parts[longest]

    def _polynomial(
        self,
        current: Node,
        texts: dict[Node, tuple[str, int]],
        variable: Node,
        coefficients: list[Node],
    ) -> str:
        """A call of the module's polynomial function, under a name of its own."""
        if variable.args and variable not in self.named and texts[variable][1] != _ATOM:
            texts[variable] = (self._name(variable, texts[variable][0]), _ATOM)
            self.named[variable] = texts[variable][0]
        arguments = [texts[variable][0], *(self._number(c) for c in coefficients)]
        name = self._fresh("series")
        self.lines.extend(wrapped_call(f"{name} = {POLYNOMIAL}(", arguments, 4))
        self.named[current] = name
        return name

    def _arguments(self, current: Node, op: Op, parts: list[tuple[str, int]]) -> list[str]:
        if current.op == "where" and current.args[1].op == "const" and not self.narrow:
            # tf.where takes the dtype of its first branch, and a Python number is float32.
            first = f"tf.constant({parts[1][0]}, {self._dtype(current)})"
            return [parts[0][0], first, parts[2][0]]
        if op.precedence == _ATOM:
            texts = [text for text, _ in parts]
            if len(texts) == 2 and current.args[0].op == "const" and not self.narrow:
                # As above; and maximum(x, 0) reads better than maximum(0, x) anyway.
                if op.name in _COMMUTATIVE:
                    return texts[::-1]
                texts[0] = f"tf.constant({texts[0]}, {self._dtype(current)})"
            return texts
        arguments = []
        for i, (text, precedence) in enumerate(parts):
            # The right operand keeps its parentheses at equal precedence: nothing is reassociated.
            fits = precedence > op.precedence or (i == 0 and precedence == op.precedence)
            arguments.append(text if fits else f"({text})")
        return arguments

    def _dtype(self, current: Node) -> str:
        return "tf.float64" if current in self.wide else f"{self.input}.dtype"

    def _number(self, current: Node) -> str:
        value = as_float(current.value)
        if self.narrow:
            with np.errstate(over="ignore"):  # beyond float32 it is infinite there
                value = float(str(np.float32(value)))
        if np.isinf(value) or np.isnan(value):
            return f'float("{value}")'
        return repr(value).replace("e+", "e")


def wrapped_call(head: str, arguments: list[str], indent: int) -> list[str]:
    """``head`` and ``arguments`` up to the closing parenthesis, in the lines that ruff would make."""
    joined = ", ".join(arguments)
    if indent + len(head) + len(joined) + 1 <= _LINE:
        return [f"{head}{joined})"]
    if indent + 4 + len(joined) <= _LINE:
        return [head, f"    {joined}", ")"]
    return [head, *(f"    {argument}," for argument in arguments), ")"]


def wrapped_return(values: Sequence[str], indent: int) -> list[str]:
    """``return`` of ``values``, to stand at ``indent``: one to a line where they do not fit into one.

    What is still too long is broken with the whole module.
    """
    joined = ", ".join(values)
    if len(values) == 1 or indent + len("return ") + len(joined) <= _LINE:
        return [f"return {joined}"]
    return ["return (", *(f"    {value}," for value in values), ")"]


def _polynomials(
    roots: Sequence[Node], uses: Counter[Node]
) -> tuple[dict[Node, tuple[Node, list[Node]]], set[Node]]:
    """Horner chains c0 + v·(c1 + v·(…)) by their outermost node, and the nodes inside them."""
    chains: dict[Node, tuple[Node, list[Node]]] = {}
    inner: dict[Node, set[Node]] = {}
    for current in walk(roots):  # arguments first, so a chain grows outwards
        link = _link(current)
        if link is None:
            continue
        coefficient, product, variable, rest = link
        if rest in chains and chains[rest][0] is variable and uses[rest] == uses[product] == 1:
            chains[current] = (variable, [coefficient, *chains[rest][1]])
            inner[current] = inner.pop(rest) | {product, rest}
            del chains[rest]
        elif rest.op == "const" and uses[product] == 1:
            chains[current] = (variable, [coefficient, rest])
            inner[current] = {product}
    long = {head: chain for head, chain in chains.items() if len(chain[1]) >= _SHORTEST_CHAIN}
    return long, set().union(*(inner[head] for head in long)) if long else set()


def _link(current: Node) -> tuple[Node, Node, Node, Node] | None:
    """c, v·r, v, r of c + v·r; and of v·r itself, with c = 0, inside a chain."""
    if current.op == "add" and current.args[0].op == "const" and current.args[1].op == "mul":
        product = current.args[1]
        return current.args[0], product, product.args[0], product.args[1]
    return None
