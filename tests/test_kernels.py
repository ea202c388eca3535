"""The measured errors of TensorFlow's kernels: complete, quickly read, and true of this TensorFlow."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from symact import ops
from symact.ops import OPS, kernel_ulp
from symact.stabilize.formats import FORMATS

SCRIPT = Path(__file__).parent / "benchmarks" / "measure_kernels.py"
TABLE = tomllib.loads(Path(ops.__file__).with_name("kernels.toml").read_text())
ROUNDING = [op.name for op in OPS.values() if op.arb is not None and not op.exact and not op.boolean]


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules[SCRIPT.stem] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    yield module
    del sys.modules[SCRIPT.stem]


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_op_that_rounds_has_rows_that_cover_the_line(format_name):
    assert sorted(TABLE[format_name]) == sorted(ROUNDING)
    for name, rows in TABLE[format_name].items():
        low, high, eager, xla, worst, rms, _ = np.array([row.split() for row in rows], float).T
        assert low[0] == -np.inf, name
        assert high[-1] == np.inf, name
        assert np.array_equal(low[1:], high[:-1]), name
        assert np.array_equal(worst, np.maximum(eager, xla)), name
        assert (rms <= worst).all(), name


def test_the_row_at_the_argument_holds():
    tail, head = kernel_ulp("erfc", "float32", np.array([9.0, -1.0]))
    assert tail > 20 > 4 > head
    assert kernel_ulp("add", "float64", np.array([1.0, 2.0])) == 0.5
    assert kernel_ulp("erf", "float64", np.array([1e200])) > 1e20  # TensorFlow answers NaN


@pytest.mark.skipif(TABLE["tensorflow"] != tf.__version__, reason="measured on another TensorFlow")
@pytest.mark.parametrize("name", ["exp", "expm1", "log1p", "tanh", "sinh", "erf", "erfc", "pow", "div"])
@pytest.mark.parametrize("format_name", FORMATS)
def test_kernels_are_no_worse_than_recorded(script, format_name, name):
    fmt, op = FORMATS[format_name], OPS[name]
    points = script.arguments(op, fmt, 2_000, seed=7)
    found = script.errors(op, fmt, points)
    recorded = kernel_ulp(name, format_name, points[0])
    for mode, errors in found.items():
        # Next to a row's end its neighbour's worst point may lie just across it.
        assert np.all(errors <= 1.2 * np.maximum(recorded, 0.5)), mode
