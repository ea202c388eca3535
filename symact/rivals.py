"""Rivals: whoever is compared ``against``, by name or as a callable; what each is called, and its code."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from symact.contenders import Contender, reason
from symact.errors import OptionError

Against = str | Callable[[Any], Any]


def rivals(against: Against | Iterable[Against] | Mapping[str, Against]) -> list[Contender]:
    """Contenders from names (``package.module.attribute`` or ``module:attribute``) and callables.

    A mapping says what each is called; else a name is that name, and a callable has its ``public_name``.

    Raises:
        OptionError: a name is written wrongly, or one of ``against`` is neither name nor callable.
    """
    labels = list(against) if isinstance(against, Mapping) else None
    if isinstance(against, str) or callable(against):
        listed: list[Against] = [against]
    else:
        listed = list(against.values() if isinstance(against, Mapping) else against)
    taken = {"symact", "autodiff"}
    found = []
    for i, one in enumerate(listed):
        if not isinstance(one, str) and not callable(one):
            raise OptionError(
                f"against takes callables and names such as 'keras.activations.gelu', not {one!r}"
            )
        called = one if isinstance(one, str) else public_name(one)
        called = called if labels is None else str(labels[i])
        name, times = called, 1
        while name in taken:
            times += 1
            name = f"{called} ({times})"
        taken.add(name)
        found.append(Contender(name, _deferred(one) if isinstance(one, str) else one, judged=True))
    return found


# Where one looks for TensorFlow's and Keras' functions.
_PUBLIC = ("tf", "tf.math", "tf.nn", "keras.activations", "keras.ops")


def public_name(function: Callable[..., Any]) -> str:
    """What a person calls ``function``, who need not know the name that it gives itself.

    TensorFlow's and Keras' own are called by the shortest name that finds them: ``tf.nn.silu`` calls itself
    swish, as does ``tf.nn.swish``, which is the same object.
    """
    roots = {"tf": sys.modules.get("tensorflow"), "keras": sys.modules.get("keras")}
    found = []
    for called in _PUBLIC:
        root, _, inner = called.partition(".")
        module = getattr(roots[root], inner, None) if inner else roots[root]
        if module is not None:
            found += [f"{called}.{name}" for name, value in vars(module).items() if value is function]
    own = str(getattr(function, "__name__", type(function).__name__))
    return min(found, key=lambda name: (len(name), name), default=own)


def code_of(function: Callable[..., Any]) -> str:
    """A hash of the code that ``function`` is made of: its module, and what that uses of its own folder.

    Installed packages are left out: they change with their versions.
    """
    plain = inspect.unwrap(function)
    module = inspect.getmodule(plain) or inspect.getmodule(type(plain))
    files: set[Path] = set()
    if module is not None:
        _add_files(module, _file(module), files)
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _add_files(module: ModuleType, first: Path | None, files: set[Path]) -> None:
    """Enter the files of ``module`` and of all that it has names from, if they lie beside ``first``."""
    path = _file(module)
    if first is None or path is None or path in files or not path.is_relative_to(first.parent):
        return
    files.add(path)
    if _INSTALLED & set(path.parts):
        return
    for value in list(vars(module).values()):
        owner = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", ""))
        if isinstance(owner, ModuleType):
            _add_files(owner, first, files)


_INSTALLED = {"site-packages", "dist-packages"}


def _file(module: ModuleType) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name) if isinstance(name, str) and os.path.isfile(name) else None


def _deferred(name: str) -> Callable[[Any], Any]:
    """The callable called ``name``; one that cannot be had raises why when it is called."""
    try:
        found = resolve(name)
    except OptionError as error:
        problem = error

        def refuse(x: Any) -> Any:
            raise problem

        return refuse
    return found


def resolve(name: str) -> Callable[[Any], Any]:
    """The callable that ``name`` names; modules of the current directory are found too.

    Raises:
        OptionError: there is no such module or attribute, the import fails, or it is not callable.
    """
    module_name, colon, attribute = name.partition(":")
    parts = [*module_name.split("."), *(attribute.split(".") if colon else [])]
    if not all(part.isidentifier() for part in parts) or (not colon and len(parts) == 1):
        raise OptionError(f"{name!r} is neither package.module.function nor module:function")
    splits = [len(module_name.split("."))] if colon else range(len(parts) - 1, 0, -1)
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        module, rest = _imported(name, parts, splits)
    finally:
        sys.path.remove(here)
    found: Any = module
    for i, part in enumerate(rest):
        if not hasattr(found, part):
            owner = ".".join([*parts[: len(parts) - len(rest)], *rest[:i]])
            raise OptionError(f"cannot compare with {name!r}: {owner} has no attribute {part!r}")
        found = getattr(found, part)
    if not callable(found):
        raise OptionError(f"cannot compare with {name!r}: it is not callable")
    function: Callable[[Any], Any] = found
    return function


def _imported(name: str, parts: list[str], splits: Iterable[int]) -> tuple[Any, list[str]]:
    """The longest prefix of ``parts`` that can be imported, and what is left of them."""
    missing = ""
    for count in splits:
        wanted = ".".join(parts[:count])
        try:
            # ``tf`` is what everyone calls it.
            return importlib.import_module("tensorflow" if wanted == "tf" else wanted), parts[count:]
        except ModuleNotFoundError as error:
            missing = str(error.name)
            if not wanted.startswith(missing) and parts[0] != "tf":
                raise OptionError(f"cannot compare with {name!r}: its module needs {missing!r}") from None
        except (Exception, SystemExit) as error:  # whatever somebody's module raises when imported
            raise OptionError(f"cannot compare with {name!r}: {reason(error)}") from None
    raise OptionError(f"cannot compare with {name!r}: there is no module {missing!r}")
