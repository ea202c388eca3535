"""Schedule: forward and backward planned together, what emit prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symact.formula import Formula
from symact.graph import Node
from symact.program import Wrt

# What backward keeps from forward: "input" recomputes from x; "derivative" keeps the finished derivative.
RESIDUALS = ("auto", "input", "derivative")


@dataclass(frozen=True)
class Kernel:
    """One elementwise function of the emitted module.

    Attributes:
        wrt: what it is the derivative by; () for the value.
        float32: its graph where it computes in float32 (float16 and bfloat16 too).
        float64: its graph where it computes in float64; the same node where nothing differs.
        notes: lines for the module's docstring: regimes and measured error.
    """

    wrt: Wrt
    float32: Node
    float64: Node
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Everything that the printer needs.

    Attributes:
        formula: the formula, for names, parameters and the docstring.
        derivative: text of the exact derivative, for the docstring.
        kernels: by what they are the derivative by; ``()`` and each up to ``order``.
        order: how many times the function can be differentiated by its own formulas.
        residual: what backward keeps: "input" or "derivative".
        jit_compile: whether the kernels carry ``tf.function(jit_compile=True)``.
        conventions: lines for the docstring: kinks and the subgradients taken there.
    """

    formula: Formula
    derivative: str
    kernels: Mapping[Wrt, Kernel]
    order: int
    residual: str
    jit_compile: bool
    conventions: tuple[str, ...] = ()
