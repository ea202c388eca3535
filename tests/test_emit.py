"""The emitted module: stands alone, reads well, and does to every dtype what it says."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import symact
from symact.compiler import translate
from symact.emit.axis_helpers import HELPERS
from symact.emit.fit import fitted
from symact.emit.function import ARGUMENT_HELPERS
from symact.emit.gradients import GRADIENT_HELPERS
from symact.emit.module import KERNEL_HELPERS
from symact.emit.printer import body
from symact.graph import const, node, var

x = var("x")

FORMULAS = {
    "x*tanh(log(1+exp(x)))": {},
    "x*(1+erf(x/sqrt(2)))/2": {},
    "Piecewise((x, x >= 0), (a*x, True))": {"a": 0.1},
    "x/(1+exp(-beta*x)) + c": {"beta": 1.0, "c": 1e-30},
    "x": {},
    "3/7": {},
    "Piecewise((1, And(x > 0, x < 1)), (2, Eq(x, 5)), (0.1, True))": {},
    "x*atan(x*a_name_of_some_length) + another_long_name*x": {
        "a_name_of_some_length": 1.5,
        "another_long_name": 0.5,
    },
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_module_is_clean_and_imports_nothing_else(formula, tmp_path, compiled):
    activation = compiled(formula, params=FORMULAS[formula], name="my_activation")
    path = tmp_path / "my_activation.py"
    activation.save(path)
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--quiet", str(path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tree = ast.parse(activation.source)
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert imported == {"keras", "tensorflow"}
    assert max(map(len, activation.source.splitlines())) <= 88


def test_a_constant_beyond_float32_is_infinite_there():
    activation = symact.compile("x + 1e39", name="far", order=1)
    assert np.isposinf(activation(np.float32(1.0)).numpy())
    assert activation(np.float64(1.0)).numpy() == 1e39


def test_docstring_says_what_it_is():
    activation = symact.compile("Max(x, 0)", name="ramp")
    text = activation.module.__doc__
    for part in ("Max(x, 0)", "Derivative", "kink at x = 0", "0 is taken there", "float64"):
        assert part in text


PRINTED = [
    (x - (const(1) - x), "x - (1.0 - x)"),
    ((x - const(1)) - x, "x - 1.0 - x"),
    (x / (x * x), "x / (x * x)"),
    (-(x * x), "-(x * x)"),
    ((-x) * x, "-x * x"),
    (x + (x + const(2)), "x + (x + 2.0)"),
    (x - const(-2), "x + 2.0"),
    (node("exp", const(1) / const(3) * x), "tf.exp(0.3333333333333333 * x)"),
    (node("max", const(0), x), "tf.maximum(x, 0.0)"),
    (
        node("where", node("lt", x, 0), const(0), const(1)),
        "tf.where(x < 0.0, tf.constant(0.0, x.dtype), 1.0)",
    ),
    (const(1), "tf.ones_like(x)"),
    (const(0), "tf.zeros_like(x)"),
]


@pytest.mark.parametrize(("graph", "text"), PRINTED, ids=lambda value: str(value)[:40])
def test_printing_keeps_the_order_of_operations(graph, text):
    assert body(graph, "x", {"x", "tf"}, narrow=False)[-1] == f"return {text}"


def test_constants_have_the_digits_of_their_format():
    assert body(x * const(1) / const(3) * const(0.1), "x", {"x"}, narrow=True)[-1].endswith("0.1")
    assert "0.3333333333333333" in body(const(1) / const(3) + x, "x", {"x"}, narrow=False)[-1]
    assert "0.33333334" in body(const(1) / const(3) + x, "x", {"x"}, narrow=True)[-1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_result_and_gradient_have_the_inputs_dtype_and_shape(formula, dtype, compiled):
    activation = compiled(formula, params=FORMULAS[formula])
    for shape in ((2, 3), (), (0, 4), (1, 1, 5)):
        point = tf.cast(tf.fill(shape, 0.25), dtype)
        with tf.GradientTape() as outer:
            outer.watch(point)
            with tf.GradientTape() as inner:
                inner.watch(point)
                y = activation(point)
            slope = inner.gradient(y, point)
        curvature = outer.gradient(slope, point)
        for tensor in (y, slope, curvature):
            assert (tensor.dtype, tensor.shape) == (point.dtype, point.shape)


@pytest.mark.parametrize("given", [[1, 2], np.array([1]), True, "text", np.array([1j])])
def test_input_that_is_not_floating_is_refused(given, compiled):
    with pytest.raises(TypeError, match="floating-point input") as refusal:
        compiled("tanh(x)")(given)
    assert "\n" not in str(refusal.value)


def test_the_gradients_flow_through_the_upstream(compiled):
    activation = compiled("x*tanh(log(1+exp(x)))")
    point = tf.constant([0.3, -1.7], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(point)
        with tf.GradientTape() as inner:
            inner.watch(point)
            y = activation(point) ** 2
        slope = inner.gradient(y, point)
    second = outer.gradient(slope, point).numpy()
    step = 1e-6
    with tf.GradientTape(persistent=True) as tape:
        shifted = [point + step, point - step]
        tape.watch(shifted)
        values = [activation(s) ** 2 for s in shifted]
    slopes = [tape.gradient(v, s).numpy() for v, s in zip(values, shifted, strict=True)]
    np.testing.assert_allclose(second, (slopes[0] - slopes[1]) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("options", [{"order": 1, "residual": "derivative"}, {"order": 1}, {"order": 3}])
def test_orders_and_residuals(options):
    activation = symact.compile("tanh(x)", name="t", **options)
    point = tf.constant([0.5])
    with tf.GradientTape() as tape:
        tape.watch(point)
        y = activation(point)
    np.testing.assert_allclose(tape.gradient(y, point), 1 / np.cosh(0.5) ** 2, rtol=1e-6)


def test_a_derivative_that_is_kept_cannot_be_differentiated_again():
    with pytest.raises(symact.OptionError, match="order=1"):
        symact.compile("tanh(x)", residual="derivative")


TAPED = [
    ("x/(1+exp(-x))", {}, 1),
    ("Max(x,0.1*x)", {}, 1),
    ("x/(1+exp(-beta*x))", {"params": {"beta": 1.5}, "trainable": ("beta",)}, 1),
    ("a*b/(1+exp(-a))", {"inputs": ("a", "b")}, 2),
    ("exp(x[i])/Sum(exp(x[j]),j)", {}, 1),
    ("sqrt(Sum(x[j]^2,j))", {}, 1),
]


@pytest.mark.parametrize(("formula", "options", "inputs"), TAPED)
def test_a_tape_keeps_no_intermediate_result(formula, options, inputs, compiled, monkeypatch):
    activation = compiled(formula, **options)
    module, results = activation.module, []
    x = [tf.constant([[0.5, -1.0, 2.0]])] * inputs
    kernel = module._value

    def watched(*arguments):
        results.append(kernel(*arguments))
        return results[-1]

    monkeypatch.setattr(module, "_value", watched)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = activation(*x)
    assert tape.gradient(y, x[0]) is not None
    for result in tf.nest.flatten(results):
        assert tape.gradient(result, x[0]) is None


def test_names_that_do_not_fit_on_a_line_have_one_each():
    names = [f"a_rather_long_name_{i}" for i in range(5)]
    broken = fitted(f"def f(kept):\n    {', '.join(names)} = kept\n")
    assert broken == "def f(kept):\n    (\n" + "".join(f"        {n},\n" for n in names) + "    ) = kept\n"
    for line in ("    a, b = kept", f'        f"{"text, " * 20}"', f"    {'x' * 90}"):
        assert fitted(line) == line


def test_lines_of_helpers_fit():
    texts = {**HELPERS, **KERNEL_HELPERS, **GRADIENT_HELPERS, **ARGUMENT_HELPERS}
    lines = fitted("\n\n\n".join(texts.values())).splitlines()
    assert not [line for line in lines if len(line) > 88]


def test_a_scale_that_is_left_out_leaves_no_comparison():
    """In float64 sums of float32 need no scale; what depends on it is known then."""
    source = translate("a[i]*log(1+Mean(Abs(a[j]-b[j]),j))", inputs=("a", "b")).source
    assert "log1p(" in source
    assert "1.0 <= 1.0" not in source


def test_a_gradient_is_a_tensor_however_long_its_line(compiled):
    """Broken as several values are, a single one was a tuple of one."""
    options = {
        "params": {"a_weight_with_a_name_of_some_length": 1.0},
        "inputs": ("an_input_with_a_long_name",),
    }
    options |= {"trainable": tuple(options["params"]), "name": "long_names"}
    formula = (
        "an_input_with_a_long_name/(1+exp(-a_weight_with_a_name_of_some_length*an_input_with_a_long_name))"
    )
    module = compiled(formula, **options).module
    gradients = [f for name, f in vars(module).items() if name.startswith("_gradient_by_")]
    assert len(gradients) == 2
    for gradient in gradients:
        assert tf.is_tensor(gradient(tf.constant([1.0, 2.0]), tf.constant(0.5), tf.constant([1.0, 1.0])))
