"""Rewritten stages are compared with the formula as written, and left where they differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from axis_truth import check

import symact.axis
from symact.compiler import translate
from symact.program import Map
from symact.rescale import rescale

NOTE = "the stages are computed as written"


def _off(program):
    """A rescaling that is wrong by a factor, as a forgotten scale would make it."""
    *others, last = program.stages
    assert isinstance(last, Map)
    return replace(program, stages=(*others, Map(last.target, 2 * last.expression)))


@pytest.mark.parametrize("formula", ["exp(x[i])/Sum(exp(x[j]),j)", "sqrt(Sum(x[j]^2,j))"])
def test_what_does_not_agree_is_not_used(formula, monkeypatch):
    assert NOTE not in translate(formula).source
    rewritings = [_off if step is rescale else step for step in symact.axis._REWRITINGS]
    monkeypatch.setattr(symact.axis, "_REWRITINGS", rewritings)
    monkeypatch.setenv("SYMACT_CACHE_DIR", "off")
    assert NOTE in translate(formula).source
    own = tf.nn.softmax if "exp" in formula else lambda x: tf.norm(x, axis=-1)
    x = np.float32([0.5, -1.0, 2.0])
    np.testing.assert_allclose(symact.compile(formula)(x), own(x), rtol=1e-6)


SCALED_TWICE = {
    "Sum(abs(x[j]-1),j)/(1+Sum(abs(x[j]),j))": ("x",),
    "Sum((x[j]+1)^2,j)/(1+Sum(x[j]^2,j))": ("x",),
    "sqrt(Sum((x[j]-1)^2,j))/(sqrt(Sum(x[j]^2,j))+sqrt(Sum((x[j]+1)^2,j)))": ("x",),
    "sqrt(Mean((a[j]-b[j])^2,j))/(sqrt(Mean(a[j]^2,j))+sqrt(Mean(b[j]^2,j)))": ("a", "b"),
    "Sum(abs(a[j]-b[j]),j)/(1+Sum(abs(a[j]),j))": ("a", "b"),
}


@pytest.mark.parametrize("size", [0.3, 1.0, 40.0, 1e15])
@pytest.mark.parametrize("formula", SCALED_TWICE)
def test_sums_of_what_is_scaled_already(formula, size, compiled):
    names = SCALED_TWICE[formula]
    random = np.random.default_rng(2)
    inputs = {name: np.float32(size * random.normal(size=4)) for name in names}
    check(compiled, formula, {"inputs": names}, inputs, {})
