"""Gradients of weights that are nearly 1 are right in their own digits, of those with a rest besides too."""

from __future__ import annotations

import numpy as np
import pytest
from axis_truth import Truth, _gradients, ulp

from symact.graph import const, node, var
from symact.projections import with_covariances, with_second_projections

X, U, S = var("x"), var("upstream"), var("s")


def _sum(graph):
    return node("reduce_sum", graph)


def _projections(root) -> int:
    """How often something is taken from the upstream, less one."""
    seen = with_second_projections(root, {"x", "upstream"})
    depth = -1
    while seen.op == "sub":
        seen, depth = seen.args[0], depth + 1
    return depth


@pytest.mark.parametrize(
    ("weight", "twice"),
    [
        (node("exp", X) / _sum(node("exp", X)), True),
        (node("exp", X) * (const(1) / _sum(node("exp", X))), True),
        (node("exp", X) / (const(1) + _sum(node("exp", X))), True),
        (node("exp", X) * (const(1) / (_sum(node("exp", X)) + node("exp", S))), True),
        (X * node("exp", X) / _sum(X * node("exp", X)), True),
        (X * node("exp", X) * (const(1) / (_sum(X * node("exp", X)) + S)), True),
        # What is left over to others varies, or is not the sum of the weights.
        (node("exp", X) / (node("exp", X) + _sum(node("exp", X))), False),
        (node("exp", X) / _sum(node("square", X)), False),
        (node("exp", X) / (_sum(node("exp", X)) + _sum(node("exp", X))), False),
    ],
)
def test_projections_are_recognized(weight, twice):
    assert _projections(U - _sum(U * weight)) == (1 if twice else 0)


def test_covariances_are_taken_about_the_mean():
    e, d = node("exp", X), var("d")
    weight = e * (const(1) / (const(1) + _sum(e)))
    covariance = _sum(U * weight * d) - _sum(U * weight) * _sum(weight * d)
    found = with_covariances(covariance, {"x", "d", "upstream"})
    assert found is _sum((U - _sum(U * weight)) * weight * d)


# From weights that are nearly equal to one that is 1 in float32.
LEADS = [0.5, 3.0, 8.0, 12.0, 16.0, 20.0, 30.0]
REST = np.array([0.5, -1.0, 0.3, 0.1])
FORMULAS = {
    "exp(x[i])/Sum(exp(x[j]),j)": {},
    "exp(x[i])/(1+Sum(exp(x[j]),j))": {},
    "exp(x[i])/(exp(w)+Sum(exp(x[j]),j))": {"w": 0.5},
    "exp(2*x[i])/(3+w+Sum(exp(2*x[j]),j))": {"w": 0.5},
    "x[i]^2/Sum(x[j]^2,j)": {},
    "log(1+exp(x[i]))^8/Sum(log(1+exp(x[j]))^8,j)": {},
}


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_gradients_of_saturated_weights(formula, lead, compiled):
    parameters = FORMULAS[formula]
    options = {"params": parameters, "trainable": tuple(parameters)} if parameters else {}
    x = np.float32([lead, *REST])
    activation = compiled(formula, name="weights", **options)
    values = {name: np.float32(value) for name, value in parameters.items()}
    for seed in range(3):
        upstream = np.float32(np.random.default_rng(seed).normal(size=len(x)))
        y, gradients = _gradients(activation, {"x": x}, values, upstream)
        value, exact = Truth(formula, **options)({"x": x, **values}, upstream, 300)
        assert ulp(y, value) < 4
        # By its largest element alone, not by the terms that cancel in it.
        assert ulp(gradients["x"], exact["x"][0]) < 12
