"""The compiler: the pipeline from a formula to an Activation, stage by stage."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp

from symact.axis import AT_ZERO, TIES, schedule_axis
from symact.derive import derive
from symact.emit import emit, emit_axis
from symact.errors import AccuracyWarning, OptionError
from symact.formula import Formula
from symact.pairs import stabilize_pair
from symact.parse import parse
from symact.program import Family, Program, lower
from symact.progress import Update, on_terminal, silent
from symact.schedule import RESIDUALS, AxisSchedule, Schedule, schedule
from symact.stabilize import PREFERENCES, StableFamily, stabilize_family

if TYPE_CHECKING:
    from symact.activation import Activation


@dataclass(frozen=True)
class Compilation:
    """What each stage of the pipeline made of a formula, up to the emitted source."""

    formula: Formula
    program: Program
    family: Family
    stable: StableFamily
    schedule: Schedule | AxisSchedule
    source: str
    prefer: str = "balanced"
    ties: str = "share"
    at_zero: str = "zero"


def compile(
    formula: sp.Expr | str,
    *,
    name: str | None = None,
    inputs: Sequence[str] = ("x",),
    params: Mapping[str, float] | None = None,
    trainable: Sequence[str] = (),
    domain: tuple[object, object] | None = None,
    axis: int = -1,
    order: int = 2,
    residual: str = "auto",
    jit_compile: bool | str = "auto",
    prefer: str = "balanced",
    ties: str = "share",
    at_zero: str = "zero",
) -> Activation:
    """Compile a formula to a Keras activation with exact, numerically stable derivatives.

    Args:
        formula: a SymPy expression, or text in SymPy's spelling (never evaluated as Python).
        name: name of the function, and in CamelCase of its Layer; default "activation".
        inputs: names of the symbols that stand for input tensors.
        params: default value of every other symbol.
        trainable: names of the parameters that become weights of the Layer.
        domain: open interval ``(lo, hi)`` in which the input lies; default the whole line.
        axis: the axis that reductions run over.
        order: how many times the function can be differentiated by its own formulas, at least 1.
        residual: what backward keeps from forward: "auto", "input" or "derivative".
        jit_compile: whether the emitted function fuses itself with XLA; "auto" decides by its cost.
        prefer: "balanced" for the cheapest form within 4 ULP, or the most accurate one where none is;
            "fast" for the cheapest one within 64 ULP, "accurate" for the most accurate one.
        ties: who gets the gradient of ``ReduceMax`` and ``ReduceMin`` where several elements reach it:
            all of them an equal part ("share"), or the first ("first").
        at_zero: what 1/r is for a sum or norm r over the axis that is 0: "zero", so that x/norm and
            the gradient of a norm are 0 at the zero vector, or "one", so that x/norm is 0 there and
            its gradient the upstream.

    Returns:
        The activation: callable on tensors of any floating dtype and shape. The result has the same
        shape, or lacks ``axis`` where the formula has no free index.

    Raises:
        FormulaError: the formula is refused; the message says what, where and how to mend it.
        OptionError: an option has a value that is refused.
    """
    from symact.activation import load  # imports TensorFlow, which nothing before needs

    with on_terminal("compiling") as update:
        compilation = translate(
            formula,
            name=name,
            inputs=inputs,
            params=params,
            trainable=trainable,
            domain=domain,
            axis=axis,
            order=order,
            residual=residual,
            jit_compile=jit_compile,
            prefer=prefer,
            ties=ties,
            at_zero=at_zero,
            update=update,
        )
    for line in shortfalls(compilation):
        warnings.warn(line, AccuracyWarning, stacklevel=2)
    return load(compilation)


def shortfalls(compilation: Compilation) -> tuple[str, ...]:
    """A line for every format of value and derivative that is not accurate everywhere."""
    chosen = compilation.stable.at_defaults or compilation.stable.general
    return tuple(
        f"{compilation.formula.name}: no accurate form of the {'derivative' if wrt else 'value'} in {name}"
        f" was found between {stable.weak[0][0]:.6g} and {stable.weak[0][1]:.6g}"
        f" (up to {stable.weak[0][2]:.2g} ULP there)"
        for wrt, by_format in chosen.items()
        if len(wrt) < 2
        for name, stable in by_format.items()
        if stable.weak
    )


def translate(
    formula: sp.Expr | str,
    *,
    name: str | None = None,
    inputs: Sequence[str] = ("x",),
    params: Mapping[str, float] | None = None,
    trainable: Sequence[str] = (),
    domain: tuple[object, object] | None = None,
    axis: int = -1,
    order: int = 2,
    residual: str = "auto",
    jit_compile: bool | str = "auto",
    prefer: str = "balanced",
    ties: str = "share",
    at_zero: str = "zero",
    workers: int = 1,
    update: Update = silent,
) -> Compilation:
    """The pipeline up to the emitted source, without TensorFlow; arguments as for ``compile``.

    Besides, ``workers``: how many processes may share the search (see ``stabilize_family``),
    and ``update``: told how far it is.
    """
    _check_options(order, residual, jit_compile, prefer)
    _check_conventions(ties, at_zero)
    parsed = parse(
        formula,
        name=name,
        inputs=inputs,
        params=params,
        trainable=trainable,
        domain=domain,
        axis=axis,
    )
    program = lower(parsed)
    if parsed.is_vector:
        over_axis = schedule_axis(
            program, order=order, ties=ties, at_zero=at_zero, jit_compile=jit_compile, prefer=prefer
        )
        empty = Family({(): program}, order), StableFamily({}, {})
        source = emit_axis(over_axis)
        return Compilation(parsed, program, *empty, over_axis, source, prefer, ties, at_zero)
    family = derive(program, order)
    if len(parsed.inputs) > 1:
        stable = stabilize_pair(family, prefer=prefer)
    else:
        stable = stabilize_family(family, prefer=prefer, workers=workers, update=update)
    plan = schedule(family, stable, residual=residual, jit_compile=jit_compile)
    return Compilation(parsed, program, family, stable, plan, emit(plan), prefer, ties, at_zero)


def _check_options(order: int, residual: str, jit_compile: bool | str, prefer: str) -> None:
    if not isinstance(order, int) or isinstance(order, bool) or not 1 <= order <= 4:
        raise OptionError(f"order must be a whole number from 1 to 4, not {order!r}")
    if residual not in RESIDUALS:
        raise OptionError(f"residual must be one of {', '.join(RESIDUALS)}, not {residual!r}")
    if residual == "derivative" and order > 1:
        raise OptionError(
            "residual='derivative' keeps the finished derivative, which cannot be differentiated "
            "again; pass order=1 with it"
        )
    if jit_compile not in (True, False, "auto"):
        raise OptionError(f"jit_compile must be True, False or 'auto', not {jit_compile!r}")
    if prefer not in PREFERENCES:
        raise OptionError(f"prefer must be one of {', '.join(PREFERENCES)}, not {prefer!r}")


def _check_conventions(ties: str, at_zero: str) -> None:
    for option, value, known in (("ties", ties, TIES), ("at_zero", at_zero, AT_ZERO)):
        if value not in known:
            raise OptionError(f"{option} must be one of {', '.join(known)}, not {value!r}")
