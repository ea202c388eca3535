"""Where a model is compiled as a whole, XLA writes to memory what several kernels take, once."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

from symact.graph import const, node, rebuild, var
from symact.memory import stored
from symact.stabilize.formats import FLOAT64
from symact.width import evaluated

x, upstream = var("x"), var("upstream")
e = node("exp", -x)
gate = node("where", node("lt", x, const(-9)), e * (e * x), x / (const(1) + e))
softplus = node("where", node("lt", x, const(0)), node("log1p", e) / e, x + node("log1p", e))
total = node("reduce_sum", gate)
powers = node("where", node("lt", x, const(0)), e * node("log1p", e), node("tanh", x))

# What is computed, and what of it is to be written, as what.
GRAPHS = {
    "a choice of a quotient": ([upstream * gate, gate + const(1)], {gate: "div"}),
    "a choice of other expensive results": (
        [upstream * powers, powers + x, const(2) * powers],
        {powers: "stored"},
    ),
    "a choice of a quotient and a sum": ([upstream * softplus, x * softplus], {softplus: "div"}),
    "for a sum and a result": ([gate / total], {gate: "div"}),
    "one result": ([upstream * gate], {}),
    "one exponential": ([upstream * (e + x), const(2) * (e + x)], {}),
    "nothing expensive": ([upstream * (x + const(1)), x + const(1)], {}),
    "of one element a row": ([x * total, total + const(1)], {gate: None}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_stored(name):
    results, expected = GRAPHS[name]
    found = stored(results, {"x", "upstream"})
    assert {n: by.op for n, by in found.items()} == {n: op for n, op in expected.items() if op}


@pytest.mark.parametrize("name", GRAPHS)
def test_it_is_the_same_number(name):
    results, _ = GRAPHS[name]
    found = stored(results, {"x", "upstream"})
    values = {"x": np.linspace(-20, 20, 41), "upstream": np.linspace(1, 2, 41)}
    for result in results:
        exchanged = evaluated(rebuild(result, found), values, FLOAT64, {})
        np.testing.assert_array_equal(exchanged, evaluated(result, values, FLOAT64, {}), strict=True)


PAIR = {"inputs": ("a", "b")}
# Formula, options: arrays that XLA writes besides the results, of forward and backward as a whole.
WRITTEN = {
    "a*b/(1+exp(-b))": (PAIR, 1),
    "a*b*tanh(log(1+exp(b)))": (PAIR, 1),
    "a/(1+exp(-b))": (PAIR, 1),
    "log(1+exp(x[i]))/Sum(log(1+exp(x[j])),j)": ({}, 3),
}


@pytest.mark.parametrize("formula", WRITTEN)
def test_what_xla_writes(compiled, formula):
    options, expected = WRITTEN[formula]
    activation = compiled(formula, **options)
    shape = (8, 1024)
    inputs = [tf.random.stateless_normal(shape, (0, at)) for at, _ in enumerate(options.get("inputs", "x"))]

    @tf.function(autograph=False, jit_compile=True)
    def whole(upstream, *inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = activation(*inputs)
        return y, tape.gradient(y, inputs, upstream)

    text = whole.experimental_get_compiler_ir(tf.ones(shape), *inputs)(stage="optimized_hlo")
    entry = text[text.index("\nENTRY") :].split("\n}")[0]
    arrays = re.findall(r" = f\d+\[8,1024\]\S* (?!parameter)\w+\(", entry)
    assert len(arrays) - 1 - len(inputs) == expected
