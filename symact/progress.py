"""Progress: what long work is doing, in one line on a terminal, which is wiped when it is done.

Nothing spins: that takes a thread, and the search forks, which is safe only without threads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

# Seconds after which a count is shown.
_PATIENCE = 1.0


class Update(Protocol):
    """Called with how many parts of the work are done, and how many there are."""

    def __call__(self, done: int, total: int) -> None: ...


def silent(done: int, total: int) -> None:
    """The update that shows nothing."""


class Line:
    """A line on stderr that is written over again and again; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._width = 0

    def show(self, text: str) -> None:
        """Write ``text`` over what the line shows."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text:{self._width}}")
            sys.stderr.flush()
            self._width = max(self._width, len(text))

    def wipe(self) -> None:
        """Leave nothing of it."""
        if self._width:
            sys.stderr.write(f"\r{' ' * self._width}\r")
            sys.stderr.flush()
            self._width = 0

    def keep(self) -> None:
        """Leave it as it stands, and go to the next line."""
        if self._width:
            sys.stderr.write("\n")
            self._width = 0


@contextmanager
def on_terminal(what: str, *, at_once: bool = False) -> Iterator[Update]:
    """An update that shows ``what`` and the count, past a second.

    Args:
        what: is being done.
        at_once: whether that much is shown from the start: for work that has no count.
    """
    line, began = Line(), time.monotonic()

    def update(done: int, total: int) -> None:
        if time.monotonic() - began > _PATIENCE:
            line.show(f"{what} … {done} of {total}")

    if at_once:
        line.show(f"{what} …")
    try:
        yield update
    finally:
        line.wipe()
