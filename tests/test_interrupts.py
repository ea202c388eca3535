"""Ctrl-C, as a terminal sends it to all processes of a command: quiet, soon, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from symact.compiler import translate
from symact.exhaustive import exhaust


def interrupted(command: list[str], ready: Callable[[], bool], **options) -> tuple[int, str, float]:
    """Status, what was printed to stderr, and seconds until the end, of a command interrupted when ready."""
    # As from a terminal: what runs in the background ignores interrupts, and what it starts inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    signal.signal(signal.SIGINT, before)
    try:
        while not ready():
            assert running.poll() is None
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        began = time.monotonic()
        _, printed = running.communicate(timeout=30)
    finally:
        # Nobody of its session is to be left; what is left is a zombie at most, which takes no signal.
        running.kill()
    return running.returncode, printed, time.monotonic() - began


def after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


@pytest.mark.parametrize("seconds", [1.5, 2.5])
def test_a_search_is_interrupted_quietly(seconds):
    # Long to search for, by forked processes.
    formula = "x*tanh(log(1+exp(x)))/(1+exp(-x/3))+atan(x)/(7+x^2)"
    cold = {**os.environ, "SYMACT_CACHE_DIR": "off"}
    status, printed, took = interrupted(["-m", "symact", "compare", formula], after(seconds), env=cold)
    assert status == 130
    assert printed.strip() == "symact: interrupted"
    assert took < 8


@pytest.mark.parametrize("seconds", [1.5, 3.0])
def test_no_process_of_a_killed_search_goes_on(seconds):
    formula = "x*tanh(log(1+exp(x)))/(1+exp(-x/3))+atan(x)/(7+x^2)"
    cold = {**os.environ, "SYMACT_CACHE_DIR": "off"}
    command = [sys.executable, "-m", "symact", "generate", formula]
    running = subprocess.Popen(command, env=cold, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(seconds)
    assert running.poll() is None
    running.kill()
    began = time.monotonic()
    running.communicate()  # until the last process that has these pipes is gone
    assert time.monotonic() - began < 5


SWALLOWS = """
import sys, time
from symact.interrupts import end_soon_when_interrupted
end_soon_when_interrupted()
class Final:
    def __del__(self):
        open("ready", "w").close()
        time.sleep(60)
Final()
time.sleep(60)
"""


def test_an_interrupt_that_python_drops_ends_the_process_all_the_same(tmp_path):
    status, _, took = interrupted(["-c", SWALLOWS], (tmp_path / "ready").exists, cwd=tmp_path)
    assert status == 130
    assert took < 8


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_sweep_goes_on_where_it_was(workers, tmp_path):
    journal = tmp_path / "j.jsonl"
    options = f"--name softplus --dtype float32 --exhaustive --workers {workers} --resume j.jsonl".split()
    command = ["-m", "symact", "compare", "log(1+exp(x))", *options]

    def some_are_done() -> bool:
        return journal.exists() and journal.read_bytes().count(b"\n") > 2

    status, printed, took = interrupted(command, some_are_done, cwd=tmp_path)
    assert status == 130
    assert printed.strip() == "symact: interrupted"
    assert took < 8
    kept = journal.read_bytes()
    time.sleep(3)
    assert journal.read_bytes() == kept
    # The first chunk that a sweep takes, from the journal.
    calls = []
    compilation = translate("log(1+exp(x))", name="softplus")
    exhaust(compilation, chunks=[0], resume=journal, progress=lambda *now: calls.append(now))
    assert not calls
