"""Slips: what people write by mistake, and how they are told to mend it."""

from __future__ import annotations

import ast
import difflib
import re

# What people write that is no Python, and how it is said.
_HINTS = (
    (re.compile(r"\|"), "the size of x is Abs(x)"),
    (re.compile(r"(?<![A-Za-z_\d])\d+\.?\d*\s*[A-Za-z(]"), "a product needs its sign, as in 2*x"),
    (re.compile(r"!"), "a factorial is not compiled"),
)


def nearest(name: str, known: frozenset[str] | set[str]) -> str:
    """A suggestion for an unknown ``name``, to follow a message; empty where none is near."""
    lowered = {word.lower(): word for word in sorted(known)}
    # Letters in another order are the commonest slip, and count less with difflib than a missing one.
    mixed = [word for word in lowered if sorted(word) == sorted(name.lower())]
    close = mixed or difflib.get_close_matches(name.lower(), list(lowered), 1, 0.6)
    return f"; did you mean {lowered[close[0]]!r}?" if close and len(name) > 1 else ""


def hint(text: str) -> str:
    """What to write instead, to follow a message on ``text``, which is no Python; empty where unknown."""
    return next((f"; {mended}" for form, mended in _HINTS if form.search(text)), "")


def described(node: ast.AST) -> str:
    """What a refused piece of Python is called."""
    if isinstance(node, ast.Constant):
        return f"a {type(node.value).__name__} literal"
    if isinstance(node, ast.BinOp):
        return {ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@"}.get(type(node.op), "a bitwise operation")
    return {
        ast.Attribute: "an attribute (a dot)",
        ast.Lambda: "a lambda",
        ast.IfExp: "if/else (use Piecewise)",
        ast.Tuple: "a tuple",
        ast.ListComp: "a comprehension",
    }.get(type(node), f"{type(node).__name__} syntax")
