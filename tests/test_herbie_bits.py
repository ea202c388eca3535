"""The measure of the benchmark scripts themselves."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from symact.stabilize.formats import FLOAT32, FLOAT64


@pytest.fixture(scope="module")
def scripts():
    folder = str(Path(__file__).parent / "benchmarks")
    sys.path.insert(0, folder)
    yield importlib.import_module("herbie_bits"), importlib.import_module("textbook")
    sys.path.remove(folder)


def test_bits_count_the_floats_between(scripts):
    bits = scripts[0].bits
    following = float(np.nextafter(np.float32(1), np.float32(2)))
    results = np.array([1.0, following, np.nan, np.inf, -0.0, 0.0])
    truth = np.array([1.0, 1.0, 1.0, FLOAT32.max, 0.0, 1e-40])
    assert bits(results, truth, FLOAT32, subnormal=False).tolist() == [0, 1, 32, 1, 0, 0]
    assert bits(results, truth, FLOAT32, subnormal=True)[-1] > 16
    assert bits(np.array([-1.0]), np.array([1.0]), FLOAT64, subnormal=False) == pytest.approx(63, abs=0.01)


def test_truth_is_rounded_once(scripts):
    rounded_once = scripts[1].rounded_once
    tie = np.full(3, 1 + 2.0**-24)
    up = 1 + 2.0**-23
    assert rounded_once(tie, np.array([-1e-30, 0.0, 1e-30]), FLOAT32).tolist() == [1.0, 1.0, up]
    ends = np.array([1e39, -np.inf, 1e-40, np.nan])
    found = rounded_once(ends, np.zeros(4), FLOAT32)
    assert found[:2].tolist() == [np.inf, -np.inf]
    assert found[2] == np.float32(1e-40)
    assert np.isnan(found[3])
