"""Fit: emitted lines that are too long, broken where ruff's formatter breaks them.

Names that the user chose may be long, so any line may be: a definition, a call, a product of one.
"""

from __future__ import annotations

from collections.abc import Iterator

_WIDTH = 88
_OPENING, _CLOSING = "([{", ")]}"
_QUOTES = '"""'
_TIMES = " * "


def fitted(source: str) -> str:
    """``source`` with its long lines broken; docstrings and comments stay as they are."""
    lines: list[str] = []
    in_docstring = False
    for line in source.split("\n"):
        quoted = line.count(_QUOTES)
        if in_docstring or quoted or line.lstrip().startswith(("#", '"')):
            lines.append(line)
        else:
            lines += _broken(line)
        in_docstring ^= quoted % 2 == 1
    return "\n".join(lines)


def _broken(line: str) -> list[str]:
    """The lines that stand for a statement, or for an argument on a line of its own."""
    indent = line[: len(line) - len(line.lstrip())]
    body = line[len(indent) :]
    if len(line) <= _WIDTH:
        return [line]
    groups = list(_groups(body))
    if body.endswith(",") and (at := _product(body, groups)):
        return [f"{indent}{body[:at]}", *_broken(f"{indent}{body[at + 1 :]}")]
    if not groups:
        targets, _, value = body.partition(" = ")
        names = targets.split(", ")
        if value and len(names) > 1 and all(map(str.isidentifier, names)):
            return [f"{indent}(", *(f"{indent}    {name}," for name in names), f"{indent}) = {value}"]
        return [line]
    first, last = groups[-1]
    if len(groups) > 1 and body[first + 1 : last].isidentifier() and groups[-2][1] == first - 1:
        first, last = groups[-2]  # of f(…)(x) the longer call is broken
    inside = body[first + 1 : last]
    inner = f"{indent}    "
    head, tail = f"{indent}{body[: first + 1]}", f"{indent}{body[last:]}"
    if not inside:
        return [line]
    if len(inner) + len(inside) <= _WIDTH:
        return [head, f"{inner}{inside}", tail]
    parts = [part for argument in _arguments(inside) for part in _broken(f"{inner}{argument},")]
    return [head, *parts, tail]


def _groups(body: str) -> Iterator[tuple[int, int]]:
    """Where the outermost brackets open and close."""
    depth, start, quote = 0, 0, ""
    for at, character in enumerate(body):
        if quote or character == '"':
            quote = "" if character == quote else quote or character
        elif character in _OPENING:
            start = at if depth == 0 else start
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if depth == 0:
                yield start, at


def _product(body: str, groups: list[tuple[int, int]]) -> int:
    """Where the first product outside of brackets stands; 0 without one."""
    at = body.find(_TIMES)
    while at > 0 and any(start < at < end for start, end in groups):
        at = body.find(_TIMES, at + 1)
    return max(at, 0)


def _arguments(inside: str) -> list[str]:
    groups = list(_groups(inside))
    cuts = [
        at
        for at, character in enumerate(inside)
        if character == "," and not any(start < at < end for start, end in groups)
    ]
    starts = [0, *(cut + 2 for cut in cuts)]
    return [inside[start:end] for start, end in zip(starts, [*cuts, len(inside)], strict=True)]
