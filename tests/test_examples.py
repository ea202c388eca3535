"""Every example runs as its user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
RUNS = {
    "scaled_sigmoid.py": ([], ["derivative", "0.5", "mean squared error"]),
    "leaky_relu.py": ([], ["derivative", "0.1", "mean squared error"]),
    "l2_norm.py": ([], ["[0.70710677 0.70710677]", "[0. 0.]", "nan", "mean squared error"]),
    "trainable_slopes.py": ([], ["by symact: [ 0.1  0.5 -0.3]", "Swish slope: 1.70"]),
    "transformer.py": (["--steps", "30"], ["bits a character", "frequencies"]),
    "train_digits.py": (
        ["x/(1+exp(-x))", "--name", "silu", "--epochs", "3"],
        ["epoch 3/3", "accuracy with silu", "accuracy with relu", "identical"],
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_example(name):
    arguments, expected = RUNS[name]
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for part in expected:
        assert part in done.stdout


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(RUNS)


def test_a_formula_that_is_refused_is_one_line():
    command = [sys.executable, str(EXAMPLES / "train_digits.py"), "foo(x)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "unknown function 'foo'" in done.stderr.strip().splitlines()[-1]


def test_the_tests_in_somebody_elses_repository_pass():
    folder = EXAMPLES / "their_project"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "-c",
        "/dev/null",
    ]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "9 passed" in done.stdout
