"""Rules: identities between graphs, as data, and a small matcher that applies them everywhere.

A rule holds on the whole real line unless it says where; the tests walk the table and check each
against Arb. Letters in patterns are variables.
"""

from __future__ import annotations

from dataclasses import dataclass

from symact.graph import Node, const, exact, node, var, walk


@dataclass(frozen=True)
class Rule:
    """An identity ``left == right``, true wherever both sides have a value, and why it helps."""

    name: str
    left: Node
    right: Node
    why: str


_u, _v = var("u"), var("v")
_e = node("exp", _u)

RULES = (
    Rule("log1p", node("log", 1 + _u), node("log1p", _u), "1 + u loses a small u"),
    Rule("log1p-right", node("log", _u + 1), node("log1p", _u), "u + 1 loses a small u"),
    Rule("log1p-minus", node("log", 1 - _u), node("log1p", -_u), "1 - u loses a small u"),
    Rule("expm1", _e - 1, node("expm1", _u), "exp(u) - 1 cancels near 0"),
    Rule("expm1-minus", 1 - _e, -node("expm1", _u), "1 - exp(u) cancels near 0"),
    Rule("erfc", 1 - node("erf", _u), node("erfc", _u), "1 - erf(u) cancels for large u"),
    Rule("erfc-minus", 1 + node("erf", _u), node("erfc", -_u), "1 + erf(u) cancels for small u"),
    Rule("erfc-back", 1 - node("erfc", _u), node("erf", _u), "1 - erfc(u) cancels near 0"),
    Rule(
        "difference-of-squares",
        node("square", _u) - node("square", _v),
        (_u - _v) * (_u + _v),
        "the squares are rounded before they cancel",
    ),
)


def match(pattern: Node, target: Node, bound: dict[str, Node]) -> bool:
    """Whether ``target`` is ``pattern`` with its variables exchanged; they are added to ``bound``."""
    if pattern.op == "var":
        return bound.setdefault(str(pattern.name), target) is target
    if pattern.op != target.op or pattern.value != target.value:
        return False
    return all(map(lambda p, t: match(p, t, bound), pattern.args, target.args))


def fill(template: Node, bound: dict[str, Node]) -> Node:
    """``template`` with its variables exchanged for what they are bound to."""
    if template.op == "var":
        return bound[str(template.name)]
    return node(template.op, *(fill(arg, bound) for arg in template.args)) if template.args else template


def rewrite(root: Node, rules: tuple[Rule, ...] = RULES) -> tuple[Node, frozenset[str]]:
    """``root`` with every match rewritten, innermost first, and the names of the rules that fired."""
    done: dict[Node, Node] = {}
    fired: set[str] = set()
    for current in walk([root]):
        result = node(current.op, *(done[a] for a in current.args)) if current.args else current
        for rule in rules:
            bound: dict[str, Node] = {}
            if match(rule.left, result, bound):
                result = fill(rule.right, bound)
                fired.add(rule.name)
                break
        done[current] = _tidy(result)
    return done[root], frozenset(fired)


def _tidy(current: Node) -> Node:
    """Double negations and constants' signs cleared, which rules leave behind."""
    if current.op == "neg":
        (inner,) = current.args
        if inner.op == "neg":
            return inner.args[0]
        if inner.op == "const":
            return const(-exact(inner))
        if inner.op in ("mul", "div") and inner.args[0].op == "neg":
            return node(inner.op, inner.args[0].args[0], inner.args[1])
        if inner.op in ("mul", "div") and inner.args[0].op == "const":
            return node(inner.op, const(-exact(inner.args[0])), inner.args[1])
    if current.op == "sub" and current.args[1].op == "neg":
        return current.args[0] + current.args[1].args[0]
    if current.op == "add" and current.args[1].op == "neg":
        return current.args[0] - current.args[1].args[0]
    return current
