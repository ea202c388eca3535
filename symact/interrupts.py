"""Interrupts: Ctrl-C ends a command soon, quietly and with all its processes; so does a kill.

The terminal sends Ctrl-C to every process at once; here only the first one acts on it, and ends the others.
A process that is killed cannot do so: the others look themselves whether it is still there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

STATUS = 130
# Seconds until an interrupted command is ended the hard way.
_PATIENCE = 4.0
# Seconds until a process notices that its parent is gone.
_LOOK_AGAIN = 0.5


def end_soon_when_interrupted() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, and end the process if that was not heeded.

    Python drops an exception that is raised in a finalizer, which TensorFlow has many of.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    threading.Thread(target=_end, daemon=True).start()
    raise KeyboardInterrupt


def _end() -> None:
    time.sleep(_PATIENCE)
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(STATUS)


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started within this do not hear Ctrl-C: they would each print where they were."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def children_end_too() -> Iterator[None]:
    """Processes started within this are ended if it is left before its end, by whatever exception."""
    before = set(multiprocessing.active_children())
    try:
        yield
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
        raise


def leave_with(parent: int) -> None:
    """End this process soon after ``parent`` has ended, which started it and may be killed."""
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_AGAIN)
    os._exit(1)
