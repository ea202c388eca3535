"""Formulas over an axis with parameters and pairs: value, VJP and the gradients of every parameter.

Against 300 digits of the formula as written; errors in ULP of the largest element, or of the largest sum of
terms that an element is made of.
"""

from __future__ import annotations

import numpy as np
import pytest
from axis_truth import Truth, check, ulp

_random = np.random.default_rng(3)
ORDINARY = _random.normal(size=5)
VECTORS = {
    "ordinary": ORDINARY,
    "large": ORDINARY * 30,
    "huge": ORDINARY * 1e20,
    "largest": np.array([3e38, -3e38, 1.0]),
    "largest, equal": np.full(3, 3e38),
    "tiny": ORDINARY * 1e-30,
    "mixed": np.array([1e20, 1, -1e-20, 3, 0.5]),
    "close": 1e4 + ORDINARY,
    "negative": ORDINARY - 1000,
    "equal": np.full(5, 0.7),
    "one": np.array([2.5]),
    "zeros": np.zeros(3),
}
POSITIVE = {"domain": (0, "oo")}
# Formula: parameters, each with the values that it is tried at, and options.
FORMULAS = {
    # exponents with a weight
    "exp(x[i]/T)/Sum(exp(x[j]/T),j)": ({"T": (1.7, 0.01, -3.0)}, {}),
    "x[i]/T-log(Sum(exp(x[j]/T),j))": ({"T": (1.7, 100.0)}, {}),
    "-T*log(Sum(exp(-x[j]/T),j))": ({"T": (1.7, 0.3)}, {}),
    "log(Sum(exp(w*x[j]),j))": ({"w": (1.3, -0.7)}, {}),
    "log(Sum(exp(w*x[j]),j))/w": ({"w": (1.3, -0.7)}, {}),
    "exp(w*x[i])/Sum(exp(w*x[j]),j)": ({"w": (1.3, -0.7)}, {}),
    "Sum(x[j]*exp(t*x[j]),j)/Sum(exp(t*x[j]),j)": ({"t": (1.3, -0.7)}, {}),
    "exp(x[i])/(exp(c)+Sum(exp(x[j]),j))": ({"c": (0.5, -200.0, 95.0)}, {}),
    "exp(w[i]*x[i])/Sum(exp(w[j]*x[j]),j)": ({"w": (1.3,)}, {}),
    "exp(-x[i]^2)/Sum(exp(-x[j]^2),j)": ({}, {}),
    "log(Sum(exp(x[j]^2/2),j))": ({}, {}),
    # powers that are parameters
    "Sum(abs(x[j])^p,j)^(1/p)": ({"p": (3.0, 1.5)}, {}),
    "x[i]/Sum(abs(x[j])^p,j)^(1/p)": ({"p": (3.0, 2.0)}, {}),
    "Mean(x[j]^p,j)^(1/p)": ({"p": (2.5, -1.5)}, POSITIVE),
    # other means
    "1/Mean(1/x[j],j)": ({}, POSITIVE),
    "n/Sum(1/x[j],j)": ({}, POSITIVE),
    "exp(Mean(log(x[j]),j))": ({}, POSITIVE),
    "sqrt(Mean(x[j]^2,j))": ({}, {}),
    # moments, raw and central
    "Mean(x[j]^2,j)-Mean(x[j],j)^2": ({}, {}),
    "sqrt(Mean(x[j]^2,j)-Mean(x[j],j)^2)": ({}, {}),
    "(x[i]-Mean(x[j],j))/sqrt(Mean(x[j]^2,j)-Mean(x[j],j)^2+0.001)": ({}, {}),
    "(n*Sum(x[j]^2,j)-Sum(x[j],j)^2)/n^2": ({}, {}),
    "Mean((x[j]-Mean(x[k],k))^3,j)/Mean((x[j]-Mean(x[k],k))^2,j)^(3/2)": ({}, {}),
    "Mean((x[j]-Mean(x[k],k))^4,j)/Mean((x[j]-Mean(x[k],k))^2,j)^2": ({}, {}),
    # normalizations
    "x[i]-ReduceMax(x[j],j)+m": ({"m": (0.5,)}, {}),
    "(x[i]-ReduceMin(x[j],j))/(ReduceMax(x[j],j)-ReduceMin(x[j],j))": ({}, {}),
    "s*(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.00001)+c": ({"s": (1.5,), "c": (0.25,)}, {}),
    "g[i]*(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.00001)+c[i]": (
        {"g": (1.5,), "c": (0.25,)},
        {},
    ),
    # information
    "-Sum(exp(x[j])/Sum(exp(x[k]),k)*log(exp(x[j])/Sum(exp(x[k]),k)),j)": ({}, {}),
    "1-Sum((exp(x[j])/Sum(exp(x[k]),k))^2,j)": ({}, {}),
    # a vector and its softmax: what is far larger than the gradient cancels
    "x[i]*exp(x[i])/Sum(exp(x[j]),j)": ({}, {}),
    # an input that is named as the result is
    "y[i]/sqrt(Mean(y[j]^2,j)+0.000001)": ({}, {"inputs": ("y",)}),
}
# No derivative there: norms at 0, deviations of equal elements, extrema at ties.
SINGULAR = {
    "equal": ("3/2)", ")^2,j)^2", "ReduceMin", "j)+m", "-Mean(x[j],j)^2)"),
    "one": ("3/2)", ")^2,j)^2", "ReduceMin", "-Mean(x[j],j)^2)"),
    "zeros": ("3/2)", ")^2,j)^2", "ReduceMin", "j)+m", "-Mean(x[j],j)^2)", "^p", "sqrt(Mean(x[j]^2,j))"),
}
SINGULAR["largest, equal"] = SINGULAR["equal"]


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_all_gradients(formula, name, compiled):
    parameters, options = FORMULAS[formula]
    x = np.float32(VECTORS[name])
    if "domain" in options:
        x = np.abs(x)
    if any(part in formula for part in SINGULAR.get(name, ())) or ("domain" in options and not x.all()):
        pytest.skip("no derivative in range")
    (variable,) = options.get("inputs", ("x",))
    for at in range(max(map(len, parameters.values()), default=1)):
        values = {k: np.float32(v[at]) for k, v in parameters.items()}
        values = {
            k: np.linspace(v, -v, len(x), dtype=np.float32) if f"{k}[i]" in formula else v
            for k, v in values.items()
        }
        check(compiled, formula, options, {variable: x}, values)


PAIRS = {
    "Sum(a[j]*b[j],j)/(sqrt(Sum(a[j]^2,j))*sqrt(Sum(b[j]^2,j)))": {},
    "Mean(a[j]*b[j],j)-Mean(a[j],j)*Mean(b[j],j)": {},
    "a[i]/sqrt(Mean(a[j]^2,j)+0.000001)*b[i]/(1+exp(-b[i]))": {},
    "Max(a[i],0)*b[i]/sqrt(Mean(b[j]^2,j)+0.00001)": {},
    "Sum(b[j]*exp(a[j]/T),j)/Sum(exp(a[j]/T),j)": {"T": 1.7},
    "b[i]*exp(a[i]*b[i])/Sum(exp(a[j]*b[j]),j)": {},
    "log(1+Sum(exp(8*a[j]),j)*Sum(exp(-8*b[j]),j))": {},
    "(Mean(a[j]*b[j],j)-Mean(a[j],j)*Mean(b[j],j))"
    "/sqrt((Mean(a[j]^2,j)-Mean(a[j],j)^2)*(Mean(b[j]^2,j)-Mean(b[j],j)^2))": {},
    "Sum(exp(a[j])/Sum(exp(a[k]),k)*(a[j]-log(Sum(exp(a[k]),k))-b[j]+log(Sum(exp(b[k]),k))),j)": {},
}


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e-3, 0.5, 1.0, 30.0])
@pytest.mark.parametrize("formula", ["log(Mean(exp(x[j]),j))", "log(Mean(exp(w*x[j]),j))/w"])
def test_the_logarithm_of_a_mean_of_exponentials_is_about_the_mean(formula, size, compiled):
    parameters = {"w": 2.5} if "w" in formula else {}
    activation = compiled(formula, params=parameters, trainable=tuple(parameters))
    x = np.float32(size * ORDINARY)
    value, _ = Truth(formula, params=parameters)({"x": x, **parameters}, [1.0])
    assert ulp(activation(x), value, np.abs(x).max()) < 8


SIZES = ((1.0, 1.0), (30.0, 1.0), (1e19, 1.0), (1e-30, 1.0), (1.0, 1e-30), (1e19, 1e-10), (1.0, 40.0))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("formula", PAIRS)
def test_value_and_all_gradients_of_pairs(formula, sizes, compiled):
    pair = [np.float32(size * np.roll(ORDINARY, i)) for i, size in enumerate(sizes)]
    parameters = {k: np.float32(v) for k, v in PAIRS[formula].items()}
    check(compiled, formula, {"inputs": ("a", "b")}, dict(zip("ab", pair, strict=True)), parameters)


@pytest.mark.parametrize("formula", ["y[i]/sqrt(Sum(y[j]^2,j))", "exp(y[i])/Sum(exp(y[j]),j)"])
def test_a_mask_of_one_axis(formula, compiled):
    activation = compiled(formula, inputs=("y",))
    x = np.float32([[1, 2, 3, 4], [5, 3, 1, 2]])
    mask = np.array([True, False, True, True])
    left = activation(x[:, mask]).numpy()
    for given in (x, x[0]):
        y = activation(given, mask=mask).numpy()
        np.testing.assert_allclose(y[..., mask], left[0] if given.ndim == 1 else left)
        assert not y[..., ~mask].any()
