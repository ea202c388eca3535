"""The command ``symact compare``: limits, files, and other people's functions that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from symact.cli import cli
from symact.errors import AccuracyError, OptionError
from symact.figures import require_none

# Prints while it is imported and while it runs, by Python and below it; the other one leaves.
LOUD = """
import os, sys
import tensorflow as tf
print("imported")
def loud(x):
    print("called")
    os.write(1, b"written\\n")
    return tf.nn.relu(x)
def leaves(x):
    sys.exit(3)
"""
ELU = "Piecewise((x, x > 0), (exp(x) - 1, True))"


@pytest.mark.parametrize("limit", ["nan", "-1", "-inf"])
def test_a_limit_that_nothing_can_be_held_to_is_refused(limit, compiled):
    done = CliRunner().invoke(cli, ["compare", "x", "--dtype", "float16", "--fail-above", limit])
    assert done.exit_code == 2
    assert "--fail-above" in done.output
    for comparison in (
        compiled("x").compare(dtype="float16"),
        compiled("a*b", inputs=("a", "b")).compare(dtype="float16", samples=500),
    ):
        with pytest.raises(OptionError, match="ULP"):
            comparison.assert_accurate(max_ulp=float(limit))
        comparison.assert_accurate(max_ulp=0.5)


def test_the_message_is_a_line_that_names_every_culprit():
    complaints = [f"first, value in {i}: 9 ULP at x = 1.0" for i in range(40)]
    complaints += ["second, derivative in float32: " + "x" * 500]
    with pytest.raises(AccuracyError) as caught:
        require_none(complaints, 4.0)
    message = str(caught.value)
    assert message.startswith("not accurate to 4 ULP: first, value in 0: 9 ULP at x = 1.0; ")
    assert "second, derivative" in message
    assert message.endswith("and 38 more")
    assert len(message) < 300
    require_none([], 0.0)


def test_functions_that_print_or_exit_do_no_harm(tmp_path):
    (tmp_path / "loud.py").write_text(LOUD)
    (tmp_path / "gone.py").write_text("raise SystemExit('not today')")
    given = ["--dtype=float16", "--json", *(f"--against={f}" for f in ("loud:loud", "loud:leaves", "gone:f"))]
    done = subprocess.run(
        [sys.executable, "-m", "symact", "compare", "Max(x, 0)", *given],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compared = json.loads(done.stdout)["formats"]["float16"]
    assert compared["values"]["loud:loud"]["worst_ulp"] == 0
    assert "SystemExit: 3" in compared["problems"]["loud:leaves"]["value"]
    assert "not today" in compared["problems"]["gone:f"]["value"]
    for printed in ("imported", "called", "written"):
        assert printed in done.stderr


def test_a_function_of_pairs_that_exits_is_a_problem_of_its_own(compiled):
    def leaves(a, b):
        raise SystemExit

    comparison = compiled("a*b", inputs=("a", "b")).compare(against=leaves, dtype="float32", samples=500)
    assert "SystemExit" in comparison.problems["leaves"]["value"]
    assert comparison.values["symact"].worst_ulp <= 1


def test_one_file_for_picture_and_page_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for other in ("x.png", "./x.png", str(tmp_path / "x.png")):
        done = CliRunner().invoke(cli, ["compare", "x", "--plot", "x.png", "--html", other, "--force"])
        assert isinstance(done.exception, OptionError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("formula", ["x", "Sum(x[j], j)"])
def test_why_a_name_cannot_be_compared_is_said_once(formula, compiled):
    text = str(compiled(formula).compare(against="nomod:x", dtype="float16", samples=500))
    (line,) = [line for line in text.splitlines() if "nomod" in line]
    assert line == "nomod:x: not compared: cannot compare with 'nomod:x': there is no module 'nomod'"
