"""Schedule: forward and backward planned together, what emit prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from symact.derive import kinks
from symact.expressions import spelled
from symact.formula import Formula
from symact.graph import Node, rebuild
from symact.memory import stored
from symact.numbers import as_float
from symact.program import Family, Wrt
from symact.stabilize import Stable, StableFamily
from symact.stabilize.simulate import cost
from symact.stabilize.truth import Truth

# What backward keeps from forward: "input" recomputes from x, "derivative" keeps the derivative.
RESIDUALS = ("auto", "input", "derivative")


@dataclass(frozen=True)
class Kernel:
    """One elementwise function of the emitted module.

    Attributes:
        wrt: what it is the derivative by; () for the value.
        float32: its graph where it computes in float32 (float16 and bfloat16 too).
        float64: its graph where it computes in float64; the same node where nothing differs.
        widened: whether float32 is computed in float64 and rounded at the end, for no form of it in
            float32 is accurate.
        notes: lines for the module's docstring: regimes and measured error.
    """

    wrt: Wrt
    float32: Node
    float64: Node
    widened: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Everything that the printer needs.

    Attributes:
        formula: the formula, for names, parameters and the docstring.
        derivatives: text of the exact derivative by each variable, for the docstring.
        kernels: by what they are the derivative by; ``()`` and each up to ``order``.
        order: how many times the function can be differentiated by its own formulas.
        at_defaults: the kernels for parameters at their defaults, where the search could do better
            than for all values of them; empty otherwise.
        residual: what backward keeps: "input" or "derivative".
        jit_compile: whether the kernels carry ``tf.function(jit_compile=True)``.
        conventions: lines for the docstring: kinks and the subgradients taken there.
    """

    formula: Formula
    derivatives: Mapping[str, str]
    kernels: Mapping[Wrt, Kernel]
    at_defaults: Mapping[Wrt, Kernel]
    order: int
    residual: str
    jit_compile: bool
    conventions: tuple[str, ...] = ()


@dataclass(frozen=True)
class AxisSchedule:
    """What the printer needs for a formula over an axis.

    Attributes:
        formula: the formula.
        order: how many times the function can be differentiated by its own formulas.
        graphs: by format, the results of the value, of its VJP, and of that one's VJP.
        kept: by format, the value's intermediate results that the VJP is given.
        widened: whether float32 is computed in float64 in part.
        jit_compile: whether the functions carry ``tf.function(jit_compile=True)``.
        stages: lines for the docstring: the stages of the value and of its VJP.
        conventions: lines for the docstring.
    """

    formula: Formula
    order: int
    graphs: Mapping[str, Sequence[Sequence[Node]]]
    kept: Mapping[str, Sequence[Node]]
    widened: bool
    jit_compile: bool
    stages: tuple[str, ...]
    conventions: tuple[str, ...]


# Fused, a formula of several steps is one pass over memory; below this cost there is nothing to fuse.
_WORTH_FUSING = 5.0


def schedule(
    family: Family,
    stable: StableFamily,
    *,
    residual: str = "auto",
    jit_compile: bool | str = "auto",
) -> Schedule:
    """Plan the emitted functions: one kernel per derivative, what backward keeps, and fusion."""
    kernels = {wrt: _kernel(wrt, by_format) for wrt, by_format in stable.general.items()}
    at_defaults = {wrt: _kernel(wrt, by_format) for wrt, by_format in stable.at_defaults.items()}
    work = sum(cost(kernels[wrt].float32) for wrt in kernels if len(wrt) <= 1)
    formula = family.formula
    # Sums over the batch, for the gradients of parameters, are many steps.
    compiled = bool(formula.trainable) or work > _WORTH_FUSING
    if jit_compile != "auto":
        compiled = bool(jit_compile)
    if compiled:
        kernels, at_defaults = _stored(kernels, formula), _stored(at_defaults, formula)
    return Schedule(
        formula=family.formula,
        derivatives={
            name: spelled(formula.in_users_symbols(family.programs[(name,)].expression))
            for name in formula.variables
        },
        kernels=kernels,
        at_defaults=at_defaults,
        order=family.order,
        residual="input" if residual == "auto" else residual,
        jit_compile=compiled,
        conventions=_conventions(family),
    )


def _kernel(wrt: Wrt, by_format: Mapping[str, Stable]) -> Kernel:
    notes = [
        f"{name}{stable.where}: worst error {stable.after.worst:.2g} ULP by simulation"
        f" ({stable.before.worst:.2g} as written), {len(stable.regimes)} regime"
        + ("s" if len(stable.regimes) > 1 else "")
        for name, stable in by_format.items()
    ]
    notes += [
        f"{name}: no accurate form between {low:.6g} and {high:.6g}, up to {worst:.2g} ULP there"
        for name, stable in by_format.items()
        for low, high, worst in stable.weak
    ]
    narrow, wide = by_format["float32"], by_format["float64"]
    return Kernel(wrt, narrow.graph, wide.graph, narrow.in_float64, tuple(notes))


def _stored(kernels: Mapping[Wrt, Kernel], formula: Formula) -> dict[Wrt, Kernel]:
    """``kernels`` with what XLA is to write to memory, where forward and backward are compiled as one."""
    found = dict(kernels)
    for widened in (False, True):
        together = {w: k for w, k in kernels.items() if len(w) <= 1 and k.widened == widened}
        narrow = stored([k.float32 for k in together.values()], formula.inputs)
        wide = stored([k.float64 for k in together.values()], formula.inputs)
        for wrt, kernel in together.items():
            graphs = rebuild(kernel.float32, narrow), rebuild(kernel.float64, wide)
            found[wrt] = replace(kernel, float32=graphs[0], float64=graphs[1])
    return found


def _conventions(family: Family) -> tuple[str, ...]:
    """What is returned at each kink, a line each."""
    formula = family.formula
    name = formula.inputs[0]
    lines = []
    truth = None
    for kink in kinks(family.programs[()]):
        if kink.free_symbols or len(formula.inputs) > 1:
            lines.append(f"kink at {name} = {kink}: the derivative of the branch that holds there")
            continue
        at = as_float(kink)
        truth = truth or Truth(family.programs[(name,)].expression, name, frozenset([at]))
        sides = [truth.side(at, side, formula.defaults) for side in (-1, 1)]
        if abs(sides[0] - sides[1]) > 1e-12 * (1 + abs(sides[0])):
            here = float(truth.at(np.float64(at), **formula.defaults)[0])
            lines.append(
                f"kink at {name} = {kink}: the derivative jumps from {sides[0]:.6g} to"
                f" {sides[1]:.6g}; {here:.6g} is taken there"
            )
    return tuple(lines)
