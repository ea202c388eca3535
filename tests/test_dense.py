"""The screening: errors in intervals that no sample hits are found, and nothing is that is none."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from symact.page import page
from symact.report import comparison_text

SILU = "x/(1+exp(-x))"
SPOTS = [(1, 1.001), (0.3, 0.3003), (3, 3.0001), (-8.001, -8), (-1.3, -1.2999), (0.7, 0.70001)]


def planted(spot, column, error=1e-6):
    """Silu right to the last place, but for a relative ``error`` of one column in one interval."""

    @tf.custom_gradient
    def narrow(x):
        wide = tf.cast(x, tf.float64)
        s = tf.sigmoid(wide)
        inside = tf.where((x > spot[0]) & (x < spot[1]), 1 + error, 1.0)
        off = {"value": 1.0, "derivative": 1.0} | {column: tf.cast(inside, tf.float64)}

        def gradient(up):
            return up * tf.cast(s * (1 + wide * (1 - s)) * off["derivative"], x.dtype)

        return tf.cast(wide * s * off["value"], x.dtype), gradient

    narrow.__name__ = f"{column} in {spot}"
    return narrow


@pytest.mark.parametrize("column", ["value", "derivative"])
def test_errors_planted_in_narrow_intervals_are_found(column, compiled):
    functions = [planted(spot, column) for spot in SPOTS]
    compared = compiled(SILU).compare(against=functions, dtype="float32").formats["float32"]
    for spot, function in zip(SPOTS, functions, strict=True):
        figures = compared.column(column)[function.__name__]
        assert figures.worst_ulp > 7
        assert spot[0] < figures.worst_at < spot[1]
        other = {"value": "derivative", "derivative": "value"}[column]
        assert compared.column(other)[function.__name__].worst_ulp < 1


def test_nan_in_a_narrow_interval_is_counted(compiled):
    functions = [planted((2.0, 2.00003), "value", np.nan), planted((2.0, 2.00003), "derivative", np.nan)]
    compared = compiled(SILU).compare(against=functions, dtype="float32")
    assert compared.values[functions[0].__name__].nan > 0
    assert compared.gradients[functions[1].__name__].nan > 0
    assert compared.values[functions[1].__name__].nan == 0


@pytest.mark.parametrize("formula", ["Max(x - 1/3, 0)", "Min(Max(x+3,0),6)/6", "abs(x)*exp(-x^2)"])
def test_kinks_and_tails_raise_no_false_alarm(formula, compiled):
    compared = compiled(formula).compare(dtype="float32")
    assert compared.formats["float32"].screened.undecided == 0
    assert compared.gradients["symact"].worst_ulp < 8
    assert compared.values["symact"].worst_ulp < 8


def test_what_was_looked_at_is_said(compiled):
    activation = compiled(SILU)
    comparison = activation.compare(dtype=("float32", "float16", "float64"))
    screened = comparison.formats["float32"].screened
    assert screened.inputs > 3_000_000
    assert screened.narrowest_often < 1e-5
    assert comparison.formats["float16"].screened is None
    assert comparison.formats["float64"].screened is None
    assert comparison.as_dict()["formats"]["float32"]["screened"]["inputs"] == screened.inputs
    for shown in (comparison_text(comparison), page(comparison, activation.compilation)):
        assert f"{screened.inputs:,} inputs" in shown
        assert "--exhaustive" in shown


def test_where_the_truth_is_beyond_the_screen_the_emitted_form_stands_in(compiled):
    comparison = compiled("sin(x)").compare(against="tf.sin", dtype="float32")
    assert comparison.formats["float32"].screened.undecided > 0
    assert comparison.values["symact"].worst_ulp < 8


def test_a_narrow_domain_is_looked_at_number_by_number(compiled):
    comparison = compiled("log(x)", domain=(1000.0, 1010.0)).compare(dtype="float32")
    screened = comparison.formats["float32"].screened
    assert screened.inputs == 10 * 2**14 - 1
