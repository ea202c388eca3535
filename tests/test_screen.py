"""The screen: proven means that Arb, asked point by point, never says otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from symact.judge import Judge, _plain_errors
from symact.parse import parse
from symact.screen import MARGIN
from symact.stabilize.formats import FLOAT32
from symact.stabilize.score import ulp_error

FORMULAS = [
    "x*tanh(log(1+exp(x)))",
    "log(1+exp(x))",
    "1/(1+exp(-x))",
    "x*erfc(-x/sqrt(2))/2",
    "0.5*x*(1+tanh(sqrt(2/pi)*(x+0.044715*x**3)))",
    "tanh(x)",
    "sinh(x)/cosh(x)",
    "log(cosh(x))",
    "x - tanh(x)",
    "Piecewise((x, x > 0), (exp(x) - 1, True))",
    "Max(x, 0)**2*exp(-x**2)",
    "(x + sqrt(x**2+4))/2",
    "x/(1+abs(x))",
    "x**2/(exp(x)+exp(-x))",
    "exp(-x**2)",
    "sin(x)/x",
    "atan(x)*asinh(x)",
    "expm1(x)*log1p(x**2)",
    "exp(2*x)/(3+exp(2*x))",
    "sqrt(exp(x)+1) - 1",
    "sinh(2*x)/cosh(3*x)",
    "log(exp(x)+exp(-2*x))",
]

# Where a wave is shorter than the spacing of numbers, or all digits cancel, the screen gives up.
UNBOUNDED = {"sin(x)/x", "(x + sqrt(x**2+4))/2"}


@pytest.mark.parametrize("text", FORMULAS)
def test_the_screen_is_within_its_margin_everywhere(text):
    formula = parse(text, name="f", inputs=("x",), params=None, trainable=(), domain=None, axis=-1)
    judge = Judge(formula, FLOAT32, columns=3)
    random = np.random.default_rng(5)
    last = FLOAT32.ordinal(FLOAT32.max)
    # Dense stretches, as a sweep has them, at any magnitude; and numbers far apart.
    starts = [*random.integers(-last, last - 30_000, 25), FLOAT32.ordinal(-1.2), FLOAT32.ordinal(8.0)]
    dense = [np.arange(start, start + 20_000) for start in starts]
    far = np.sort(random.integers(-last, last, 3_000))
    for order in range(3):
        # As a sweep and as a look at a grid take them.
        screens = [judge.screen(order, most_single=3_000, most_intervals=1_500, length=n) for n in (9, 13)]
        for i, ordinals in enumerate((*dense, far) if text not in UNBOUNDED else (*dense[::6], far)):
            points = FLOAT32.number(ordinals)
            values, known = screens[i % 2].at(points)
            tried = random.choice(np.flatnonzero(known), 12) if known.any() else []
            if text not in UNBOUNDED:
                assert known.all(), points[~known][:3]
            high, low = judge.truths[order].at(points[tried])
            settled = ~np.isnan(high)
            unit = FLOAT32.ulp(high)
            with np.errstate(invalid="ignore"):  # infinite both
                off = np.abs((values[tried] - high) - low) / unit
            inside = np.abs(high) < 1.9 * FLOAT32.max
            assert np.all(off[settled & inside] <= MARGIN), points[tried][settled & inside]
            assert np.all(np.abs(values[tried])[settled & ~inside] > FLOAT32.max)


def test_errors_of_normal_numbers_are_the_same_the_short_way():
    random = np.random.default_rng(3)
    truth = np.ldexp(random.uniform(1, 2, 20_000), random.integers(-125, 127, 20_000))
    truth *= random.choice([-1, 1], truth.shape)
    results = FLOAT32.round(truth * (1 + random.normal(0, 1e-6, truth.shape)))
    quick = _plain_errors(results, truth, FLOAT32)
    assert quick is not None
    np.testing.assert_array_equal(quick, ulp_error(results, truth, np.zeros(truth.shape), FLOAT32))
    for odd in (0.0, np.nan, np.inf, 1e-38, 3.4028235e38):
        assert _plain_errors(results, np.append(truth[1:], odd), FLOAT32) is None
    assert _plain_errors(np.append(results[1:], np.nan), truth, FLOAT32) is None


@pytest.mark.parametrize("text", ["log(1+exp(x))", "x**2/(exp(x)+exp(-x))"])
def test_a_sparse_grid_in_the_tails_is_within_the_margin(text):
    formula = parse(text, name="f", inputs=("x",), params=None, trainable=(), domain=None, axis=-1)
    judge = Judge(formula, FLOAT32, columns=2)
    points = FLOAT32.round(np.linspace(-86.5, -60, 20_001))
    for order in range(2):
        values, known = judge.screen(order, length=13).at(points)
        assert known.all()
        high, _ = judge.truths[order].at(points[::10])
        assert np.all(np.abs(values[::10] - high) <= MARGIN * FLOAT32.ulp(high))
