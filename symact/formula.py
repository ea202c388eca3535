"""Formula: a validated activation, the output of parsing and the input of everything else."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from symact.expressions import substituted
from symact.reductions import Reduction

# What a Layer keeps of a weight besides the weight, each an argument and an attribute named
# ``<weight>_<part>``: parts that Keras knows how to serialize, and the default.
WEIGHT_ROLES = ("initializer", "regularizer", "constraint")
WEIGHT_PARTS = (*WEIGHT_ROLES, "default")


def class_name(name: str) -> str:
    """The Layer's name for a function's: ``scaled_sigmoid`` → ``ScaledSigmoid``; never the function's own."""
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)
    return f"{camel}Layer" if camel == name else camel


@dataclass(frozen=True)
class Parameter:
    """A named number in a formula, with its default; trainable ones become weights of the Layer."""

    name: str
    default: float
    trainable: bool = False


@dataclass(frozen=True)
class Formula:
    """A validated formula.

    Attributes:
        text: the formula as the user wrote it (``str`` of it, where it was a SymPy expression).
        expression: the SymPy expression; every symbol is real and is an input or a parameter.
        name: a Python identifier; names the emitted function, and in CamelCase the Layer.
        inputs: names of the tensors that the function takes.
        parameters: the named numbers that it takes as keywords.
        domain: open interval ``(lo, hi)`` in which the inputs lie; exact SymPy numbers or ±oo.
        axis: the axis that reductions run over.
        reductions: the reductions of a formula over an axis; ``expression`` uses their names.
        indexed: names of the vectors in it, which have an element for each of the axis.
        keeps_axis: whether its result has one too.
        with_indices: a formula over an axis as it was written.
        originals: the user's own symbols by name, where they wrote SymPy; for giving results back.
    """

    text: str
    expression: sp.Expr
    name: str
    inputs: tuple[str, ...] = ("x",)
    parameters: tuple[Parameter, ...] = ()
    domain: tuple[sp.Expr, sp.Expr] = (-sp.oo, sp.oo)
    axis: int = -1
    reductions: tuple[Reduction, ...] = ()
    indexed: frozenset[str] = frozenset()
    keeps_axis: bool = True
    with_indices: sp.Expr | None = field(default=None, compare=False)
    originals: tuple[tuple[str, sp.Symbol], ...] = field(default=(), compare=False)

    def symbol(self, name: str) -> sp.Symbol:
        """The symbol that stands for input or parameter ``name`` in ``expression``."""
        return sp.Symbol(name, real=True)

    @property
    def defaults(self) -> dict[str, float]:
        """Default value of each parameter, by name."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the trainable parameters."""
        return tuple(p.name for p in self.parameters if p.trainable)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of everything that gradients are derived by: inputs, then trainable parameters."""
        return (*self.inputs, *self.trainable)

    @property
    def result(self) -> str:
        """What its value is called: y, or a name like it that no input and no parameter has."""
        name = "y"
        while name in {*self.inputs, *self.defaults}:
            name += "_"
        return name

    @property
    def is_vector(self) -> bool:
        """Whether the formula runs over an axis."""
        return bool(self.indexed)

    @property
    def is_univariate(self) -> bool:
        """Whether it is elementwise and of one input, so that its derivative by that is a number."""
        return not self.is_vector and len(self.inputs) == 1

    @property
    def class_name(self) -> str:
        """The Layer's name."""
        return class_name(self.name)

    def in_users_symbols(self, expression: sp.Expr) -> sp.Expr:
        """``expression`` with symact's real symbols replaced by the user's own."""
        own = {self.symbol(name): symbol for name, symbol in self.originals}
        return substituted(expression, own)
