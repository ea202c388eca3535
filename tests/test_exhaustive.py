"""Sweeps over all float32 inputs: parts of them here, for a whole one takes minutes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner

from symact.cli import cli
from symact.compiler import translate
from symact.errors import AccuracyError, OptionError, OutputError
from symact.exhaustive import exhaust
from symact.page import page
from symact.rivals import code_of, resolve
from symact.sweep_text import ProgressLine, sweep_text

SOFTPLUS = "log(1+exp(x))"
# Bits 0x3f8… to 0x3fb…, which is 1 ≤ x < 1.5, and 0xbf8…, the same below zero.
NEAR_ONE, NEAR_MINUS_ONE, INFINITE = 254, 766, 511


@pytest.fixture(scope="module")
def compilation():
    return translate(SOFTPLUS, name="softplus")


@pytest.fixture(scope="module")
def swept(compilation, tmp_path_factory):
    """Two chunks and the one with infinity and NaN, by two processes, and their journal."""
    journal = tmp_path_factory.mktemp("journal") / "softplus.jsonl"
    chunks = [NEAR_ONE, NEAR_MINUS_ONE, INFINITE]
    return exhaust(compilation, chunks=chunks, workers=2, resume=journal), journal, chunks


def test_every_input_is_judged_and_softplus_is_accurate(swept):
    found, _, _ = swept
    assert found.values["symact"].count == found.gradients["symact"].count == 2 * 2**22
    assert found.values["symact"].undecided == 0
    assert found.nan_lost == {"symact": 0}
    assert (found.chunks, found.of) == (3, 1024)
    found.assert_accurate(4)
    with pytest.raises(AccuracyError, match="value over all float32 inputs"):
        found.assert_accurate(0.51)
    text = sweep_text(found)
    assert "3 of 1024 parts" in text
    assert "8,388,608" in text
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_journal_is_gone_on_from_and_a_line_cut_short_is_dropped(swept, compilation, tmp_path):
    found, journal, chunks = swept
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(b"".join(lines[:3]) + lines[3][:50])
    calls = []
    again = exhaust(
        compilation, chunks=chunks, workers=1, resume=torn, progress=lambda *now: calls.append(now[:2])
    )
    assert calls == [(3, 3)]
    assert replace(again, seconds=0) == replace(found, seconds=0)
    assert sorted(torn.read_bytes().splitlines()[1:]) == sorted(journal.read_bytes().splitlines()[1:])


def test_journals_of_others_are_refused(swept, compilation, tmp_path):
    _, journal, chunks = swept
    other = translate("tanh(x)", name="softplus")
    before = journal.read_bytes()
    with pytest.raises(OutputError, match="begun with another formula, emitted source; name another"):
        exhaust(other, chunks=chunks, resume=journal)
    with pytest.raises(OutputError, match=r"another tf\.nn\.softplus;"):
        exhaust(compilation, against=["tf.nn.softplus"], chunks=chunks, resume=journal)
    assert journal.read_bytes() == before
    text = tmp_path / "letter.txt"
    text.write_text("Dear all\n")
    with pytest.raises(OutputError, match="not a journal"):
        exhaust(compilation, chunks=chunks, resume=text)
    assert text.read_text() == "Dear all\n"
    with pytest.raises(OutputError, match="cannot write"):
        exhaust(compilation, chunks=chunks, resume=tmp_path)


def test_a_single_wrong_input_is_found(compilation, tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(
        "import tensorflow as tf\n"
        "WRONG = 1.2345678806304932\n"
        "@tf.custom_gradient\n"
        "def softplus(x):\n"
        "    y = tf.maximum(x, 0) + tf.math.log1p(tf.exp(-tf.abs(x)))\n"
        "    def gradient(up):\n"
        "        return up * tf.where(x == WRONG, 0.9, 1 / (1 + tf.exp(-x)))\n"
        "    return tf.where(x == WRONG, y * 1.00001, y), gradient\n"
    )
    monkeypatch.chdir(tmp_path)
    found = exhaust(compilation, against=["planted:softplus"], chunks=[NEAR_ONE], resume="journal.jsonl")
    for column in (found.values, found.gradients):
        assert column["planted:softplus"].worst_at == 1.2345678806304932
        assert column["planted:softplus"].worst_ulp > 100
        assert column["symact"].worst_ulp < 4


def test_a_contender_that_fails_ends_the_sweep_with_its_reason(compilation, tmp_path):
    with pytest.raises(OptionError, match="nowhere"):
        exhaust(compilation, against=["nowhere:f"], chunks=[NEAR_ONE], workers=1, resume=tmp_path / "j.jsonl")
    with pytest.raises(OptionError, match="module:function"):
        exhaust(compilation, against=[lambda x: x], chunks=[NEAR_ONE], resume=tmp_path / "k.jsonl")
    with pytest.raises(OptionError, match="dask://"):
        exhaust(compilation, chunks=[NEAR_ONE], workers="udp://x", resume=tmp_path / "l.jsonl")


def test_progress_says_what_is_left_and_only_on_a_terminal(capsys, monkeypatch):
    line = ProgressLine()
    line(513, 1024, 2.0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line(513, 1024, 2.0)  # the first of this run: 512 were in the journal
    line(768, 1024, 300.0)
    line(1024, 1024, 600.0)
    shown = capsys.readouterr().err
    assert "75.00% of all float32 inputs, 5:00 so far, 5:00 left" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    "given", [["--workers", "2"], ["--exhaustive", "--workers", "two"], ["--resume", "f"]]
)
def test_options_of_a_sweep_are_checked_before_any_work(given):
    began = time.perf_counter()
    done = CliRunner().invoke(cli, ["compare", "tanh(x)", *given])
    assert isinstance(done.exception, OptionError)
    assert time.perf_counter() - began < 1


def test_the_page_shows_a_sweep(compiled, swept):
    found, _, _ = swept
    activation = compiled(SOFTPLUS)
    text = page(activation.compare(dtype="float16"), activation.compilation, found)
    assert "3 of 1024 parts of all float32 inputs: 8,388,608 finite ones judged" in text


SCRIPT = """
from symact.compiler import translate
from symact.exhaustive import exhaust
if __name__ == "__main__":
    softplus = translate("log(1+exp(x))", name="softplus")
    exhaust(softplus, against=["theirs:softplus"], chunks=range(250, 254), workers=2, resume="j.jsonl")
"""
THEIRS = "import tensorflow as tf\ndef softplus(x):\n    return tf.nn.softplus(x)\n"


@pytest.mark.slow
def test_a_killed_sweep_leaves_nobody_and_goes_on_where_it_was(compilation, tmp_path, monkeypatch):
    (tmp_path / "run.py").write_text(SCRIPT)
    (tmp_path / "theirs.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    journal = tmp_path / "j.jsonl"
    running = subprocess.Popen([sys.executable, "run.py"], stderr=subprocess.PIPE)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
        assert running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    began = time.monotonic()
    running.communicate()  # until the last process that has this pipe is gone
    assert time.monotonic() - began < 5
    kept = journal.read_bytes()
    assert 3 <= kept.count(b"\n") < 5
    options = {"against": ["theirs:softplus"], "chunks": range(250, 254), "workers": 1}
    resumed = exhaust(compilation, **options, resume=journal)
    assert journal.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    straight = exhaust(compilation, **options, resume=tmp_path / "straight.jsonl")
    assert replace(resumed, seconds=0) == replace(straight, seconds=0)
    assert resumed.values["theirs:softplus"].count == 4 * 2**22


def test_a_contender_whose_code_has_changed_is_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "base.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "twice.py").write_text("from base import double\ndef f(x):\n    return double(x)\n")
    before = code_of(resolve("twice:f"))
    assert code_of(resolve("twice:f")) == before
    (tmp_path / "other.py").write_text("nobody uses this")
    assert code_of(resolve("twice:f")) == before
    (tmp_path / "base.py").write_text("def double(x):\n    return x + x\n")
    assert code_of(resolve("twice:f")) != before


@pytest.mark.slow
# Dask's own shutdown, of a worker that was killed, is not quiet.
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_gives_the_same_figures_though_a_worker_is_killed(compilation, tmp_path):
    distributed = pytest.importorskip("distributed")
    chunks = list(range(250, 260))
    straight = exhaust(compilation, chunks=chunks, workers=2, resume=tmp_path / "straight.jsonl")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        killed = []

        def kill_one(done: int, wanted: int, seconds: float) -> None:
            if done == 2:
                pids = client.run(os.getpid)
                killed.append(next(iter(pids.values())))
                os.kill(killed[0], signal.SIGKILL)

        found = exhaust(
            compilation, chunks=chunks, workers=client, resume=tmp_path / "dask.jsonl", progress=kill_one
        )
        assert killed
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        by_name = exhaust(compilation, chunks=chunks[:2], workers=address, resume=tmp_path / "named.jsonl")
    assert replace(found, seconds=0) == replace(straight, seconds=0)
    assert by_name.values["symact"].count == 2 * 2**22


# Dask's own shutdown, of a worker that was killed, is not quiet.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
def test_separate_dask_workers_lose_nothing_though_one_is_killed(compilation, tmp_path):
    pytest.importorskip("distributed")
    chunks = list(range(250, 256))
    scheduler_file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(scheduler_file), "--no-dashboard"]
    commands = [["scheduler", "--port", "0"], *[["worker", "--nthreads", "1", "--no-nanny"]] * 2]
    processes: list[subprocess.Popen[bytes]] = []
    killed = []

    def kill_one(done: int, wanted: int, seconds: float) -> None:
        if done == 2:
            processes[1].send_signal(signal.SIGKILL)
            killed.append(done)

    try:
        for role, *given in commands:
            command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *options, *given]
            with (tmp_path / "dask.log").open("ab") as log:
                processes.append(subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log))
            while not scheduler_file.exists():
                assert processes[0].poll() is None, (tmp_path / "dask.log").read_text()
                time.sleep(0.1)
        address = json.loads(scheduler_file.read_text())["address"].replace("tcp://", "dask://")
        found = exhaust(
            compilation, chunks=chunks, workers=address, resume=tmp_path / "dask.jsonl", progress=kill_one
        )
        assert killed == [2]
        assert processes[1].wait() == -signal.SIGKILL
    finally:
        for process in processes:
            process.kill()
            process.wait()
    straight = exhaust(compilation, chunks=chunks, workers=2, resume=tmp_path / "straight.jsonl")
    assert replace(found, seconds=0) == replace(straight, seconds=0)
