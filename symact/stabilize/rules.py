"""Rules: the identities that are applied on sight, everywhere they match, by a small matcher."""

from __future__ import annotations

from symact.graph import Node, const, exact, node, steps
from symact.stabilize.identities import ON_SIGHT, Identity


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


def rewrite(root: Node, rules: tuple[Identity, ...] = ON_SIGHT) -> tuple[Node, frozenset[str]]:
    """``root`` with every match rewritten, innermost first, and the names of the rules that fired."""
    done: dict[Node, Node] = {}
    fired: set[str] = set()
    for current in steps(root):
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
