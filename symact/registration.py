"""Registration: symact's Activation made known to Keras as soon as both are imported.

``import symact`` does not import TensorFlow, for the command line has no use for it; but a model that
was saved with an Activation must load in any process that has imported symact, before Keras or after.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence

_KERAS = "keras"


def register_with_keras() -> None:
    """Register now if Keras is imported, else right after it will have been."""
    if _KERAS in sys.modules:
        importlib.import_module("symact.activation")
    elif not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Finds Keras as everyone else would, and imports symact.activation after it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _KERAS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(_KERAS)
        if spec is not None and spec.loader is not None:
            spec.loader = _Following(spec.loader)
        return spec


class _Following(importlib.abc.Loader):
    """A loader that does as ``own`` does, then imports symact.activation."""

    def __init__(self, own: importlib.abc.Loader) -> None:
        self.own = own

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        # What others ask of a module's loader (its source, its resources) is the own one's to say.
        module.__loader__ = self.own
        if module.__spec__ is not None:
            module.__spec__.loader = self.own
        self.own.exec_module(module)
        importlib.import_module("symact.activation")
