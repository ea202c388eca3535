"""Comparison of vector–Jacobian products: its truth against 60 digits, what it finds, no false alarm."""

from __future__ import annotations

import json

import keras
import mpmath as mp
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from flint import arb, ctx

from symact.cli import cli
from symact.convert import FUNCTIONS
from symact.errors import AccuracyError, OptionError
from symact.exhaustive import exhaust
from symact.graph import node, var, walk
from symact.ops import OPS
from symact.page import page
from symact.parse import parse
from symact.plots import png
from symact.report import comparison_text
from symact.stabilize.formats import FLOAT32, FLOAT64
from symact.stabilize.truth import LOGIC
from symact.vjps.partials import PARTIALS
from symact.vjps.truth import VALUE, VjpTruth

SOFTMAX = "exp(x[i])/Sum(exp(x[j]),j)"
NORM = "sqrt(Sum(x[j]^2,j))"
LAYER_NORM = "(x[i]-Mean(x[j],j))/sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+0.000001)"


def _mean(x):
    return mp.fsum(x) / len(x)


# formula: inputs, parameters, and the same at any precision, as a function of lists.
EXACT = {
    SOFTMAX: ("x", {}, lambda x: [mp.exp(a) / mp.fsum(map(mp.exp, x)) for a in x]),
    NORM: ("x", {}, lambda x: [mp.sqrt(mp.fsum(a * a for a in x))]),
    "Sum(exp(t*x[j]),j)*x[i]": (
        "x",
        {"t": 0.75},
        lambda x, t: [mp.fsum(mp.exp(t[0] * a) for a in x) * b for b in x],
    ),
    "ReduceMax(x[j],j)*x[i] - ReduceMin(erf(x[j]),j)": (
        "x",
        {},
        lambda x: [max(x) * a - min(map(mp.erf, x)) for a in x],
    ),
    LAYER_NORM: (
        "x",
        {},
        lambda x: [
            (a - _mean(x)) / mp.sqrt(_mean([(b - _mean(x)) ** 2 for b in x]) + mp.mpf("0.000001")) for a in x
        ],
    ),
    "a*tanh(b)+log(1+a^2)^b": (
        "ab",
        {},
        lambda a, b: [a[0] * mp.tanh(b[0]) + mp.log(1 + a[0] ** 2) ** b[0]],
    ),
    "a/(1+exp(-beta*b))": ("ab", {"beta": 1.5}, lambda a, b, beta: [a[0] / (1 + mp.exp(-beta[0] * b[0]))]),
    "Sum(a[j]*b[j],j)/n": ("ab", {}, lambda a, b: [_mean([p * q for p, q in zip(a, b, strict=True)])]),
}


@pytest.mark.parametrize("formula", EXACT)
def test_truth_is_what_difference_quotients_come_to(formula):
    names, params, function = EXACT[formula]
    parsed = parse(formula, inputs=tuple(names), params=params, trainable=tuple(params))
    random = np.random.default_rng(5)
    size = 4 if parsed.is_vector else 1
    inputs = {name: random.normal(size=size) for name in names} | {
        n: np.array([v]) for n, v in params.items()
    }
    with mp.workdps(90):
        point = {name: [mp.mpf(v) for v in values.tolist()] for name, values in inputs.items()}
        values = function(*point.values())
        cotangents = np.concatenate([np.eye(len(values)), random.normal(size=(2, len(values)))])
        rows = VjpTruth(parsed, FLOAT64).at(inputs, cotangents)
        step = mp.mpf(10) ** -30
        for name, elements in point.items():
            slopes = []
            for i in range(len(elements)):
                sides = [
                    function(
                        *({**point, name: [e + s * step * (j == i) for j, e in enumerate(elements)]}).values()
                    )
                    for s in (1, -1)
                ]
                slopes.append([(p - q) / (2 * step) for p, q in zip(*sides, strict=True)])
            for cotangent, row in zip(cotangents, rows[name], strict=True):
                for i, slope in enumerate(slopes):
                    true = mp.fdot(slope, [mp.mpf(float(u)) for u in cotangent])
                    size_of = max(abs(true), mp.mpf(row.scale) * mp.mpf(2) ** -20)
                    assert (
                        abs(mp.mpf(row.high[i]) + mp.mpf(row.rest[i]) - true) <= size_of * mp.mpf(10) ** -25
                    )
                    assert row.low[i] == row.high[i]
        for found, value in zip(rows[VALUE][0].high + rows[VALUE][0].rest, values, strict=True):
            assert abs(found - value) <= abs(value) * 2.0**-50


def test_every_op_that_a_formula_can_hold_has_its_partial_derivatives():
    made = {"add", "sub", "mul", "div", "neg", "pow", "square", "sqrt", "expm1", "log1p"}
    for build in FUNCTIONS.values():
        for count in (1, 2):
            try:
                made |= {step.op for step in walk([build(*map(var, "ab"[:count]))])}
            except (TypeError, AssertionError):
                continue
    assert made - {"var", "const"} - LOGIC.keys() <= PARTIALS.keys()
    assert set(PARTIALS) <= set(OPS)


@pytest.mark.parametrize("op", sorted(PARTIALS))
def test_partial_derivatives_are_those_of_the_op(op):
    apply, step = OPS[op].arb, arb(2) ** -100
    before, ctx.prec = ctx.prec, 400
    try:
        place = [arb(1.75), arb(2.625)] if op in ("acosh", "pow", "log") else [arb(0.375), arb(0.625)]
        arguments = place[: OPS[op].arity]
        assert len(PARTIALS[op]) == len(arguments) == len(node(op, *map(var, "ab"[: len(arguments)])).args)
        for i, partial in enumerate(PARTIALS[op]):
            moved = [
                apply(*(a + s * step if j == i else a for j, a in enumerate(arguments))) for s in (1, -1)
            ]
            quotient = (moved[0] - moved[1]) / (2 * step)
            assert abs(partial(*arguments, apply(*arguments)) - quotient) < arb(2) ** -150
    finally:
        ctx.prec = before


def test_where_autodiff_of_formulas_over_an_axis_fails(compiled):
    softmax = compiled(SOFTMAX).compare(dtype="float32", against="tf.nn.softmax", samples=6000)
    kinds = {row.kind: row.columns["d/dx"] for row in softmax.kinds}
    assert kinds["huge"]["autodiff"].nan == kinds["huge"]["autodiff"].count > 0
    assert kinds["ordinary"]["autodiff"].nan == 0
    assert kinds["ordinary"]["tf.nn.softmax"].worst_ulp < 8
    for column in softmax.columns.values():
        assert column["symact"].nan == column["symact"].inf == 0
        assert column["symact"].worst_of_jacobian < 16
    norm = compiled(NORM).compare(dtype="float32", samples=6000)
    kinds = {row.kind: row.columns for row in norm.kinds}
    assert kinds["zero"]["d/dx"]["autodiff"].nan > 0
    assert kinds["zero"]["d/dx"]["symact"].nan == 0
    assert kinds["tiny"]["value"]["autodiff"].wrong_zero > 0
    norm.assert_accurate(4)


@pytest.mark.parametrize(
    ("formula", "inputs"),
    [
        ("ReduceMax(x[j],j)", "x"),
        ("x[i]-ReduceMax(x[j],j)", "x"),
        ("Sum(abs(x[j]),j)", "x"),
        ("Max(x[i]-Mean(x[j],j),0)", "x"),
        ("Max(a,0)*b", "ab"),
        ("Max(a,b)", "ab"),
        ("Piecewise((a*b, a > 1/3), (a*b/10, True))", "ab"),
        ("Min(Max(a+3,0),6)*b", "ab"),
    ],
)
def test_kinks_and_ties_raise_no_false_alarm(formula, inputs, compiled):
    comparison = compiled(formula, inputs=tuple(inputs)).compare(dtype=("float32", "bfloat16"), samples=4000)
    for compared in comparison.formats.values():
        for column, by_name in compared.columns.items():
            if column != VALUE:
                figures = by_name["symact"]
                assert figures.nan == figures.inf == 0
                assert figures.worst_of_jacobian <= 2


def test_nothing_but_what_lies_between_the_sides_is_right_at_a_tie(compiled):
    @tf.custom_gradient
    def too_much(x):
        y = tf.reduce_max(x, -1)
        return y, lambda up: up[..., None] * tf.cast(x == y[..., None], x.dtype) * 1.5

    comparison = compiled("ReduceMax(x[j],j)").compare(against=too_much, dtype="float32", samples=2000)
    kinds = {row.kind: row.columns["d/dx"]["too_much"] for row in comparison.kinds}
    assert kinds["equal"].worst_ulp > 1e6
    assert kinds["ordinary"].worst_ulp > 1e6


def test_a_planted_error_of_a_vector_is_found_where_it_is(compiled):
    @tf.custom_gradient
    def planted(x):
        y = tf.nn.softmax(x)

        def gradient(up):
            wrong = tf.where(tf.reduce_max(tf.abs(x), -1, keepdims=True) < 1e-20, 1 + 2e-5, 1.0)
            return wrong * y * (up - tf.reduce_sum(up * y, -1, keepdims=True))

        return y, gradient

    comparison = compiled(SOFTMAX).compare(against=planted, dtype="float32", samples=4000)
    kinds = {row.kind: row.columns["d/dx"]["planted"].worst_ulp for row in comparison.kinds}
    assert kinds["tiny"] > 80
    assert kinds["zero"] > 80
    assert kinds["ordinary"] < 16


def test_a_planted_error_of_one_input_is_found(compiled):
    @tf.custom_gradient
    def planted(a, b):
        s = tf.sigmoid(a)

        def gradient(up):
            return up * b * s * (1 + a * (1 - s)), up * a * s * tf.where((b > 2) & (b < 3), 1 + 2e-6, 1.0)

        return a * b * s, gradient

    swiglu = compiled("a*b/(1+exp(-a))", inputs=("a", "b"))
    comparison = swiglu.compare(against=planted, dtype="float32")
    kinds = {row.kind: row.columns["d/db"]["planted"] for row in comparison.kinds}
    found = kinds["b 1 … 20"]
    assert found.worst_ulp > 16
    usual = [kinds[kind].worst_ulp for kind in ("b -1 … 0", "b 0 … 1", "b -20 … -1")]
    near = swiglu.compare(against=planted, dtype="float32").columns["d/db"]["symact"].worst_ulp
    assert near < 4
    assert 2 < found.worst_at.inputs["b"][0] < 3 or max(usual) > 16


def test_trainable_parameters_have_a_column_of_their_own(compiled):
    def close(x, beta=1.0):
        return x / (1 + tf.exp(-beta * x))

    @tf.custom_gradient
    def _wrong(x, beta):
        s = tf.sigmoid(beta * x)
        return x * s, lambda up: (up * s * (1 + beta * x * (1 - s)), up * x * x * s * (1 - s) * 1.0001)

    def wrong(x, beta):
        return _wrong(x, beta)

    swish = compiled("x/(1+exp(-beta*x))", params={"beta": 1.0}, trainable=("beta",))
    comparison = swish.compare(
        against=[close, wrong, "keras.activations.silu"], dtype="float32", samples=3000
    )
    by_beta = comparison.parameter_gradients["d/dbeta"]
    assert by_beta["symact"].worst_ulp < 8
    assert by_beta["autodiff"].nan > 100
    assert "keras.activations.silu" not in by_beta
    near = [row.parameter_gradients["d/dbeta"] for row in comparison.ranges if -5 <= row.low < 5]
    assert max(figures["close"].worst_ulp for figures in near[3:]) < 100
    assert all(figures["wrong"].worst_ulp > 800 for figures in near)
    complaints = comparison.complaints(20)
    assert any(c.startswith("wrong, d/dbeta") for c in complaints)
    assert not any("silu, d/dbeta" in c for c in complaints)
    assert "d/dbeta in float32: worst error" in comparison_text(comparison)
    prelu = compiled("Piecewise((x, x >= 0), (alpha*x, True))", params={"alpha": 0.25}, trainable=("alpha",))
    prelu.compare(samples=1500).assert_accurate(1)


def test_parameters_of_formulas_over_an_axis(compiled):
    scaled = compiled(
        "g[i]*x[i]/sqrt(Mean(x[j]^2,j)+eps)", params={"g": 1.0, "eps": 1e-6}, trainable=("g",)
    ).compare(dtype="float32", samples=4000)
    assert list(scaled.columns) == ["value", "d/dx", "d/dg"]
    assert scaled.columns["d/dg"]["symact"].worst_ulp < 4


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_the_axis_is_the_formulas_own(axis, compiled):
    def theirs(x):
        return tf.nn.softmax(x, axis)

    def norm(x):
        return tf.norm(x, axis=axis)

    found = compiled(SOFTMAX, axis=axis).compare(dtype="float32", against=theirs, samples=2000)
    assert {row.kind: row for row in found.kinds}["ordinary"].columns["d/dx"]["theirs"].worst_ulp < 8
    found = compiled(NORM, axis=axis).compare(dtype="float32", against=norm, samples=2000)
    assert {row.kind: row for row in found.kinds}["ordinary"].columns["d/dx"]["norm"].worst_ulp < 8
    assert found.columns["d/dx"]["symact"].worst_ulp < 4


def test_contenders_that_fail_say_so_and_the_others_go_on(compiled):
    def raises(x):
        raise RuntimeError("out of order")

    def leaves(x):
        return tf.constant(tf.nn.softmax(x).numpy())

    comparison = compiled(SOFTMAX).compare(
        against=[raises, leaves, "nowhere:f", "tf.norm", "tf.nn.softmax"], dtype="float32", samples=2000
    )
    assert comparison.problems["raises"]["value"] == "RuntimeError: out of order"
    assert "no path" in comparison.problems["leaves"]["d/dx"]
    assert comparison.values["leaves"].worst_ulp < 4
    assert "no module" in comparison.problems["nowhere:f"]["value"]
    assert "shape" in comparison.problems["tf.norm"]["d/dx"]
    assert comparison.columns["d/dx"]["tf.nn.softmax"].count > 100
    text = comparison_text(comparison)
    assert "raises: not compared: RuntimeError: out of order" in text
    assert "leaves: not compared (d/dx in float32): " in text
    with pytest.raises(AccuracyError, match="out of order"):
        comparison.assert_accurate(1e30)


def test_the_figures_are_strict_json_and_the_same_for_the_same_seed(compiled):
    activation = compiled("a/(1+exp(-b))", inputs=("a", "b"))
    comparison = activation.compare(dtype=("float32", "float16"), samples=1000)
    assert comparison == activation.compare(dtype=("float32", "float16"), samples=1000)
    figures = json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    assert figures["schema"] == 2
    assert "largest element" in figures["unit"]
    worst = figures["formats"]["float32"]["columns"]["d/da"]["symact"]
    assert worst["worst_ulp"] < 8
    assert set(worst["worst_at"]["inputs"]) == {"a", "b"}


def test_the_domain_holds_for_every_element(compiled):
    comparison = compiled("Sum(x[j]*log(x[j]),j)", domain=(0.0, float("inf"))).compare(
        dtype="float32", samples=2000
    )
    assert "zero" not in {row.kind for row in comparison.kinds}
    assert min(comparison.values["symact"].worst_at.inputs["x"]) > 0
    assert comparison.columns["d/dx"]["symact"].nan == 0


def test_the_command_line_shows_draws_and_judges(tmp_path, monkeypatch, compiled):
    monkeypatch.chdir(tmp_path)
    given = ["compare", NORM, "--dtype", "float32", "--plot", "n.png", "--html", "n.html"]
    done = CliRunner().invoke(cli, [*given, "--fail-above", "4"])
    assert done.exit_code == 0, done.output
    assert "d/dx in float32: worst error in ULP by kind of point" in done.output
    assert "Errors are in ULP of the largest element of the true result" in done.output
    text = (tmp_path / "n.html").read_text()
    assert text.count("<table>") == 3
    assert "one-hot-large" in text
    (tmp_path / "norms.py").write_text(
        "import tensorflow as tf\ndef norm(x):\n    return tf.norm(x, axis=-1)\n"
    )
    done = CliRunner().invoke(
        cli, ["compare", NORM, "--dtype", "float32", "--against", "norms:norm", "--fail-above", "4", "--json"]
    )
    assert isinstance(done.exception, AccuracyError)
    assert "norms:norm, d/dx in float32: 3 NaN" in str(done.exception) or "NaN and" in str(done.exception)
    json.loads(done.output)


def test_views_of_a_gated_pair(compiled):
    activation = compiled("a*b/(1+exp(-a))", inputs=("a", "b"))
    comparison = activation.compare(dtype="float32", samples=800)
    assert png(comparison).startswith(b"\x89PNG")
    text = page(comparison, activation.compilation)
    assert "∂" in text
    assert text.count("<math") == 3
    assert "<table>" in comparison._repr_html_()
    assert "<math" in activation._repr_html_()


def test_a_sweep_needs_one_elementwise_input(compiled, tmp_path):
    with pytest.raises(OptionError, match="Sum"):
        exhaust(compiled(NORM).compilation, resume=tmp_path / "j")
    done = CliRunner().invoke(cli, ["compare", "a*b", "--inputs", "a,b", "--exhaustive"])
    assert "'a*b'" in str(done.exception)


def test_keras_glu_is_compared_as_a_function_of_two(compiled):
    def glu(a, b):
        return keras.activations.glu(tf.stack([a, b], -1), axis=-1)[..., 0]

    comparison = compiled("a/(1+exp(-b))", inputs=("a", "b")).compare(
        against=glu, dtype="float32", samples=1000
    )
    rows = {row.kind: row.columns for row in comparison.kinds}
    assert rows["b 0 … 1"]["d/da"]["glu"].worst_ulp < 8
    assert FLOAT32.name == comparison.dtype
