"""High-precision truth of formulas over an axis: the stages as written, in mpmath, and their differences."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import sympy as sp
import tensorflow as tf

from symact.parse import parse
from symact.program import LENGTH, POSITION, Map, lower

DIGITS = 300
# In units of terms of size 1, which cancel: exponentials and logarithms of sums of them; third moments.
_IN_TERMS = ("exp", "log", "^3,j)")
_REDUCTIONS = {"sum": mp.fsum, "max": max, "min": min}


class Truth:
    """A formula as its user wrote it; nothing of it is rewritten.

    Vectors and parameters are passed by name; a parameter is a number, or a vector where it has an index.
    """

    def __init__(self, formula, **options):
        self.program = lower(parse(formula, **options))
        self.functions = {
            stage.target: (symbols, sp.lambdify(symbols, stage.expression, "mpmath", cse=True))
            for stage in self.program.stages
            if isinstance(stage, Map)
            for symbols in [sorted(stage.expression.free_symbols, key=str)]
        }

    def value(self, values):
        """The result's elements; one where the axis is reduced."""
        elements = self.program.elementwise
        length = max(len(v) for v in values.values() if isinstance(v, list))
        known = {**values, POSITION.name: [mp.mpf(i) for i in range(length)], LENGTH: mp.mpf(length)}
        for stage in self.program.stages:
            if not isinstance(stage, Map):
                source = known[stage.source]
                source = source if isinstance(source, list) else [source] * length
                known[stage.target] = _REDUCTIONS[stage.kind](source)
                continue
            symbols, function = self.functions[stage.target]
            given = [known[symbol.name] for symbol in symbols]
            if stage.target in elements:
                rows = zip(*(g if isinstance(g, list) else [g] * length for g in given), strict=True)
                known[stage.target] = [function(*row) for row in rows]
            else:
                known[stage.target] = function(*given)
        result = known[self.program.outputs[0]]
        return result if isinstance(result, list) else [result]

    def partials(self, values, name):
        """The derivative of every element of the result by every element of ``values[name]``, a row each."""
        given = values[name]
        rows = []
        for at in range(len(given)) if isinstance(given, list) else (None,):
            point = given if at is None else given[at]
            step = abs(point) * mp.mpf(10) ** -80 if point else mp.mpf(10) ** -130
            sides = []
            for moved in (point + step, point - step):
                whole = moved if at is None else [*given[:at], moved, *given[at + 1 :]]
                sides.append(self.value({**values, name: whole}))
            rows.append([(a - b) / (2 * step) for a, b in zip(*sides, strict=True)])
        return rows

    def __call__(self, values, upstream, digits=DIGITS):
        """Value and, by name, gradient and a size that its errors are in proportion to: of the terms that
        its largest element is summed from, or of the value's change by a relative change of the variable.
        """
        with mp.workdps(digits):
            exact = {k: _exact(v) for k, v in values.items()}
            weights = [mp.mpf(float(u)) for u in upstream]
            gradients = {}
            value = self.value(exact)
            largest = max(map(abs, value)) * max(map(abs, weights))
            for name, given in exact.items():
                rows = self.partials(exact, name)
                terms = [[u * d for u, d in zip(weights, row, strict=True)] for row in rows]
                sizes = [mp.fsum(map(abs, row)) for row in terms]
                size = max(map(abs, given)) if isinstance(given, list) else abs(given)
                scale = max(*sizes, largest / size if size else 0, 0)
                gradients[name] = _floats(map(mp.fsum, terms)), float(scale)
            return _floats(value), gradients


def _exact(value):
    return [mp.mpf(float(v)) for v in value] if np.ndim(value) else mp.mpf(float(value))


def _floats(values):
    return np.array([float(v) for v in values])


def ulp(result, truth, scale=0.0):
    """The largest error in ULP of float32 of the largest element, or of ``scale`` if that is larger.

    What is beyond the range must be infinite, or just within it; what is below it may be 0.
    """
    result, truth = np.ravel(result).astype(float), np.ravel(truth)
    beyond = np.abs(truth) > 3.4e38
    if np.any(np.isnan(result)) or not np.all(np.isfinite(result[~beyond])):
        return np.inf
    if np.all(beyond):
        return 0.0
    size = max(np.abs(truth[~beyond]).max(), min(scale, 3.4e38), 2.0**-126)
    excess = np.abs(result - truth)[~beyond] - 2.0**-126
    return excess.max() / (size * 2.0**-23)


def check(compiled, formula, options, inputs, parameters, bound=10, digits=DIGITS):
    """Value and all gradients of ``formula`` within ``bound`` ULP of the largest element or of its terms."""
    options = {**options, "params": dict.fromkeys(parameters, 1.5)} if parameters else options
    activation = compiled(formula, name="over_axis", trainable=tuple(parameters), **options)
    length = len(next(iter(inputs.values())))
    upstream = np.float32(
        np.random.default_rng(1).normal(size=length if activation.formula.keeps_axis else 1)
    )
    y, gradients = _gradients(activation, inputs, parameters, upstream)
    truth = Truth(formula, **options, trainable=tuple(parameters))
    value, exact = truth({**inputs, **parameters}, upstream, digits)
    in_terms = any(word in formula for word in _IN_TERMS)
    assert ulp(y, value, 1.0 if in_terms else 0.0) < bound
    for name, gradient in gradients.items():
        exactly, scale = exact[name]
        assert ulp(gradient, exactly, max(scale, 0.1 if in_terms else 0.0)) < bound, name


def _gradients(activation, inputs, parameters, upstream):
    tensors = {k: tf.constant(np.float32(v)) for k, v in {**inputs, **parameters}.items()}
    with tf.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        y = activation(*(tensors[name] for name in inputs), **{name: tensors[name] for name in parameters})
    gradients = tape.gradient(y, tensors, tf.reshape(tf.constant(upstream), y.shape))
    return y.numpy(), {k: g.numpy() for k, g in gradients.items()}
