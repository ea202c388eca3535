"""Exact: value and Jacobian of a formula as written, by reverse mode on Arb balls.

The stages are the user's own, as parsed: no rewriting and no symbolic derivative lies between them and
the numbers. What an emitted function computes is derived another way, so that the two check each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from flint import arb, ctx

from symact.convert import to_graph
from symact.formula import Formula
from symact.graph import Node, exact, walk
from symact.numbers import as_ball
from symact.ops import OPS
from symact.reductions import LENGTH
from symact.stabilize.truth import LOGIC
from symact.vjps.partials import KINKED, PARTIALS, TIED

Balls = list[Any]  # of arb, or of bool and None for conditions; one for each element, or one for all


@contextmanager
def working(precision: int) -> Iterator[None]:
    """Arb's precision in bits, which is one setting for the whole process, set for a while."""
    before, ctx.prec = ctx.prec, precision
    try:
        yield
    finally:
        ctx.prec = before


@dataclass(frozen=True)
class Jacobian:
    """The value at one point, element by element, and the derivative of each element.

    Attributes:
        value: a ball for each element of the result.
        rows: for each element of the result: variable → balls, the derivative by its elements.
        smooth: False at a kink, and where a ball is so wide that there may be one.
    """

    value: Balls
    rows: list[dict[str, Balls]]
    smooth: bool

    def balls(self) -> Iterable[arb]:
        """All of them."""
        yield from self.value
        for row in self.rows:
            for balls in row.values():
                yield from balls

    def is_finite(self) -> bool:
        return all(ball.is_finite() for ball in self.balls())


@dataclass
class _Point:
    """One evaluation: the balls by name, whether it is smooth, and what each stage's steps came to."""

    tie: float | None
    names: dict[str, Balls]
    smooth: bool = True
    steps: list[list[Balls]] = field(default_factory=list)


class Exact:
    """Exact values and Jacobians of one formula, at any precision.

    Args:
        formula: over an axis or elementwise; parameters that are not trainable are at their defaults.
    """

    def __init__(self, formula: Formula) -> None:
        self.variables = formula.variables
        self._defaults = formula.defaults
        bodies = [(r.name, r.kind, r.body) for r in formula.reductions]
        moving = set(formula.variables)
        self._stages = [_Stage(*body, moving) for body in [*bodies, ("", "", formula.expression)]]
        self.has_kinks = any(stage.has_kinks for stage in self._stages)

    def at(
        self, inputs: Mapping[str, Balls], length: int, size: int, precision: int, tie: float | None = None
    ) -> Jacobian:
        """Value and Jacobian, computed with ``precision`` bits.

        Args:
            inputs: for each variable, a ball for each element, or one for all.
            length: of the axis.
            size: how many elements the result has.
            precision: in bits.
            tie: what the first one of equals counts where two or more are the larger one, and a number
                that is 0 counts positive: from 0 to 1; between, the share of all.
        """
        with working(precision):
            point = _Point(tie, {LENGTH: [arb(length)], **{n: [arb(v)] for n, v in self._defaults.items()}})
            point.names.update(inputs)
            for stage in self._stages:
                stage.forward(point, length)
            value = _spread(point.names[""], size)
            rows = [self._row(point, k, size) for k in range(size)] if self.variables else []
            return Jacobian(value, rows, point.smooth)

    def _row(self, point: _Point, k: int, size: int) -> dict[str, Balls]:
        seed = [arb(1 if i == k else 0) for i in range(size)]
        adjoints: dict[str, Balls] = {"": _gathered(seed, len(point.names[""]))}
        for stage, steps in zip(reversed(self._stages), reversed(point.steps), strict=True):
            stage.backward(point, steps, adjoints)
        return {name: adjoints.get(name, [arb(0)] * len(point.names[name])) for name in self.variables}


class _Stage:
    """One expression of the formula, and the reduction that it is the body of, if any."""

    def __init__(self, target: str, kind: str, expression: sp.Expr, moving: set[str]) -> None:
        self.target, self.kind = target, kind
        self._steps: list[Node] = list(walk([to_graph(expression)]))
        place = {step: i for i, step in enumerate(self._steps)}
        self._arguments = [[place[arg] for arg in step.args] for step in self._steps]
        self._moves: list[bool] = []
        for step, arguments in zip(self._steps, self._arguments, strict=True):
            self._moves.append(step.name in moving or any(self._moves[i] for i in arguments))
        if self._moves[-1]:
            moving.add(target)
        self.has_kinks = kind in ("max", "min") or any(
            step.op in KINKED and any(self._moves[i] for i in arguments)
            for step, arguments in zip(self._steps, self._arguments, strict=True)
        )

    def forward(self, point: _Point, length: int) -> None:
        values: list[Balls] = []
        for i, step in enumerate(self._steps):
            arguments = [values[j] for j in self._arguments[i]]
            if step.args:
                function = LOGIC.get(step.op) or OPS[step.op].arb
                assert function is not None
                values.append(_each(function, arguments))
                if point.smooth and step.op in KINKED and self._moves[i]:
                    point.smooth = not any(_each(KINKED[step.op], arguments))
            elif step.op == "var":
                values.append(point.names[str(step.name)])
            else:
                values.append([as_ball(exact(step)) if step.op == "const" else step.op == "true"])
        point.steps.append(values)
        found = values[-1]
        if self.kind:
            found, unique = _REDUCTIONS[self.kind](_spread(found, length))
            point.smooth = point.smooth and (unique or not self._moves[-1])
        point.names[self.target] = found

    def backward(self, point: _Point, values: list[Balls], adjoints: dict[str, Balls]) -> None:
        """Pass the adjoint of the target on to what the expression is made of."""
        adjoint = adjoints.get(self.target)
        if adjoint is None or not self._moves[-1]:
            return
        mine: list[Balls | None] = [None] * len(values)
        mine[-1] = self._of_body(values[-1], adjoint, point) if self.kind else adjoint
        for i in range(len(values) - 1, -1, -1):
            step, current = self._steps[i], mine[i]
            if current is None or not self._moves[i]:
                continue
            if step.op == "var":
                _accumulate(adjoints, str(step.name), current)
                continue
            arguments = [values[j] for j in self._arguments[i]]
            for place, j in enumerate(self._arguments[i]):
                if not self._moves[j] or (step.op == "where" and place == 0):
                    continue
                passed = _passed(step.op, place, arguments, values[i], current, point.tie)
                gathered = _gathered(passed, len(values[j]))
                known = mine[j]
                mine[j] = gathered if known is None else [a + b for a, b in zip(known, gathered, strict=True)]

    def _of_body(self, body: Balls, adjoint: Balls, point: _Point) -> Balls:
        """The adjoint of a reduction's elements."""
        length = int(point.names[LENGTH][0].unique_fmpz())
        if self.kind in ("sum", "mean"):
            share = adjoint[0] if self.kind == "sum" else adjoint[0] / length
            return _gathered([share] * length, len(body))
        reached = point.names[self.target][0]
        places = [k for k, element in enumerate(_spread(body, length)) if element.overlaps(reached)]
        if point.tie is None or point.tie == 0.0:
            places = places[:1]
        elif point.tie == 1.0:
            places = places[-1:]
        spread = [adjoint[0] / len(places) if k in places else arb(0) for k in range(length)]
        return _gathered(spread, len(body))


def _passed(
    op: str, place: int, arguments: list[Balls], result: Balls, adjoint: Balls, tie: float | None
) -> Balls:
    """What one argument of an op gets of its adjoint; where that is 0, 0 even beside an infinity."""
    if op == "where":
        chosen = place == 1
        return _each(
            lambda c, a: a if c is chosen else arb(0) if c is not None else arb.nan(), [arguments[0], adjoint]
        )
    partial = PARTIALS[op][place]
    if tie is not None and op in TIED:
        partial = TIED[op](tie, partial, place)
    return _each(
        lambda *args: args[-1] if args[-1].is_zero() else args[-1] * partial(*args[:-1]),
        [*arguments, result, adjoint],
    )


def _each(function: Callable[..., Any], arguments: list[Balls]) -> Balls:
    """``function`` element by element; one element stands for all."""
    length = max(map(len, arguments))
    return [function(*parts) for parts in zip(*(_spread(a, length) for a in arguments), strict=True)]


def _spread(balls: Balls, length: int) -> Balls:
    return balls if len(balls) == length else balls * length


def _gathered(balls: Balls, length: int) -> Balls:
    """``balls`` as the adjoint of ``length`` elements: of one that stood for all, their sum."""
    if len(balls) == length:
        return balls
    if len(balls) == 1:
        return balls * length
    return [sum(balls[1:], balls[0])]


def _accumulate(adjoints: dict[str, Balls], name: str, more: Balls) -> None:
    known = adjoints.get(name)
    adjoints[name] = more if known is None else [a + b for a, b in zip(known, more, strict=True)]


def _total(balls: Balls) -> tuple[Balls, bool]:
    return [sum(balls[1:], balls[0])], True


def _extremum(sign: int) -> Callable[[Balls], tuple[Balls, bool]]:
    def find(balls: Balls) -> tuple[Balls, bool]:
        largest = sign * balls[0]
        for ball in balls[1:]:
            largest = largest.max(sign * ball)
        reached = sum(1 for ball in balls if (sign * ball).overlaps(largest))
        return [sign * largest], reached <= 1

    return find


# The reduced value, and whether one element alone decides it.
_REDUCTIONS: dict[str, Callable[[Balls], tuple[Balls, bool]]] = {
    "sum": _total,
    "mean": lambda balls: ([_total(balls)[0][0] / len(balls)], True),
    "max": _extremum(1),
    "min": _extremum(-1),
}
