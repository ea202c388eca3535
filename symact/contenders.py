"""Contenders: who is compared. The emitted function, autodiff of the plain formula, and anyone's callable."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from symact.convert import to_graph
from symact.emit.printer import body
from symact.errors import OptionError, SymactError
from symact.formula import Formula
from symact.stabilize.formats import Array, Format

_LONGEST_REASON = 160


class ComparisonImpossible(Exception):
    """A contender has no numbers for a column; the message says why."""


@dataclass(frozen=True)
class Contender:
    """A function of one tensor that is compared with the truth.

    Attributes:
        name: what its columns are called.
        function: from a tensor to a tensor of the same shape.
        judged: whether ``--fail-above`` and ``assert_accurate`` hold it to account.
    """

    name: str
    function: Callable[[Any], Any]
    judged: bool

    def columns(
        self, points: Array, fmt: Format, wanted: int, batch: int = 1 << 14
    ) -> tuple[Array | None, ...]:
        """The value and the first derivatives at ``points``, as float64 arrays of numbers of ``fmt``.

        Args:
            points: numbers of ``fmt``, one-dimensional.
            fmt: the format to compute in.
            wanted: how many columns: 1 value only, 2 the derivative too, 3 the second derivative.
            batch: how many inputs every call has, the last one repeated where there are fewer: XLA
                compiles anew for every shape.

        Returns:
            ``wanted`` arrays of the shape of ``points``; None for a derivative that does not depend on
            the input as far as TensorFlow can see (a constant, or a function that left TensorFlow).

        Raises:
            ComparisonImpossible: the function raises, or returns what is no tensor of that shape.
        """
        if not len(points):
            return (points,) * wanted
        parts = [self._batch(points[i : i + batch], batch, fmt, wanted) for i in range(0, len(points), batch)]
        return tuple(
            None if any(part[order] is None for part in parts) else np.concatenate([p[order] for p in parts])
            for order in range(wanted)
        )

    def _batch(self, points: Array, batch: int, fmt: Format, wanted: int) -> tuple[Array | None, ...]:
        """As ``columns``, for at most a batch of inputs."""
        filled = np.concatenate([points, np.full(batch - len(points), points[-1])])
        try:
            results = _differentiated(self.function, _tensor(filled, fmt), wanted)
        except Exception as error:  # whatever somebody's function raises
            raise ComparisonImpossible(_reason(error)) from None
        for result in results:
            if result is not None and result.shape != filled.shape:
                raise ComparisonImpossible(f"returns shape {result.shape} for input {filled.shape}")
        return tuple(None if result is None else result[: len(points)] for result in results)


def _tensor(points: Array, fmt: Format) -> Any:
    return tf.constant(points.astype(fmt.dtype), fmt.name)


def _differentiated(function: Callable[[Any], Any], x: Any, wanted: int) -> tuple[Array | None, ...]:
    if wanted == 1:
        return (_numbers(function(x)),)
    if wanted == 2:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.convert_to_tensor(function(x))
        return _numbers(y), _numbers(tape.gradient(y, x))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.convert_to_tensor(function(x))
        first = inner.gradient(y, x)
    second = None if first is None else outer.gradient(first, x)
    return _numbers(y), _numbers(first), _numbers(second)


def _numbers(tensor: Any) -> Array | None:
    return None if tensor is None else np.asarray(tf.cast(tensor, tf.float64).numpy())


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    text = " ".join(lines[0].split())
    short = text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
    return short if isinstance(error, SymactError) else f"{type(error).__name__}: {short}"


def plain(formula: Formula) -> Callable[..., Any]:
    """The formula as written, in TensorFlow's ops one for one: what autodiff is applied to."""
    name = formula.inputs[0]
    names = [name, *(p.name for p in formula.parameters)]
    lines = body(to_graph(formula.expression), name, {*names, "tf"}, narrow=False)
    source = "\n".join([f"def plain({', '.join(names)}):", *(f"    {line}" for line in lines)])
    namespace: dict[str, Any] = {"tf": tf}
    exec(source, namespace)
    defaults = formula.defaults

    def call(x: Any) -> Any:
        return namespace["plain"](x, *(tf.constant(v, x.dtype) for v in defaults.values()))

    return call


Against = str | Callable[[Any], Any]


def rivals(against: Against | Iterable[Against]) -> list[Contender]:
    """Contenders from names (``package.module.attribute`` or ``module:attribute``) and callables.

    Raises:
        OptionError: a name is written wrongly, or one of ``against`` is neither name nor callable.
    """
    listed = [against] if isinstance(against, str) or callable(against) else list(against)
    taken = {"symact", "autodiff"}
    found = []
    for one in listed:
        if not isinstance(one, str) and not callable(one):
            raise OptionError(
                f"against takes callables and names such as 'keras.activations.gelu', not {one!r}"
            )
        called = one if isinstance(one, str) else str(getattr(one, "__name__", type(one).__name__))
        name, times = called, 1
        while name in taken:
            times += 1
            name = f"{called} ({times})"
        taken.add(name)
        found.append(Contender(name, _deferred(one) if isinstance(one, str) else one, judged=True))
    return found


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
        except Exception as error:  # whatever somebody's module raises when imported
            raise OptionError(f"cannot compare with {name!r}: {_reason(error)}") from None
    raise OptionError(f"cannot compare with {name!r}: there is no module {missing!r}")
