"""Shared by the tests: TensorFlow kept quiet, and compilations kept between tests."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symact

SLOW = Path(__file__).with_name("slow.txt")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    lines = [line for line in SLOW.read_text().splitlines() if not line.startswith("#")]
    named = set()
    for item in items:
        for line in lines:
            if item.nodeid.startswith(line):
                item.add_marker(pytest.mark.slow)
                named.add(line)
    unknown = sorted({*lines} - named)
    if unknown and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        raise pytest.UsageError(f"{SLOW.name} names no test: {unknown[0]}")


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory):
    """A cache folder of the tests' own: cold at first, and never the user's."""
    # The folder above the base is the session's own, and shared by the processes that run it.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["SYMACT_CACHE_DIR"] = str(shared / "symact-cache")


@cache
def _compiled(formula: str, options: tuple[tuple[str, Any], ...]) -> symact.Activation:
    return symact.compile(formula, **{k: dict(v) if k == "params" else v for k, v in options})


@pytest.fixture(scope="session")
def compiled():
    """``compiled(formula, **options)``: as ``symact.compile``, each compiled once a session."""

    def get(formula: str, **options: Any) -> symact.Activation:
        frozen = {k: tuple(v.items()) if isinstance(v, dict) else v for k, v in options.items()}
        return _compiled(formula, tuple(sorted(frozen.items())))

    return get


@pytest.fixture(scope="session")
def value_and_gradient():
    """``f(activation, jit_compile)``: a function of one input to value and gradient, in one graph."""
    import tensorflow as tf

    def of(activation: Any, jit_compile: bool) -> Any:
        @tf.function(autograph=False, jit_compile=jit_compile)
        def both(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = activation(x)
            return y, tape.gradient(y, x)

        return both

    return of


@pytest.fixture(scope="session")
def value_and_gradients():
    """``f(activation, points, dtype)``: value, first and second derivative as float64 arrays."""
    import tensorflow as tf

    def run(activation: Any, points: Any, dtype: str = "float32") -> list[np.ndarray]:
        x = tf.constant(np.asarray(points), dtype)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = activation(x)
            first = inner.gradient(y, x)
        second = outer.gradient(first, x)
        return [tf.cast(t, tf.float64).numpy() for t in (y, first, second)]

    return run
