"""Comparison: it finds where a gradient fails, and raises no false alarm where nothing does."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from symact.errors import AccuracyError, OptionError, SymactError
from symact.report import comparison_text
from symact.rivals import resolve, rivals

MISH = "x*tanh(log(1+exp(x)))"
ELU = "Piecewise((x, x > 0), (exp(x) - 1, True))"


def test_autodiff_of_naive_mish_is_nan_and_symact_is_not(compiled):
    comparison = compiled(MISH).compare(samples=3000, dtype="float32")
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
    "formula",
    [
        "Max(x, 0)",
        "abs(x)",
        "Piecewise((x, x >= 0), (0.1*x, True))",
        "Min(Max(x+3,0),6)/6",
    ],
)
def test_kinks_raise_no_false_alarm(formula, compiled):
    comparison = compiled(formula).compare(samples=2000)
    assert comparison.kinks
    for name in comparison.formats:
        assert comparison.formats[name].gradients["symact"].worst_ulp <= 1
        assert comparison.formats[name].second_derivatives["symact"].worst_ulp == 0
    assert comparison.gradients["autodiff"].worst_ulp <= 2
    comparison.assert_accurate(4)


def test_a_kink_between_two_numbers_raises_no_false_alarm(compiled):
    comparison = compiled("Max(x - 1/3, 0)").compare(samples=2000)
    for compared in comparison.formats.values():
        for name in ("symact", "autodiff"):
            assert compared.gradients[name].worst_ulp <= 1


def test_the_other_sides_derivative_is_right_at_a_kink_and_nothing_else(compiled):
    @tf.custom_gradient
    def other_side(x):
        return tf.maximum(x, 0.0), lambda up: up * tf.cast(x >= 0, x.dtype)

    @tf.custom_gradient
    def too_far(x):
        return tf.maximum(x, 0.0), lambda up: up * tf.where(x == 0, 1.5, tf.cast(x >= 0, x.dtype))

    comparison = compiled("Max(x, 0)").compare(against=[other_side, too_far], samples=600, dtype="float32")
    assert comparison.gradients["other_side"].worst_ulp == 0
    assert comparison.gradients["too_far"].worst_ulp > 1e6
    assert comparison.gradients["too_far"].worst_at == 0


def test_a_planted_error_in_a_narrow_interval_is_found(compiled):
    @tf.custom_gradient
    def planted(x):
        def gradient(upstream):
            slope = 4.0 / tf.square(tf.exp(x) + tf.exp(-x))
            return upstream * tf.where((x > 1.5) & (x < 1.75), slope * (1 + 1e-6), slope)

        return tf.tanh(x), gradient

    comparison = compiled("tanh(x)").compare(against=planted, dtype="float32", samples=12000)
    around = {row.low: row.gradients["planted"] for row in comparison.ranges}
    assert around[1.0].worst_ulp > 8
    assert 1.5 < around[1.0].worst_at < 1.75
    assert around[0.001].worst_ulp < 8


# Worst ULP of value and derivative over the normal range, measured independently with Arb.
SHIPPED = [
    (ELU, "tf.nn.elu", 1e7, 1e7),
    ("tanh(x)", "tf.tanh", 4, 1e7),
    ("1/(1+exp(-x))", "tf.sigmoid", 5, 1e7),
    (MISH, "keras.activations.mish", 5, 1e4),
    ("(x + sqrt(x**2 + 4))/2", "keras.activations.squareplus", 1e7, 1e6),
]


@pytest.mark.parametrize(("formula", "name", "value", "derivative"), SHIPPED)
def test_shipped_functions_have_the_errors_they_are_known_for(formula, name, value, derivative, compiled):
    comparison = compiled(formula).compare(against=name, dtype="float32")
    assert value <= comparison.values[name].worst_ulp
    assert derivative <= comparison.gradients[name].worst_ulp
    if value < 10:  # away from where its own intermediate results are flushed to zero
        rows = [row.values[name] for row in comparison.ranges if -20 <= row.low < 20]
        assert max(figures.worst_ulp for figures in rows) < 10
    assert name in comparison_text(comparison)


def test_every_number_of_the_half_formats_is_tried(compiled):
    comparison = compiled("tanh(x)").compare(dtype=("float16", "bfloat16"), against="tf.tanh")
    # All finite ones: 2**16 less two infinities, the NaNs and the second zero; bfloat16's alike.
    assert comparison.formats["float16"].inputs == 2**16 - 2**11 - 1
    assert comparison.formats["bfloat16"].inputs == 2**16 - 2**8 - 1
    for compared in comparison.formats.values():
        assert compared.coverage == "all"
        assert compared.values["symact"].correctly_rounded > 0.99
        assert compared.gradients["tf.tanh"].wrong_zero > 100
        assert sum(row.values["symact"].count for row in compared.ranges) >= compared.inputs


def test_counts_of_wrong_zero_and_wrong_sign(compiled):
    def doubtful(x):
        return tf.where(tf.abs(x) < 1e-3, 0.0, tf.where(x > 3, -x, x))

    comparison = compiled("x").compare(against=doubtful, dtype="float16")
    figures = comparison.values["doubtful"]
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float64)
    assert figures.wrong_zero == np.sum((np.abs(halves) < 1e-3) & (np.abs(halves) >= 2.0**-14))
    assert figures.wrong_sign == np.sum((halves > 3) & np.isfinite(halves))


def test_a_contender_that_fails_says_so_and_the_others_go_on(compiled, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nimport tensorflow as tf\n"
        "def no_tape(x):\n    return tf.constant(np.tanh(x.numpy()))\n"
        "def raises(x):\n    raise RuntimeError('out of order')\n"
        "def sums(x):\n    return tf.reduce_sum(x)\n"
        "NUMBER = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    names = ["mine:no_tape", "mine.raises", "mine:sums", "mine:absent", "nowhere:f", "mine:NUMBER", "tf.tanh"]
    comparison = compiled("tanh(x)").compare(against=names, dtype="float32", samples=600)
    problems = comparison.problems
    assert "mine:no_tape" in comparison.values
    assert "no path" in problems["mine:no_tape"]["derivative"]
    assert "out of order" in problems["mine.raises"]["value"]
    assert "shape" in problems["mine:sums"]["value"]
    assert "no attribute 'absent'" in problems["mine:absent"]["value"]
    assert "no module 'nowhere'" in problems["nowhere:f"]["value"]
    assert "not callable" in problems["mine:NUMBER"]["value"]
    assert "tf.tanh" in comparison.second_derivatives
    text = comparison_text(comparison)
    assert "mine.raises: not compared: RuntimeError: out of order" in text
    # A contender that cannot be judged has not passed.
    with pytest.raises(AccuracyError, match="out of order"):
        comparison.assert_accurate(1e30)


@pytest.mark.parametrize("name", ["os", "a b", "1.2", "x:", ":f", "__import__('os')"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(OptionError):
        resolve(name)


def test_assert_accurate_judges_symact_and_against_but_not_autodiff(compiled):
    activation = compiled(ELU)
    comparison = activation.compare(dtype="float32", samples=1200)
    comparison.assert_accurate(max_ulp=4)
    with pytest.raises(
        AssertionError, match=r"tf.nn.elu, value in float32: 1\.\d+e\+07 ULP at x = -"
    ) as caught:
        activation.compare(dtype="float32", against="tf.nn.elu", samples=1200).assert_accurate()
    assert isinstance(caught.value, SymactError)


@pytest.mark.parametrize(
    "options", [{"dtype": ("float32", "bfloat16")}, pytest.param({}, marks=pytest.mark.slow)]
)
def test_the_same_seed_gives_the_same_figures(options, compiled):
    activation = compiled("tanh(x)")
    assert activation.compare(samples=500, **options) == activation.compare(samples=500, **options)


def test_the_domain_limits_the_ranges(compiled):
    comparison = compiled("x*log(x)", domain=(0.0, float("inf"))).compare(samples=1200, dtype="float32")
    assert comparison.ranges[0].low == 0.0
    assert all(row.x > 0 for row in comparison.points)
    assert {row.x for row in comparison.formats["float32"].specials if row.x == row.x} == {math.inf}


@pytest.mark.parametrize("domain", [(2.0, 3.0), (1000.0, 1001.0)])
def test_a_narrow_domain_is_compared_and_drawn(domain, compiled):
    comparison = compiled("log(x)", domain=domain).compare(samples=300)
    assert domain[0] < comparison.values["symact"].worst_at < domain[1]
    assert len(comparison.curves.x) > 100
    assert comparison.formats["float16"].inputs > 0
    comparison_text(comparison)


def test_parameters_are_compared_at_their_defaults(compiled):
    comparison = compiled("x/(1+exp(-b*x))", params={"b": 1.0}).compare(
        against="keras.activations.silu", dtype="float32", samples=1200
    )
    assert comparison.parameters == {"b": 1.0}
    rows = [row.values["keras.activations.silu"] for row in comparison.ranges if -20 <= row.low < 20]
    assert max(figures.worst_ulp for figures in rows) < 10


def test_figures_as_data_are_strict_json(compiled):
    figures = compiled(MISH).compare(samples=600, dtype=("float32", "float64")).as_dict()
    text = json.dumps(figures, allow_nan=False)
    assert json.loads(text)["schema"] == 1
    assert figures["formats"]["float32"]["gradients"]["autodiff"]["nan"] > 0
    assert list(figures["formats"]) == ["float32", "float64"]


def test_unknown_options_are_refused(compiled):
    with pytest.raises(OptionError, match="float8"):
        compiled("tanh(x)").compare(dtype="float8")
    with pytest.raises(OptionError, match="against"):
        compiled("tanh(x)").compare(against=[3])


def test_functions_of_libraries_are_called_as_people_call_them():
    keras = pytest.importorskip("keras")

    def own(x):
        return x * tf.sigmoid(x)

    given = [tf.nn.silu, keras.activations.silu, tf.sigmoid, own]
    assert [rival.name for rival in rivals(given)] == [
        "tf.nn.silu",
        "keras.activations.silu",
        "tf.sigmoid",
        "own",
    ]
    for rival, function in zip(rivals(given[:3]), given, strict=False):
        assert resolve(rival.name) is function
    assert [rival.name for rival in rivals({"mine": tf.nn.silu})] == ["mine"]
