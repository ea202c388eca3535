"""Frozen: results that stay as they were found, to the innermost mapping."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

K = TypeVar("K")
V = TypeVar("V")


class FrozenMapping(Mapping[K, V]):
    """A mapping that cannot be changed; unlike ``types.MappingProxyType`` it can be copied and pickled."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[K, V]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(self._entries)


class Result:
    """Base of frozen dataclasses whose mappings, lists and arrays are frozen too when they are made."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every heir is a dataclass
            object.__setattr__(self, field.name, frozen(getattr(self, field.name)))


def frozen(value: Any) -> Any:
    """``value`` with mappings, lists and arrays replaced by what cannot be changed."""
    if isinstance(value, Mapping):
        return FrozenMapping({key: frozen(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    return value


def plain_data(value: Any) -> Any:
    """``value`` in dicts, lists, strings and numbers; floats that are not finite as strings."""
    if is_dataclass(value):
        return {field.name: plain_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain_data(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
