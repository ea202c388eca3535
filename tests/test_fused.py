"""XLA makes one kernel of each elementwise function: no intermediate result is written to memory."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from symact.emit.module import KERNEL_HELPERS

# formula, options: functions in which expensive results are used more than once, in branches or series.
CASES = {
    "x/(1+exp(-x))": {},
    "x*(1+erf(x/sqrt(2)))/2": {},
    "tanh(x)": {},
    "log(1-exp(x))": {"domain": (-float("inf"), 0.0)},
    "x*atan(exp(x))": {},
    "(x/(1+x^2))*exp(x/(1+x^2))": {},
    "a*b*(1+erf(b/sqrt(2)))/2": {"inputs": ("a", "b")},
    "tanh(a*b)*exp(-a*b)": {"inputs": ("a", "b")},
    "a/(1+exp(a-b))+b/(1+exp(b-a))": {"inputs": ("a", "b")},
}
DERIVATIVES = re.compile(r"_derivative(_by_\w+)?")
GRADIENTS = re.compile(r"_gradient(_by_\w+)?")


def _module(source: str) -> SimpleNamespace:
    namespace: dict = {"__name__": "emitted"}
    exec(source, namespace)
    return SimpleNamespace(**namespace)


def _kernels(function, arguments) -> int:
    """How many kernels XLA makes of ``function``: instructions of the optimized program's entry."""
    program = function.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
    entry = program[program.index("\nENTRY") :].split("\n}")[0].splitlines()[1:]
    return len([line for line in entry if " = " in line and " parameter(" not in line])


@pytest.mark.parametrize("formula", CASES)
def test_a_function_is_one_kernel(compiled, formula):
    options = CASES[formula]
    module = _module(compiled(formula, jit_compile=True, **options).source)
    draw = np.random.default_rng(0)
    names = [name for name in vars(module) if name == "_value" or DERIVATIVES.fullmatch(name)]
    # The functions of one format are called by these.
    names = [name for name in names if not name.endswith(("_float32", "_float64", "_widened"))]
    count = len(options.get("inputs", "x"))
    assert len(names) == 1 + count
    for dtype in (tf.float32, tf.float64):
        arguments = [tf.constant(-np.abs(draw.normal(size=(8, 1024))), dtype) for _ in range(count)]
        for name in names:
            assert _kernels(getattr(module, name), arguments) == 1, (name, dtype)
        for name in [name for name in vars(module) if GRADIENTS.fullmatch(name)]:
            assert _kernels(getattr(module, name), [*arguments, arguments[0]]) == 1, (name, dtype)


@pytest.mark.parametrize("helper", ["_fused", "_stored"])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_mark_for_xla_changes_nothing(helper, dtype, jit_compile):
    namespace = {"tf": tf}
    exec(KERNEL_HELPERS[helper], namespace)
    given = [np.nan, -np.inf, np.inf, -0.0, 0.0, 1.0, -2.5, dtype.min, dtype.max]
    values = tf.constant(given, dtype)
    for function in (
        namespace[helper],
        tf.function(namespace[helper], autograph=False, jit_compile=jit_compile),
    ):
        np.testing.assert_array_equal(function(values), given)
        np.testing.assert_array_equal(np.signbit(function(values)[1:]), np.signbit(given[1:]))
