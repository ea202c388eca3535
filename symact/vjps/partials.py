"""Partials: the derivative of every op by each of its arguments, on Arb balls, for exact reverse mode.

Written down by hand, op by op, and shared with nothing that derives what symact emits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flint import arb

from symact.ops import OPS

Partial = Callable[..., Any]


def _sech(a: arb) -> arb:
    return 1 / a.cosh()


def _gaussian(a: arb) -> arb:
    return 2 * (-a * a).exp() / arb.pi().sqrt()


def _power(base: arb, exponent: arb) -> arb:
    function = OPS["pow"].arb
    assert function is not None
    return arb(function(base, exponent))


def _larger(a: arb, b: arb) -> arb:
    """1 where ``a`` is the larger one; at a tie, which is a kink, one half."""
    return ((a - b).sgn() + 1) / 2


# By op: for each argument, a function of all arguments and the result, in this order.
PARTIALS: dict[str, tuple[Partial, ...]] = {
    "add": (lambda a, b, y: arb(1), lambda a, b, y: arb(1)),
    "sub": (lambda a, b, y: arb(1), lambda a, b, y: arb(-1)),
    "mul": (lambda a, b, y: b, lambda a, b, y: a),
    "div": (lambda a, b, y: 1 / b, lambda a, b, y: -y / b),
    "neg": (lambda a, y: arb(-1),),
    "abs": (lambda a, y: a.sgn(),),
    "sign": (lambda a, y: arb(0),),
    "max": (lambda a, b, y: _larger(a, b), lambda a, b, y: _larger(b, a)),
    "min": (lambda a, b, y: _larger(b, a), lambda a, b, y: _larger(a, b)),
    "floor": (lambda a, y: arb(0),),
    "ceil": (lambda a, y: arb(0),),
    "square": (lambda a, y: 2 * a,),
    "sqrt": (lambda a, y: 1 / (2 * y),),
    "pow": (lambda a, b, y: b * _power(a, b - 1), lambda a, b, y: y * a.log()),
    "exp": (lambda a, y: y,),
    "expm1": (lambda a, y: a.exp(),),
    "log": (lambda a, y: 1 / a,),
    "log1p": (lambda a, y: 1 / (1 + a),),
    "sinh": (lambda a, y: a.cosh(),),
    "cosh": (lambda a, y: a.sinh(),),
    "tanh": (lambda a, y: _sech(a) ** 2,),
    "asinh": (lambda a, y: 1 / (1 + a * a).sqrt(),),
    "acosh": (lambda a, y: 1 / (a * a - 1).sqrt(),),
    "atanh": (lambda a, y: 1 / (1 - a * a),),
    "sin": (lambda a, y: a.cos(),),
    "cos": (lambda a, y: -a.sin(),),
    "tan": (lambda a, y: 1 + y * y,),
    "asin": (lambda a, y: 1 / (1 - a * a).sqrt(),),
    "acos": (lambda a, y: -1 / (1 - a * a).sqrt(),),
    "atan": (lambda a, y: 1 / (1 + a * a),),
    "erf": (lambda a, y: _gaussian(a),),
    "erfc": (lambda a, y: -_gaussian(a),),
}


def _holds_integer(value: arb) -> bool:
    nearest = (value + arb(0.5)).floor()
    return not nearest.is_exact() or bool((value - nearest).contains(0))


# Where an op has a kink or a jump: a function of its arguments that holds there, or may.
KINKED: dict[str, Callable[..., bool]] = {
    "abs": lambda a: bool(a.contains(0)),
    "sign": lambda a: bool(a.contains(0)),
    "floor": _holds_integer,
    "ceil": _holds_integer,
    **dict.fromkeys(
        ("max", "min", "lt", "le", "gt", "ge", "eq", "ne"), lambda a, b: bool((a - b).contains(0))
    ),
}


def _decided(kinked: Callable[..., bool], slope: float, partial: Partial) -> Partial:
    """``partial``, but ``slope`` at a kink."""
    return lambda *args: arb(slope) if kinked(*args[:-1]) else partial(*args)


# The partials of kinked ops with a choice made at the kink: a function of the choice, from 0 to 1, the
# partial otherwise, and the argument's place.
TIED: dict[str, Callable[[float, Partial, int], Partial]] = {
    "abs": lambda tie, partial, place: _decided(KINKED["abs"], 2 * tie - 1, partial),
    "max": lambda tie, partial, place: _decided(KINKED["max"], abs(place - tie), partial),
    "min": lambda tie, partial, place: _decided(KINKED["min"], abs(place - tie), partial),
}
