"""Scales: the vector whose powers are summed, and the power of two that it is divided by."""

from __future__ import annotations

import sympy as sp

from symact.expressions import dag
from symact.program import Kind, Powers, Reduce, has_any
from symact.rescale.rewriting import Rewriting, add_map

# Powers up to this one of the smallest and of the largest float32 are normal numbers of float64.
_HIGHEST = 6
_ENDS: tuple[Kind, Kind] = ("max", "min")


def vector_of(body: sp.Expr, new: Rewriting) -> sp.Expr | None:
    """The vector whose powers ``body`` is made of: an input, an earlier stage, or a difference x - c."""
    if body.is_Add and not _is_difference(body, new):
        return None
    vectors: set[sp.Expr] = set()
    for factor in sp.Mul.make_args(body):
        base = factor.base if factor.is_Pow and factor.base is not sp.E else factor
        base = base.args[0] if isinstance(base, sp.Abs) else base
        if not has_any(base, new.elements):
            continue
        if base.is_Add and _is_difference(base, new):
            number, primitive = base.primitive()
            d = add_map(new, f"difference_{len(new.stages)}", primitive)
            new.exchanged[base] = number * d
            new.exchanged[sp.expand(-base)] = -number * d
            new.differences[base] = number * d
            base = d
        vectors.add(base)
    if len(vectors) != 1:
        return None
    (vector,) = vectors
    return vector if vector.is_Symbol else None


def _is_difference(base: sp.Expr, new: Rewriting) -> bool:
    return bool(base.is_Add) and not any(part.is_Function for part in dag(base))


def add_scale(new: Rewriting, target: str, vector: sp.Expr, degree: sp.Expr, floor: bool) -> None:
    """The scale of ``vector`` whose powers of ``degree`` are summed: its largest size or its smallest."""
    name = f"size_{target}"
    size = sp.Abs(vector)
    scale = sp.Symbol(f"scale_{target}", positive=True)
    if degree.is_nonnegative:
        add_map(new, name, sp.Max(size, 1) if floor else size)
        new.stages.append(Reduce(scale.name, "scale", name))
    else:
        add_map(new, name, size)
        largest, smallest = _ends(new, name)
        if floor:
            largest, smallest = sp.Max(largest, 1), sp.Min(smallest, 1)
        by_sign = sp.Piecewise((largest, degree >= 0), (smallest, True))
        end = add_map(new, f"end_{target}", smallest if degree.is_negative else by_sign)
        new.stages.append(Reduce(scale.name, "scale", end.name))
        new.constants.add(end.name)
    _scaled_by(new, target, vector, scale)


def _ends(new: Rewriting, size: str) -> tuple[sp.Symbol, sp.Symbol]:
    """The largest and the smallest of the stage ``size``."""
    ends = []
    for kind in _ENDS:
        end = sp.Symbol(f"{kind}_{size}", nonnegative=True)
        new.stages.append(Reduce(end.name, kind, size))
        new.constants.add(end.name)
        ends.append(end)
    return ends[0], ends[1]


def add_scale_between(new: Rewriting, target: str, vector: sp.Expr) -> None:
    """The scale half way between the sizes: no quotient of ``vector`` overflows or vanishes."""
    size, scale = f"size_{target}", sp.Symbol(f"scale_{target}", positive=True)
    add_map(new, size, sp.Abs(vector))
    largest, smallest = _ends(new, size)
    between = f"between_{target}"
    add_map(new, between, sp.sqrt(largest) * sp.sqrt(smallest))
    new.stages.append(Reduce(scale.name, "scale", between))
    new.constants.add(between)
    _scaled_by(new, target, vector, scale)


def _scaled_by(new: Rewriting, target: str, vector: sp.Expr, scale: sp.Symbol) -> None:
    new.constants |= {f"size_{target}", scale.name}
    new.factors[scale] = None
    z = add_map(new, f"scaled_{vector}_{target}", vector / scale)
    new.scales[vector] = scale, z


def powers_of(
    body: sp.Expr, vector: sp.Expr, degree: sp.Expr, scale: sp.Symbol, target: str, floor: bool
) -> list[Powers]:
    """The sum of ``body`` as one that finds its scale itself, if its terms are powers of sizes."""
    if not (degree.is_Rational and 0 < degree <= _HIGHEST and body.is_nonnegative):
        return []
    size = sp.Dummy(positive=True)
    factor = body.xreplace({sp.Abs(vector): size}).xreplace({vector: size}) / size**degree
    if not factor.is_number:
        return []
    return [Powers(scale.name, target, vector, degree, factor, int(floor))]
