"""Comparison: it finds where autodiff fails, and raises no false alarm where nothing does."""

from __future__ import annotations

import pytest

from symact.errors import OptionError
from symact.report import comparison_text


def test_autodiff_of_naive_mish_is_nan_and_symact_is_not(compiled):
    comparison = compiled("x*tanh(log(1+exp(x)))").compare(samples=3000)
    assert comparison.contenders == ("symact", "autodiff")
    assert comparison.gradients["autodiff"].nan > 100
    assert comparison.gradients["autodiff"].worst_ulp > 1e6
    assert comparison.gradients["symact"].nan == comparison.gradients["symact"].inf == 0
    assert comparison.gradients["symact"].worst_ulp < 8
    rows = {row.x: row for row in comparison.points}
    assert rows[100.0].gradients["symact"] == 1.0
    text = comparison_text(comparison)
    assert "NaN" in text.splitlines()[1]


@pytest.mark.parametrize(
    "formula", ["Max(x, 0)", "abs(x)", "Piecewise((x, x >= 0), (0.1*x, True))", "Min(Max(x+3,0),6)/6"]
)
def test_kinks_raise_no_false_alarm(formula, compiled):
    comparison = compiled(formula).compare(samples=2000)
    assert comparison.kinks
    assert comparison.gradients["symact"].worst_ulp <= 1
    assert comparison.gradients["autodiff"].worst_ulp <= 2


def test_the_same_seed_gives_the_same_figures(compiled):
    activation = compiled("tanh(x)")
    assert activation.compare(samples=500) == activation.compare(samples=500)


def test_the_domain_limits_the_ranges(compiled):
    comparison = compiled("x*log(x)", domain=(0.0, float("inf"))).compare(samples=1200)
    assert comparison.ranges[0].low == 0.0
    assert all(row.x > 0 for row in comparison.points)


def test_float64_and_unknown_dtypes(compiled):
    assert compiled("tanh(x)").compare(dtype="float64", samples=600).dtype == "float64"
    with pytest.raises(OptionError, match="float16"):
        compiled("tanh(x)").compare(dtype="float16")
