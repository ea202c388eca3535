"""Activation: the emitted module executed, as a live object."""

from __future__ import annotations

import linecache
import os
import types
import zlib
from typing import TYPE_CHECKING, Any

import keras
import sympy as sp

from symact.files import write_atomically

if TYPE_CHECKING:
    from symact.compiler import Compilation


def load(compilation: Compilation) -> Activation:
    """Execute the emitted module of ``compilation``; the activation runs that very source."""
    return Activation(compilation)


def execute(source: str, name: str) -> types.ModuleType:
    """The module that ``source`` defines; tracebacks and ``inspect.getsource`` find its lines."""
    filename = f"<symact {name} {zlib.crc32(source.encode()):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType(f"symact_generated_{name}")
    module.__file__ = filename
    exec(compile(source, filename, "exec"), module.__dict__)
    return module


# The hyphen keeps the name apart from every emitted layer's, which is an identifier.
@keras.saving.register_keras_serializable(package="symact", name="compiled-activation")
class Activation:
    """A compiled activation.

    Call it on a tensor of any floating dtype and shape, or on anything that becomes one; parameters
    are keywords. It can be an ``activation=`` of Keras layers, and takes symbolic inputs of the
    functional API. Saved with a model, it carries its formula and options, and is compiled again
    where the model is loaded; the process needs no more than ``import symact`` for that.

    Attributes:
        expr: the exact SymPy expression, in the user's symbols.
        derivative: its exact derivative by the (first) input; None for a formula over an axis, whose
            derivative is a product that is never formed.
        derivatives: its exact derivative by each input and trainable parameter.
        source: the stand-alone module, as text.
        Layer: the module's Keras layer class.
    """

    def __init__(self, compilation: Compilation) -> None:
        formula = compilation.formula
        self.compilation = compilation
        self.formula = formula
        self.name = self.__name__ = formula.name
        self.__doc__ = f"{formula.name}(x) = {formula.text}"
        self.expr: sp.Expr = formula.with_indices or formula.in_users_symbols(formula.expression)
        programs = compilation.family.programs
        self.derivatives: dict[str, sp.Expr] = {
            name: formula.in_users_symbols(programs[(name,)].expression)
            for name in formula.variables
            if (name,) in programs
        }
        self.derivative: sp.Expr | None = self.derivatives.get(formula.inputs[0])
        self.source = compilation.source
        self.module = execute(self.source, formula.name)
        self._function = getattr(self.module, formula.name)
        self.Layer: type[Any] = getattr(self.module, formula.class_name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The activation of a tensor, by position or as keyword ``x``; parameters as keywords."""
        return self._function(*args, **kwargs)

    def layer(self, **options: Any) -> Any:
        """An instance of ``Layer``; parameters of the formula and Keras's own options as keywords."""
        return self.Layer(**options)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the stand-alone module to ``path``; an existing file is kept unless ``force``.

        Raises:
            OutputError: the file exists or cannot be written; nothing is changed then.
        """
        write_atomically(path, self.source, force=force)

    def compare(self, **options: Any) -> Any:
        """Symbolic gradient against autodiff and truth; see ``symact.compare.compare``."""
        from symact.compare import compare

        return compare(self, **options)

    def exhaust(self, **options: Any) -> Any:
        """Value and derivative at every float32 input; see ``symact.exhaustive.exhaust``."""
        from symact.exhaustive import exhaust

        return exhaust(self.compilation, **options)

    def get_config(self) -> dict[str, Any]:
        """What is needed to compile the activation again."""
        formula, schedule = self.formula, self.compilation.schedule
        return {
            "formula": _as_text(formula.text, formula.expression),
            "name": formula.name,
            "inputs": list(formula.inputs),
            "params": formula.defaults,
            "trainable": list(formula.trainable),
            "domain": [str(end) for end in formula.domain],
            "axis": formula.axis,
            "order": schedule.order,
            "residual": getattr(schedule, "residual", "auto"),
            "jit_compile": schedule.jit_compile,
            "prefer": self.compilation.prefer,
            "ties": self.compilation.ties,
            "at_zero": self.compilation.at_zero,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Activation:
        """The activation compiled again from its config."""
        from symact.compiler import compile

        options = dict(config)
        low, high = options.pop("domain")
        return compile(options.pop("formula"), domain=(low, high), **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return Activation.from_config, (self.get_config(),)

    def _repr_html_(self) -> str:
        from symact.page import activation_fragment

        return activation_fragment(self.compilation)

    def _repr_latex_(self) -> str:
        (name,) = self.formula.inputs
        title = self.name.replace("_", r"\_")
        head = rf"\operatorname{{{title}}}"
        value, derivative = sp.latex(self.expr), sp.latex(self.derivative)
        return (
            rf"$\displaystyle\begin{{aligned}}{head}({name}) &= {value}\\"
            rf"{head}'({name}) &= {derivative}\end{{aligned}}$"
        )

    def __repr__(self) -> str:
        return f"<symact activation {self.name}: {self.formula.text}>"


def _as_text(text: str, expression: sp.Expr) -> str:
    """The formula as text that parses back: the user's own, or SymPy's spelling of it."""
    return text if not text.startswith("<expression") else str(expression)
