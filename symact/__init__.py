"""symact: a symbolic-to-Keras compiler for activation functions.

``symact.compile(formula)`` derives the exact derivative of a formula, rewrites both for numerical
stability, and returns an activation for Keras; ``symact generate`` writes it as a stand-alone file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symact.errors import (
    AccuracyError,
    AccuracyWarning,
    FormulaError,
    OptionError,
    OutputError,
    SymactError,
    UnsupportedError,
)
from symact.registration import register_with_keras
from symact.version import __version__

if TYPE_CHECKING:
    from symact.activation import Activation
    from symact.compiler import compile
    from symact.reductions import Mean, ReduceMax, ReduceMin

__all__ = [
    "AccuracyError",
    "AccuracyWarning",
    "Activation",
    "FormulaError",
    "Mean",
    "OptionError",
    "OutputError",
    "ReduceMax",
    "ReduceMin",
    "SymactError",
    "UnsupportedError",
    "__version__",
    "compile",
]

# Imported when first asked for: the one needs SymPy, the other TensorFlow.
_LATE = {
    "compile": "symact.compiler",
    "Activation": "symact.activation",
    "Mean": "symact.reductions",
    "ReduceMax": "symact.reductions",
    "ReduceMin": "symact.reductions",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        from importlib import import_module

        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'symact' has no attribute {name!r}")


register_with_keras()
