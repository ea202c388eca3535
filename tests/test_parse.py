"""Text and SymPy to Formula: what is accepted means what it says, all else is refused at once."""

from __future__ import annotations

import time

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symact.errors import FormulaError, OptionError, SymactError, UnsupportedError
from symact.grammar import parse_text
from symact.parse import parse
from symact.reserved import LAYER_NAMES
from symact.vocabulary import FUNCTIONS

x, y = sp.Symbol("x", real=True), sp.Symbol("y", real=True)

MEANINGS = {
    "x^2 + 2^x": x**2 + 2**x,
    "-x^2": -(x**2),
    "2^-x": 2 ** (-x),
    "2^3^2*x": 512 * x,
    "0.044715*x": sp.Rational(44715, 1000000) * x,
    "1e-3*x": x / 1000,
    "x/3": x / 3,
    "1/3 + x": sp.Rational(1, 3) + x,
    "pi*E*x": sp.pi * sp.E * x,
    "abs(x) + max(x, 0, 1) + min(x, 2)": sp.Abs(x) + sp.Max(x, 1) + sp.Min(x, 2),
    "relu(x)": sp.Max(x, 0),
    "sigmoid(x)": 1 / (1 + sp.exp(-x)),
    "softplus(2*x)": sp.log(1 + sp.exp(2 * x)),
    "log1p(x) - expm1(x)": sp.log(1 + x) - sp.exp(x) + 1,
    "log(x, 2)": sp.log(x) / sp.log(2),
    "Piecewise((x, x > 0), (0.1*x, True))": sp.Piecewise((x, x > 0), (x / 10, True)),
    "Piecewise((1, 0 < x < 1), (0, True))": sp.Piecewise((1, sp.And(x > 0, x < 1)), (0, True)),
    "Piecewise((1, (x < 0) | (x > 1)), (0, True))": sp.Piecewise((1, sp.Or(x < 0, x > 1)), (0, True)),
    "Heaviside(x)": sp.Heaviside(x),
    "1_000*x": 1000 * x,
}


@pytest.mark.parametrize("text", MEANINGS)
def test_text_means_what_it_says(text):
    assert parse_text(text) == MEANINGS[text]


HOSTILE = [
    "__import__('os').system('touch /tmp/x')",
    "().__class__",
    "x.real",
    "lambda: x",
    "[x for x in (1,)]",
    "{x}",
    "f'{x}'",
    "'text'",
    "(x := 3)",
    "x if x > 0 else 0",
    "print(x)",
    "exp(*x)",
    "exp(x=1)",
    "9**9**9**9",
    "10**10**10",
    "2**(2**100)",
    "((2**500)**500)**500",
    "x**1000000000",
    "1e999999999*x",
    "1" * 500,
    "(" * 300 + "x" + ")" * 300,
    "exp(" * 500 + "x" + ")" * 500,
    "-" * 5000 + "x",
    "+".join(["x"] * 3000),
    "exp(exp(exp(exp(100))))*x",
    "x\0",
    "x # comment",
    "x \\",
    "",
    "   ",
    "x +",
    "x > 0",
    "1/0",
    "sqrt(-1)",
    "1j",
    "0x10",
    "not x",
    "(x > 0) + 1",
    "exp()",
    "exp(x, x)",
    "Piecewise((1, x))",
    "Piecewise(x)",
    "x @ x",
    "x % 2",
    "Sum(x[j], 2)",
    "x[0]",
    "sin",
    "_private",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20] or "empty")
def test_anything_else_is_refused_at_once_in_one_line(text):
    began = time.perf_counter()
    with pytest.raises(FormulaError) as refusal:
        parse(text)
    assert time.perf_counter() - began < 1.0
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


HINTS = {
    "2x": "2*x",
    "|x|": "Abs(x)",
    "x!": "factorial",
    "x // 2": "//",
    "I*x": "imaginary",
    "tahn(x)": "tanh",
}


@pytest.mark.parametrize("text", HINTS)
def test_a_common_slip_is_told_how_to_mend(text):
    with pytest.raises(FormulaError) as refused:
        parse_text(text)
    assert HINTS[text] in str(refused.value)


def test_no_parameter_takes_a_name_of_a_keras_layers_own():
    import keras

    own = {name for name in dir(keras.layers.Layer()) if not name.startswith("_")}
    assert own <= LAYER_NAMES


def test_unknown_names_are_named_with_the_nearest():
    with pytest.raises(UnsupportedError, match=r"unknown function 'sigmod'; did you mean 'sigmoid'"):
        parse("sigmod(x)")
    with pytest.raises(FormulaError, match=r"'beta' is neither an input nor a parameter"):
        parse("x*beta")


def test_errors_point_at_the_place_in_the_users_own_text():
    with pytest.raises(FormulaError) as refusal:
        parse("x^2 + foo(x)")
    assert refusal.value.position == len("x^2 + ")
    assert "(at character 7)" in str(refusal.value)


@pytest.mark.parametrize("name", ["x; import os", "class", "__a", "a b", "", "1a", "tf", "é", "lambda"])
def test_hostile_names_are_refused(name):
    with pytest.raises(OptionError):
        parse("x", name=name)
    with pytest.raises(SymactError):
        parse("x", params={name: 1.0})


OPTIONS = [
    {"params": {"beta": 1.0}},
    {"domain": (1, 0)},
    {"domain": (0, 0)},
    {"domain": 3},
    {"domain": ("a", "b")},
    {"inputs": ()},
    {"inputs": "x"},
    {"trainable": ("beta",)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(OptionError):
        parse("x", **options)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True, None])
def test_a_parameter_needs_a_number(value):
    with pytest.raises(OptionError, match="must be a number"):
        parse("a*x", params={"a": value})


def test_sympy_keeps_the_users_symbols():
    own = sp.Symbol("x")
    formula = parse(own**2)
    assert formula.expression == x**2
    assert formula.in_users_symbols(formula.expression) == own**2


REFUSED_SYMPY = [
    sp.Integral(sp.Symbol("x"), sp.Symbol("x")),
    sp.Function("f")(sp.Symbol("x")),
    sp.I * sp.Symbol("x"),
    sp.zoo,
    sp.Matrix([1]),
    sp.Symbol("x") > 0,
    sp.gamma(sp.Symbol("x")),
    sp.Symbol("x") + sp.Symbol("x", positive=True),
    object(),
]


@pytest.mark.parametrize(
    "expression", REFUSED_SYMPY, ids=lambda e: type(e).__name__ if type(e) is object else str(e)
)
def test_sympy_that_cannot_be_compiled_is_refused(expression):
    with pytest.raises(FormulaError):
        parse(expression)


def test_floats_become_the_decimals_they_show():
    assert parse(0.1 * sp.Symbol("x")).expression == x / 10


_leaves = st.sampled_from(["x", "1", "2.5", "pi", "0.1"])
_unary = [name for name, word in FUNCTIONS.items() if word.fewest == 1 and name not in ("cbrt", "sinc")]


def _grow(children):
    binary = st.tuples(children, st.sampled_from("+-*"), children).map(lambda t: f"({t[0]}{t[1]}{t[2]})")
    calls = st.tuples(st.sampled_from(["exp", "tanh", "abs", "erf", "sin"]), children)
    return binary | calls.map(lambda t: f"{t[0]}({t[1]})")


@settings(max_examples=60, deadline=None)
@given(st.recursive(_leaves, _grow, max_leaves=6))
def test_what_sympy_prints_parses_back(text):
    expression = parse_text(text)
    # SymPy multiplies a number into a sum, and simplifies | |x| |, when it reads, not always before.
    assert sp.expand((parse_text(str(expression)) - expression).doit()) == 0


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="x0123456789.+-*/^()<>=,eE_ apisn[]'\"{}:@!%&|~#\\\n", max_size=40))
def test_no_text_raises_anything_but_a_formula_error(text):
    try:
        parse(text)
    except FormulaError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message
