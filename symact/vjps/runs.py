"""Runs: values and vector–Jacobian products of anyone's function at many points at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from symact.contenders import ComparisonImpossible, Contender, reason
from symact.formula import Formula
from symact.stabilize.formats import Array, Format
from symact.vjps.cases import Cases
from symact.vjps.truth import VALUE

# By column: an array of (points, elements) for the value, of (points, cotangents, elements) for a gradient.
Results = dict[str, Array | None]


def run(contender: Contender, formula: Formula, cases: Cases, fmt: Format) -> Results:
    """Value and products of ``contender``; None where TensorFlow sees no path back to a variable.

    A parameter is given as a tensor with a number for each point, so that its gradient is not summed
    over all of them; a function that does not take it has no column for it.

    Raises:
        ComparisonImpossible: the function raises, or returns what is no tensor of the right shape.
    """
    points, (count, size) = len(cases), cases.cotangents.shape
    wanted = [n for n in formula.variables if n in formula.inputs or contender.takes(n)]
    tensors = {name: _tensor(np.repeat(cases.inputs[name], count, axis=0), formula, fmt) for name in wanted}
    upstream = np.tile(cases.cotangents, (points, 1))
    try:
        y, gradients = _differentiated(contender, formula, tensors, upstream, fmt)
    except ComparisonImpossible:
        raise
    except (Exception, SystemExit) as error:  # whatever somebody's function raises
        raise ComparisonImpossible(reason(error)) from None
    results: Results = {VALUE: _rows(y, formula, size).reshape(points, count, size)[:, 0]}
    for name, gradient in zip(wanted, gradients, strict=True):
        if gradient is None:
            results[name] = None
        else:
            width = cases.inputs[name].shape[1]
            results[name] = _rows(gradient, formula, width).reshape(points, count, width)
    return results


def _differentiated(
    contender: Contender, formula: Formula, tensors: Mapping[str, Any], upstream: Array, fmt: Format
) -> tuple[Any, list[Any]]:
    inputs = [tensors[name] for name in formula.inputs]
    options = {name: tensor for name, tensor in tensors.items() if name not in formula.inputs}
    with tf.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        y = tf.convert_to_tensor(contender.function(*inputs, **options))
    given = tuple(inputs[0].shape)
    cotangent = _tensor(upstream, formula, fmt)
    if formula.is_vector and not formula.keeps_axis:
        cotangent = tf.squeeze(cotangent, formula.axis)
    if tuple(y.shape) != tuple(cotangent.shape):
        raise ComparisonImpossible(f"returns shape {tuple(y.shape)} for input {given}")
    return y, tape.gradient(y, list(tensors.values()), cotangent)


def _tensor(rows: Array, formula: Formula, fmt: Format) -> Any:
    """Rows of elements as a tensor whose elements lie along the formula's axis; without one, flat."""
    values = rows.astype(fmt.dtype)
    if not formula.is_vector:
        return tf.constant(values[:, 0], fmt.name)
    axis = formula.axis
    rank = max(2, axis + 1 if axis >= 0 else -axis)
    place = axis % rank
    shape = [1] * rank
    shape[0 if place else 1], shape[place] = rows.shape
    return tf.constant((values if place else values.T).reshape(shape), fmt.name)


def _rows(tensor: Any, formula: Formula, size: int) -> Array:
    """The inverse of ``_tensor``, for a result or a gradient."""
    values = np.asarray(tf.cast(tensor, tf.float64).numpy())
    rows = values.size // size
    if formula.is_vector and formula.axis % max(2, values.ndim) == 0 and size > 1:
        return values.reshape(size, rows).T
    return values.reshape(rows, size)
