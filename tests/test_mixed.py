"""What float32 does not serve for is computed in float64, and only that."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf
from axis_truth import check

from symact.casts import Narrow, wide_nodes, with_casts
from symact.compiler import translate
from symact.graph import const, node, var
from symact.stabilize.formats import FLOAT32, FLOAT64

PAIR = {"inputs": ("a", "b")}
# formula, options: float32 does not serve for all of them.
FORMULAS = {
    "log(Sum(exp(x[j]),j))-Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)": {},
    "log(1+exp(x[i]))/Sum(log(1+exp(x[j])),j)": {},
    "x[i]/(1+exp(-x[i]+Mean(x[j],j)))": {},
    "x[i]*tanh(x[i])/Sum(x[j]*tanh(x[j]),j)": {},
    "Sum(x[j]^3*exp(-Abs(x[j])),j)/Sum(x[j]^2,j)": {},
    "sqrt(Sum((a[j]-b[j])^2,j))": PAIR,
    "Sum(a[j]*b[j],j)/(sqrt(Sum(a[j]^2,j))*sqrt(Sum(b[j]^2,j)))": PAIR,
    "Sum(Abs(a[j]-b[j]),j)/Sum(Abs(a[j]+b[j]),j)": PAIR,
}
# Functions of elements that need no float64.
IN_FLOAT32 = {
    "log(Sum(exp(x[j]),j))-Sum(x[j]*exp(x[j]),j)/Sum(exp(x[j]),j)": "exp",
    "log(1+exp(x[i]))/Sum(log(1+exp(x[j])),j)": "log1p",
    "x[i]/(1+exp(-x[i]+Mean(x[j],j)))": "exp",
}
SIZES = [1.0, 1e-8, 30.0, 1e4, 1e20, 1e38]
ORDINARY = np.array([0.31, -1.7, 2.2, 0.9, -0.45, 1.1, -2.9])


def _float32(source: str) -> list[str]:
    """The functions that inputs in float32 take, of value and gradient."""
    found = re.findall(r"^def _(?:value|gradient)_float32\(.*?\n\n\n", source, re.DOTALL | re.MULTILINE)
    assert len(found) == 2
    return found


@pytest.mark.parametrize("formula", IN_FLOAT32)
def test_functions_of_elements_are_in_float32(formula):
    for source in _float32(translate(formula).source):
        assert f"{IN_FLOAT32[formula]}(" in source
        assert not re.search(rf"{IN_FLOAT32[formula]}\(tf\.cast\((?!.*tf\.float32)", source), source
        assert not re.search(rf"{IN_FLOAT32[formula]}\(wide", source), source


def test_float64_needs_no_scale_for_squares_of_float32():
    source = translate("sqrt(Sum((a[j]-b[j])^2,j))", inputs=("a", "b")).source
    assert all("scale" not in function for function in _float32(source))
    assert "_scaled_sum(" in source  # for inputs in float64


@pytest.mark.parametrize("formula", FORMULAS)
def test_accurate_is_in_float64(formula):
    options = FORMULAS[formula]
    value, gradient = _float32(translate(formula, prefer="accurate", **options).source)
    # Results alone are made float32.
    assert value.count("tf.float32)") == 1
    assert gradient.count("tf.float32)") == len(options.get("inputs", ("x",)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_all_gradients(formula, size, compiled):
    options = FORMULAS[formula]
    names = options.get("inputs", ("x",))
    inputs = {name: np.float32(size * np.roll(ORDINARY, 2 * at)) for at, name in enumerate(names)}
    check(compiled, formula, options, inputs, {}, bound=4)


def test_casts_are_where_formats_meet():
    x = var("x")
    square = node("square", node("abs", x))
    total = node("reduce_sum", square)
    quotient = square / total
    (root,) = with_casts([quotient], Narrow(frozenset([square])))
    # The square is in float32, and its argument as it is; the sum, and what is divided by it, in float64.
    wide = node("widen", square)
    assert root is node("narrow", wide / node("reduce_sum", wide))
    assert wide_nodes([root]) == {wide, root.args[0], root.args[0].args[1]}


def test_bounds_of_float64_are_bounds_of_float32(compiled):
    (bound,) = with_casts([node("max", var("x"), const(-FLOAT64.max))], Narrow())
    assert bound is node("max", var("x"), const(-FLOAT32.max))
    activation = compiled("Sum(x[j]^3*exp(-Abs(x[j])),j)/Sum(x[j]^2,j)")
    for value in (np.inf, -np.inf, np.float32(3.4e38)):
        y = activation(tf.constant([[value, 1.0, 2.0]], tf.float32))
        assert y.shape == (1,)
