"""Progress: what a long compilation is doing, on a terminal only, and only once it takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

# Seconds after which something is shown.
_PATIENCE = 1.0


class Update(Protocol):
    """Called with how many parts of the work are done, and how many there are."""

    def __call__(self, done: int, total: int) -> None: ...


def silent(done: int, total: int) -> None:
    """The update that shows nothing."""


@contextmanager
def on_terminal(what: str) -> Iterator[Update]:
    """An update that writes ``what`` and the count to stderr, past a second; wiped when done.

    Nothing spins: that takes a thread, and the search forks, which is safe only without threads.
    """
    if not sys.stderr.isatty():
        yield silent
        return
    began, width = time.monotonic(), 0

    def update(done: int, total: int) -> None:
        nonlocal width
        if time.monotonic() - began > _PATIENCE:
            line = f"{what} … {done} of {total}"
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()
            width = max(width, len(line))

    try:
        yield update
    finally:
        if width:
            sys.stderr.write(f"\r{' ' * width}\r")
            sys.stderr.flush()
