"""The cache: a search's result comes back whole, or not at all."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from symact.compiler import translate
from symact.grammar import parse_text
from symact.stabilize import cache
from symact.stabilize.formats import FLOAT64
from symact.stabilize.task import Task

FORMULA, SMALL = "x*tanh(log(1+exp(x)))", "x*exp(-x**2)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMACT_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("formula", [FORMULA, "x*erf(x/sqrt(2))", "Piecewise((x, x > 0), (x/10, True))"])
def test_what_is_read_is_what_was_written(folder, formula):
    cold = translate(formula)
    # Three functions in two formats; more where float64 was tried for float32.
    assert len(list(folder.glob("*.json"))) >= 6
    warm = translate(formula)
    assert warm.source == cold.source
    assert warm.stable == cold.stable


def test_another_option_is_another_entry(folder):
    entries = 0
    for options in ({}, {"prefer": "fast"}, {"domain": (0, 1)}):
        translate(FORMULA, order=1, **options)
        assert len(list(folder.iterdir())) >= entries + 4
        entries = len(list(folder.iterdir()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("exp", "log"),
        lambda _: "{}",
    ],
    ids=["empty", "cut", "changed", "other"],
)
def test_a_damaged_entry_is_as_good_as_none(folder, damage):
    cold = translate(SMALL, order=1)
    for entry in folder.glob("*.json"):
        entry.write_text(damage(entry.read_text()))
    assert translate(SMALL, order=1).source == cold.source
    assert cache.load(next(folder.glob("*.json")).stem) is not None  # mended


@pytest.mark.parametrize(
    "text", [SMALL, "x*(1+erf(x/sqrt(2)))/2", "exp(-x**2/2)/sqrt(2*pi)", "x/(1+exp(-x))"]
)
def test_every_entry_is_found_again(text, folder):
    """Whatever constants are in it: roots, exponentials, pi."""
    translate(text, order=1)
    entries = [entry.stem for entry in folder.glob("*.json")]
    assert entries
    assert all(cache.load(entry) is not None for entry in entries)


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SYMACT_CACHE_DIR", str(blocked))
    assert "def activation" in translate("tanh(x)").source


def test_off_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMACT_CACHE_DIR", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    translate("tanh(x)")
    assert not list(tmp_path.iterdir())


def test_processes_may_share_a_cache(folder):
    def run(_):
        command = [sys.executable, "-m", "symact", "generate", FORMULA, "--order", "1"]
        return subprocess.run(command, capture_output=True, env=dict(os.environ), check=True).stdout

    with ThreadPoolExecutor(3) as pool:
        sources = set(pool.map(run, range(3)))
    assert len(sources) == 1
    assert not list(folder.glob(".writing-*"))


@pytest.mark.parametrize(
    ("formula", "inputs"),
    [("a*b/(1+exp(-a))", ("a", "b")), ("x[i]*tanh(sqrt(Sum(x[j]^2,j)))/sqrt(Sum(x[j]^2,j))", ("x",))],
)
def test_pairs_and_formulas_over_an_axis_are_kept_too(folder, formula, inputs, monkeypatch):
    cold = translate(formula, inputs=inputs)
    kept = len(list(folder.glob("*.json")))
    assert kept > 0
    with monkeypatch.context() as patch:
        patch.setattr("symact.stabilize.task.stabilize", None)  # nothing is searched for
        assert translate(formula, inputs=inputs).source == cold.source
    translate(formula, inputs=inputs, prefer="fast")
    assert len(list(folder.glob("*.json"))) > kept


def test_another_process_finds_the_same(monkeypatch, tmp_path):
    """What is shared out to processes is pickled: formats and expressions come out as equal ones."""
    expression = parse_text("x*(1+erf(x/sqrt(2)))/2")
    found = []
    for place in ("here", "there"):
        monkeypatch.setenv("SYMACT_CACHE_DIR", str(tmp_path / place))
        task = Task(expression, "x", FLOAT64, (-np.inf, np.inf), 0)
        found.append((task if place == "here" else pickle.loads(pickle.dumps(task))).run().graph)
    assert found[0] is found[1]
