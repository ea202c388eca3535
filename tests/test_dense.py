"""The screening: errors in intervals that no sample hits are found, and nothing is that is none."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from symact.page import page
from symact.report import comparison_text
from symact.stabilize.formats import ALL_FORMATS

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


def hand_written(spot):
    """Softplus with TensorFlow's own gradient, but for a relative error of 1e-6 in one interval."""

    @tf.custom_gradient
    def softplus(x):
        off = tf.where((x > spot[0]) & (x < spot[1]), tf.constant(1 + 1e-6, x.dtype), tf.ones((), x.dtype))
        return tf.nn.softplus(x), lambda up: up * tf.sigmoid(x) * off

    softplus.__name__ = f"softplus {spot}"
    return softplus


@pytest.mark.slow
def test_an_error_of_a_millionth_on_a_thousandth_is_found_by_default(compiled):
    spots = [(start, start + 1e-3) for start in (-80.0, -27.0, -3.0, -0.01, 0.3, 1.0, 7.0, 25.0, 60.0)]
    functions = [hand_written(spot) for spot in spots]
    comparison = compiled("log(1+exp(x))").compare(against=functions, dtype=("float32", "float64"))
    for spot, function in zip(spots, functions, strict=True):
        for compared, least in zip(comparison.formats.values(), (7.9, 1e9), strict=True):
            figures = compared.gradients[function.__name__]
            assert figures.worst_ulp > least, (spot, figures)
            assert spot[0] < figures.worst_at < spot[1]
    # All that float64 can tell apart, and Arb decides in the end.
    assert comparison.formats["float64"].gradients["symact"].worst_ulp < 4


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


def test_blocks_without_a_finite_result_do_not_hide_the_rest(compiled):
    def textbook(x):
        return (x + tf.sqrt(x * x + 4)) / 2  # infinite below -1.8e19, and altogether wrong near -1e4

    compared = compiled("(x+sqrt(x^2+4))/2").compare(against=textbook, dtype="float32")
    first = compared.ranges[0].values["textbook"]
    assert first.inf > 0
    assert first.worst_ulp > 5e7
    assert -20_000 < first.worst_at < -5_000


def test_nan_in_a_narrow_interval_is_counted(compiled):
    functions = [planted((2.0, 2.00003), "value", np.nan), planted((2.0, 2.00003), "derivative", np.nan)]
    compared = compiled(SILU).compare(against=functions, dtype="float32")
    assert compared.values[functions[0].__name__].nan > 0
    assert compared.gradients[functions[1].__name__].nan > 0
    assert compared.values[functions[1].__name__].nan == 0


# Where the kink is no number of the format, the value close to it is all rounding of the kink: float32 only.
KINKED = {
    "Max(x, 0)": ALL_FORMATS,
    "Max(x, x/10)": ALL_FORMATS,
    "abs(x)": ALL_FORMATS,
    "x*Min(Max(x+3,0),6)/6": ALL_FORMATS,
    "Piecewise((x, x > 0), (exp(x) - 1, True))": ALL_FORMATS,
    "Min(Max(x+3,0),6)/6": ALL_FORMATS,
    "Piecewise((0, x < -1/3), (x + 1/3, x < 2/7), (13/21, True))": ["float32"],
    "Max(x - 1/3, 0)": ["float32"],
}


@pytest.mark.parametrize("formula", KINKED)
def test_kinks_and_tails_raise_no_false_alarm(formula, compiled):
    compared = compiled(formula).compare(dtype=list(KINKED[formula]))
    assert compared.formats["float32"].screened.undecided == 0
    compared.assert_accurate(4)


def test_a_library_s_functions_with_a_kink_are_right(compiled):
    for formula, function in {"Max(x, 0)": tf.nn.relu, "abs(x)": tf.abs}.items():
        compiled(formula).compare(against=function).assert_accurate(0.5)


def test_what_was_looked_at_is_said(compiled):
    activation = compiled(SILU)
    comparison = activation.compare(dtype=("float32", "float16", "float64"))
    screened = comparison.formats["float32"].screened
    assert screened.inputs > 3_000_000
    assert screened.narrowest_often < 2e-5
    assert comparison.formats["float16"].screened is None
    wide = comparison.formats["float64"].screened
    assert wide.inputs > 1_000_000
    assert screened.smallest_ulp < 1e-5 < 1000 < wide.smallest_ulp
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
